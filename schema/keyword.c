#include "schema/keyword.h"

#include <string.h>

enum { D4 = 1, D7 = 2, D2020 = 4, OLD = D4 | D7, NEW = D7 | D2020, ALL = OLD | D2020 };

static const struct row {
    struct replica__keyword keyword;
    unsigned drafts;
    unsigned vocabulary;
} rows[] = {
    { { "$defs", KEYWORD_SCHEMAS, SHAPE_MAP }, D2020, VOCAB_CORE },
    { { "$dynamicRef", KEYWORD_DYNAMIC_REF, SHAPE_VALUE }, D2020, VOCAB_CORE },
    { { "$ref", KEYWORD_REF, SHAPE_VALUE }, ALL, VOCAB_CORE },
    { { "additionalItems", KEYWORD_ADDITIONAL_ITEMS, SHAPE_SCHEMA }, OLD, VOCAB_APPLICATOR },
    { { "additionalProperties", KEYWORD_ADDITIONAL_PROPERTIES, SHAPE_SCHEMA }, ALL,
      VOCAB_APPLICATOR },
    { { "allOf", KEYWORD_ALL_OF, SHAPE_LIST }, ALL, VOCAB_APPLICATOR },
    { { "anyOf", KEYWORD_ANY_OF, SHAPE_LIST }, ALL, VOCAB_APPLICATOR },
    { { "const", KEYWORD_CONST, SHAPE_VALUE }, NEW, VOCAB_VALIDATION },
    { { "contains", KEYWORD_CONTAINS, SHAPE_SCHEMA }, NEW, VOCAB_APPLICATOR },
    { { "contentEncoding", KEYWORD_TEXT, SHAPE_VALUE }, NEW, VOCAB_CONTENT },
    { { "contentMediaType", KEYWORD_TEXT, SHAPE_VALUE }, NEW, VOCAB_CONTENT },
    { { "contentSchema", KEYWORD_SCHEMAS, SHAPE_SCHEMA }, D2020, VOCAB_CONTENT },
    { { "definitions", KEYWORD_SCHEMAS, SHAPE_MAP }, ALL, VOCAB_CORE },
    { { "dependencies", KEYWORD_DEPENDENCIES, SHAPE_MAP_OR_NAMES }, ALL, VOCAB_APPLICATOR },
    { { "dependentRequired", KEYWORD_DEPENDENT_REQUIRED, SHAPE_VALUE }, D2020, VOCAB_VALIDATION },
    { { "dependentSchemas", KEYWORD_DEPENDENT_SCHEMAS, SHAPE_MAP }, D2020, VOCAB_APPLICATOR },
    { { "description", KEYWORD_TEXT, SHAPE_VALUE }, ALL, VOCAB_META_DATA },
    { { "else", KEYWORD_ELSE, SHAPE_SCHEMA }, NEW, VOCAB_APPLICATOR },
    { { "enum", KEYWORD_ENUM, SHAPE_VALUE }, ALL, VOCAB_VALIDATION },
    { { "exclusiveMaximum", KEYWORD_EXCLUSIVE_MAXIMUM, SHAPE_VALUE }, ALL, VOCAB_VALIDATION },
    { { "exclusiveMinimum", KEYWORD_EXCLUSIVE_MINIMUM, SHAPE_VALUE }, ALL, VOCAB_VALIDATION },
    { { "format", KEYWORD_FORMAT, SHAPE_VALUE }, ALL, VOCAB_FORMAT | VOCAB_FORMAT_ASSERTION },
    { { "if", KEYWORD_IF, SHAPE_SCHEMA }, NEW, VOCAB_APPLICATOR },
    { { "items", KEYWORD_ITEMS, SHAPE_SCHEMA_OR_LIST }, ALL, VOCAB_APPLICATOR },
    { { "maxContains", KEYWORD_MAX_CONTAINS, SHAPE_VALUE }, D2020, VOCAB_VALIDATION },
    { { "maxItems", KEYWORD_MAX_ITEMS, SHAPE_VALUE }, ALL, VOCAB_VALIDATION },
    { { "maxLength", KEYWORD_MAX_LENGTH, SHAPE_VALUE }, ALL, VOCAB_VALIDATION },
    { { "maxProperties", KEYWORD_MAX_PROPERTIES, SHAPE_VALUE }, ALL, VOCAB_VALIDATION },
    { { "maximum", KEYWORD_MAXIMUM, SHAPE_VALUE }, ALL, VOCAB_VALIDATION },
    { { "minContains", KEYWORD_MIN_CONTAINS, SHAPE_VALUE }, D2020, VOCAB_VALIDATION },
    { { "minItems", KEYWORD_MIN_ITEMS, SHAPE_VALUE }, ALL, VOCAB_VALIDATION },
    { { "minLength", KEYWORD_MIN_LENGTH, SHAPE_VALUE }, ALL, VOCAB_VALIDATION },
    { { "minProperties", KEYWORD_MIN_PROPERTIES, SHAPE_VALUE }, ALL, VOCAB_VALIDATION },
    { { "minimum", KEYWORD_MINIMUM, SHAPE_VALUE }, ALL, VOCAB_VALIDATION },
    { { "multipleOf", KEYWORD_MULTIPLE_OF, SHAPE_VALUE }, ALL, VOCAB_VALIDATION },
    { { "not", KEYWORD_NOT, SHAPE_SCHEMA }, ALL, VOCAB_APPLICATOR },
    { { "oneOf", KEYWORD_ONE_OF, SHAPE_LIST }, ALL, VOCAB_APPLICATOR },
    { { "pattern", KEYWORD_PATTERN, SHAPE_VALUE }, ALL, VOCAB_VALIDATION },
    { { "patternProperties", KEYWORD_PATTERN_PROPERTIES, SHAPE_MAP }, ALL, VOCAB_APPLICATOR },
    { { "prefixItems", KEYWORD_PREFIX_ITEMS, SHAPE_LIST }, D2020, VOCAB_APPLICATOR },
    { { "properties", KEYWORD_PROPERTIES, SHAPE_MAP }, ALL, VOCAB_APPLICATOR },
    { { "propertyNames", KEYWORD_PROPERTY_NAMES, SHAPE_SCHEMA }, NEW, VOCAB_APPLICATOR },
    { { "required", KEYWORD_REQUIRED, SHAPE_VALUE }, ALL, VOCAB_VALIDATION },
    { { "then", KEYWORD_THEN, SHAPE_SCHEMA }, NEW, VOCAB_APPLICATOR },
    { { "title", KEYWORD_TEXT, SHAPE_VALUE }, ALL, VOCAB_META_DATA },
    { { "type", KEYWORD_TYPE, SHAPE_VALUE }, ALL, VOCAB_VALIDATION },
    { { "unevaluatedItems", KEYWORD_UNEVALUATED_ITEMS, SHAPE_SCHEMA }, D2020, VOCAB_UNEVALUATED },
    { { "unevaluatedProperties", KEYWORD_UNEVALUATED_PROPERTIES, SHAPE_SCHEMA }, D2020,
      VOCAB_UNEVALUATED },
    { { "uniqueItems", KEYWORD_UNIQUE_ITEMS, SHAPE_VALUE }, ALL, VOCAB_VALIDATION },
};

const struct replica__keyword *replica__keyword_find(struct replica__slice name, int draft,
                                                     unsigned vocabularies)
{
    unsigned bit = draft == DRAFT_4 ? D4 : draft == DRAFT_7 ? D7 : D2020;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];

        if ((row->drafts & bit) && (row->vocabulary & vocabularies) &&
            replica__json_string_is(name, row->keyword.name, strlen(row->keyword.name)))
            return &row->keyword;
    }
    return NULL;
}

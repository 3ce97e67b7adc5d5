/* The keywords of the three drafts: which draft knows them, in which vocabulary they are, and where
 * there are schemas below them. */
#ifndef SCHEMA_KEYWORD_H
#define SCHEMA_KEYWORD_H

#include "base/json.h"

enum { DRAFT_4 = 4, DRAFT_7 = 7, DRAFT_2020 = 2020 };

enum {
    VOCAB_CORE = 1 << 0,
    VOCAB_APPLICATOR = 1 << 1,
    VOCAB_UNEVALUATED = 1 << 2,
    VOCAB_VALIDATION = 1 << 3,
    VOCAB_META_DATA = 1 << 4,
    VOCAB_FORMAT = 1 << 5,
    VOCAB_FORMAT_ASSERTION = 1 << 6,
    VOCAB_CONTENT = 1 << 7,
    VOCAB_STANDARD = 0xBF /* all but the assertion of formats */
};

/* What is below a keyword. */
enum keyword_shape {
    SHAPE_VALUE,           /* no schema */
    SHAPE_SCHEMA,          /* one */
    SHAPE_LIST,            /* an array of them */
    SHAPE_SCHEMA_OR_LIST,  /* items */
    SHAPE_MAP,             /* an object whose members are schemas */
    SHAPE_MAP_OR_NAMES     /* or arrays of names: dependencies */
};

enum keyword_id {
    KEYWORD_NONE = 0,
    KEYWORD_ADDITIONAL_ITEMS,
    KEYWORD_ADDITIONAL_PROPERTIES,
    KEYWORD_ALL_OF,
    KEYWORD_ANY_OF,
    KEYWORD_CONST,
    KEYWORD_CONTAINS,
    KEYWORD_DEPENDENCIES,
    KEYWORD_DEPENDENT_REQUIRED,
    KEYWORD_DEPENDENT_SCHEMAS,
    KEYWORD_DYNAMIC_REF,
    KEYWORD_ELSE,
    KEYWORD_ENUM,
    KEYWORD_EXCLUSIVE_MAXIMUM,
    KEYWORD_EXCLUSIVE_MINIMUM,
    KEYWORD_FORMAT,
    KEYWORD_IF,
    KEYWORD_ITEMS,
    KEYWORD_MAX_CONTAINS,
    KEYWORD_MAX_ITEMS,
    KEYWORD_MAX_LENGTH,
    KEYWORD_MAX_PROPERTIES,
    KEYWORD_MAXIMUM,
    KEYWORD_MIN_CONTAINS,
    KEYWORD_MIN_ITEMS,
    KEYWORD_MIN_LENGTH,
    KEYWORD_MIN_PROPERTIES,
    KEYWORD_MINIMUM,
    KEYWORD_MULTIPLE_OF,
    KEYWORD_NOT,
    KEYWORD_ONE_OF,
    KEYWORD_PATTERN,
    KEYWORD_PATTERN_PROPERTIES,
    KEYWORD_PREFIX_ITEMS,
    KEYWORD_PROPERTIES,
    KEYWORD_PROPERTY_NAMES,
    KEYWORD_REF,
    KEYWORD_REQUIRED,
    KEYWORD_SCHEMAS, /* $defs, definitions, contentSchema: asserts nothing, but schemas are there */
    KEYWORD_TEXT,    /* title, description...: asserts nothing, and is a text */
    KEYWORD_THEN,
    KEYWORD_TYPE,
    KEYWORD_UNEVALUATED_ITEMS,
    KEYWORD_UNEVALUATED_PROPERTIES,
    KEYWORD_UNIQUE_ITEMS,
    KEYWORD_COUNT
};

struct replica__keyword {
    const char *name;
    enum keyword_id id;
    enum keyword_shape shape;
};

/* The keyword that a member's name (as spelled) is in a schema of this draft and with these
 * vocabularies; NULL: it asserts nothing there. */
const struct replica__keyword *replica__keyword_find(struct replica__slice name, int draft,
                                                     unsigned vocabularies);

#endif

/* The keywords about numbers, strings and arrays. */
#include "base/error.h"
#include "schema/compile.h"

#include <string.h>

/* A number of things: an integer from 0 on.  What is larger than any text is SIZE_MAX. */
static int read_count(struct building *b, struct replica__json_value v, size_t *ret)
{
    int64_t n;

    if (v.type != REPLICA_JSON_NUMBER || !replica__number_is_integer(v.text))
        return replica__compile_complain(b, "must be an integer");
    if (!replica__json_int(v, &n))
        n = v.text.data[0] == '-' ? -1 : INT64_MAX;
    if (n < 0)
        return replica__compile_complain(b, "must not be below 0");
    *ret = n == INT64_MAX ? SIZE_MAX : (size_t)n;
    return 0;
}

static int read_limit(struct building *b, enum keyword_id id, bool *ret_has, size_t *ret)
{
    struct replica__json_value *v = building_value(b, id);
    static const char *const names[KEYWORD_COUNT] = {
        [KEYWORD_MIN_LENGTH] = "minLength",         [KEYWORD_MAX_LENGTH] = "maxLength",
        [KEYWORD_MIN_ITEMS] = "minItems",           [KEYWORD_MAX_ITEMS] = "maxItems",
        [KEYWORD_MIN_PROPERTIES] = "minProperties", [KEYWORD_MAX_PROPERTIES] = "maxProperties",
        [KEYWORD_MIN_CONTAINS] = "minContains",     [KEYWORD_MAX_CONTAINS] = "maxContains",
    };

    if (!v)
        return 0;
    b->keyword = names[id];
    *ret_has = true;
    return read_count(b, *v, ret);
}

int replica__compile_limits(struct building *b, enum keyword_id min, enum keyword_id max,
                            struct schema_limits *ret)
{
    int r = read_limit(b, min, &ret->has_min, &ret->min);

    return r < 0 ? r : read_limit(b, max, &ret->has_max, &ret->max);
}

static int read_flag(struct building *b, enum keyword_id id, const char *keyword, bool *ret)
{
    struct replica__json_value *v = building_value(b, id);

    if (!v)
        return 0;
    b->keyword = keyword;
    if (v->type != REPLICA_JSON_TRUE && v->type != REPLICA_JSON_FALSE)
        return replica__compile_complain(b, "must be true or false");
    *ret = v->type == REPLICA_JSON_TRUE;
    return 0;
}

/* ---- numbers ---------------------------------------------------------------------- */

static int read_bound(struct building *b, enum keyword_id id, const char *keyword,
                      struct schema_bound *ret)
{
    struct replica__json_value *v = building_value(b, id);

    if (!v)
        return 0;
    b->keyword = keyword;
    if (v->type != REPLICA_JSON_NUMBER)
        return replica__compile_complain(b, "must be a number");
    ret->text = v->text;
    ret->small = replica__number_small(v->text, &ret->n);
    return 0;
}

/* Draft 4: exclusiveX is a boolean beside X. */
static int read_bounds_4(struct building *b, struct schema_number_rules *rules)
{
    bool above = false;
    bool below = false;
    int r = read_flag(b, KEYWORD_EXCLUSIVE_MINIMUM, "exclusiveMinimum", &above);

    if (r == 0)
        r = read_flag(b, KEYWORD_EXCLUSIVE_MAXIMUM, "exclusiveMaximum", &below);
    if (r == 0)
        r = read_bound(b, KEYWORD_MINIMUM, "minimum",
                       above ? &rules->exclusive_minimum : &rules->minimum);
    if (r == 0)
        r = read_bound(b, KEYWORD_MAXIMUM, "maximum",
                       below ? &rules->exclusive_maximum : &rules->maximum);
    return r;
}

static int read_bounds(struct building *b, struct schema_number_rules *rules)
{
    int r = read_bound(b, KEYWORD_MINIMUM, "minimum", &rules->minimum);

    if (r == 0)
        r = read_bound(b, KEYWORD_MAXIMUM, "maximum", &rules->maximum);
    if (r == 0)
        r = read_bound(b, KEYWORD_EXCLUSIVE_MINIMUM, "exclusiveMinimum",
                       &rules->exclusive_minimum);
    if (r == 0)
        r = read_bound(b, KEYWORD_EXCLUSIVE_MAXIMUM, "exclusiveMaximum",
                       &rules->exclusive_maximum);
    return r;
}

static int read_divisor(struct building *b, struct schema_number_rules *rules)
{
    struct replica__json_value *v = building_value(b, KEYWORD_MULTIPLE_OF);
    uint32_t *limbs;
    int r;

    if (!v)
        return 0;
    b->keyword = "multipleOf";
    if (v->type != REPLICA_JSON_NUMBER)
        return replica__compile_complain(b, "must be a number");
    limbs = replica__compile_zero(b->c, SCHEMA_DIVISOR_LIMBS, sizeof(*limbs));
    if (!limbs)
        return replica__compile_enomem(b->c);
    r = replica__divisor(v->text, limbs, &rules->multiple_of);
    if (r == REPLICA_ESCHEMA)
        return replica__compile_complain(b, "must be above 0");
    if (r == REPLICA_ELIMIT) {
        replica__error_set(b->c->err, r, 0, "multipleOf: more than %d digits",
                           SCHEMA_DIVISOR_DIGITS);
        return replica__source_where(b->node->doc, b->node->value.text.data, r, b->c->err);
    }
    return 0;
}

int replica__compile_numbers(struct building *b)
{
    static const enum keyword_id ids[] = { KEYWORD_MINIMUM, KEYWORD_MAXIMUM,
                                           KEYWORD_EXCLUSIVE_MINIMUM, KEYWORD_EXCLUSIVE_MAXIMUM,
                                           KEYWORD_MULTIPLE_OF };
    bool any = false;
    int r;

    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        any |= building_value(b, ids[i]) != NULL;
    if (!any)
        return 0;
    b->number = replica__compile_zero(b->c, 1, sizeof(*b->number));
    if (!b->number)
        return replica__compile_enomem(b->c);
    r = b->node->draft_4 ? read_bounds_4(b, b->number) : read_bounds(b, b->number);
    return r < 0 ? r : read_divisor(b, b->number);
}

/* ---- strings ---------------------------------------------------------------------- */

/* Formats assert something if the program asks for it, or the metaschema does. */
static int read_format(struct building *b, struct replica__json_value v,
                       struct schema_string_rules *rules)
{
    bool asked = (b->c->flags & REPLICA_SCHEMA_FORMATS) ||
                 (b->node->resource->vocabularies & VOCAB_FORMAT_ASSERTION);
    struct replica__slice name;
    int r;

    b->keyword = "format";
    r = replica__compile_text(b, v, &name);
    if (r == 0 && asked)
        rules->format = replica__format_find(name.data, name.len, b->node->resource->draft);
    return r;
}

static int read_pattern(struct building *b, struct replica__json_value v,
                        struct schema_string_rules *rules)
{
    struct replica__slice text;
    int r;

    b->keyword = "pattern";
    r = replica__compile_text(b, v, &text);
    return r < 0 ? r : replica__compile_pattern(b, text, &rules->pattern);
}

int replica__compile_strings(struct building *b)
{
    struct replica__json_value *pattern = building_value(b, KEYWORD_PATTERN);
    struct replica__json_value *format = building_value(b, KEYWORD_FORMAT);
    struct schema_string_rules rules = { .format = NULL };
    int r = replica__compile_limits(b, KEYWORD_MIN_LENGTH, KEYWORD_MAX_LENGTH, &rules.length);

    if (r == 0 && pattern)
        r = read_pattern(b, *pattern, &rules);
    if (r == 0 && format)
        r = read_format(b, *format, &rules);
    if (r < 0)
        return r;
    if (!rules.length.has_min && !rules.length.has_max && !rules.pattern && !rules.format)
        return 0;
    b->string = replica__compile_zero(b->c, 1, sizeof(rules));
    if (!b->string)
        return replica__compile_enomem(b->c);
    *b->string = rules;
    return 0;
}

/* ---- arrays ----------------------------------------------------------------------- */

/* Drafts 4 and 7: items is one schema for all, or a list; additionalItems is for those behind. */
static int read_items_old(struct building *b, struct schema_array_rules *rules)
{
    struct replica__json_value *items = building_value(b, KEYWORD_ITEMS);
    struct replica__json_value *more = building_value(b, KEYWORD_ADDITIONAL_ITEMS);
    int r = 0;

    b->keyword = "items";
    if (items && items->type == REPLICA_JSON_ARRAY) {
        r = replica__compile_children(b, *items, &rules->prefix);
    } else if (items) {
        rules->rest_keyword = "items";
        r = replica__compile_child(b, *items, &rules->rest);
    }
    b->keyword = "additionalItems";
    if (r == 0 && more) {
        const struct schema_node *node;

        r = replica__compile_child(b, *more, &node);
        if (r == 0 && rules->prefix.at) {
            rules->rest = node;
            rules->rest_keyword = "additionalItems";
        }
    }
    return r;
}

/* 2020-12.  RxDB's validators read a schema that names no draft as draft 7, where items may be the
 * list that is prefixItems here; a collection's schema may have it. */
static int read_items(struct building *b, struct schema_array_rules *rules)
{
    struct replica__json_value *prefix = building_value(b, KEYWORD_PREFIX_ITEMS);
    struct replica__json_value *items = building_value(b, KEYWORD_ITEMS);
    int r = 0;

    b->keyword = "prefixItems";
    if (prefix)
        r = replica__compile_children(b, *prefix, &rules->prefix);
    b->keyword = "items";
    if (r == 0 && items && items->type == REPLICA_JSON_ARRAY && !prefix &&
        (b->c->flags & REPLICA_SCHEMA_COLLECTION)) {
        r = replica__compile_children(b, *items, &rules->prefix);
    } else if (r == 0 && items) {
        rules->rest_keyword = "items";
        r = replica__compile_child(b, *items, &rules->rest);
    }
    return r;
}

int replica__compile_arrays(struct building *b)
{
    struct replica__json_value *contains = building_value(b, KEYWORD_CONTAINS);
    static const struct schema_array_rules none;
    struct schema_array_rules rules;
    int r;

    memset(&rules, 0, sizeof(rules)); /* with what is between the fields, to be compared */
    r = replica__compile_limits(b, KEYWORD_MIN_ITEMS, KEYWORD_MAX_ITEMS, &rules.items);
    if (r == 0)
        r = b->node->resource->draft == DRAFT_2020 ? read_items(b, &rules)
                                                   : read_items_old(b, &rules);
    if (r == 0)
        r = read_flag(b, KEYWORD_UNIQUE_ITEMS, "uniqueItems", &rules.unique);
    if (r == 0)
        r = replica__compile_limits(b, KEYWORD_MIN_CONTAINS, KEYWORD_MAX_CONTAINS,
                                    &rules.contained);
    if (r == 0 && contains) {
        b->keyword = "contains";
        rules.contains_evaluates = b->node->resource->draft == DRAFT_2020;
        r = replica__compile_child(b, *contains, &rules.contains);
    }
    if (r < 0 || memcmp(&rules, &none, sizeof(rules)) == 0)
        return r;
    b->array = replica__compile_zero(b->c, 1, sizeof(rules));
    if (!b->array)
        return replica__compile_enomem(b->c);
    memcpy(b->array, &rules, sizeof(rules));
    return 0;
}

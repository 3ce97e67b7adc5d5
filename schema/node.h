/* A compiled schema: what of it asserts something, sorted by the type of value that it is about.
 *
 * All of it is in one arena and never changes, so that threads may share it.  Texts are slices of
 * the schema's own text, which is in the arena too. */
#ifndef SCHEMA_NODE_H
#define SCHEMA_NODE_H

#include "base/arena.h"
#include "base/json_internal.h"
#include "libreplica/schema.h"
#include "schema/format.h"
#include "schema/number.h"
#include "schema/pattern.h"
#include "schema/source.h"

struct schema_node;

struct schema_nodes {
    const struct schema_node **at;
    size_t n;
};

/* A limit on a number of things: SIZE_MAX where the schema's number is larger. */
struct schema_limits {
    bool has_min, has_max;
    size_t min, max;
};

struct schema_bound {
    struct replica__slice text; /* data NULL: none */
    bool small;                 /* n is its value */
    int64_t n;
};

struct schema_number_rules {
    struct schema_bound minimum, exclusive_minimum, maximum, exclusive_maximum;
    struct schema_divisor multiple_of;
};

struct schema_string_rules {
    struct schema_limits length;
    const struct replica__pattern *pattern;
    replica__format_fn format;
};

struct schema_array_rules {
    struct schema_limits items;
    struct schema_nodes prefix;
    const struct schema_node *rest; /* behind the prefix */
    const char *rest_keyword;       /* items or additionalItems */
    const struct schema_node *contains;
    struct schema_limits contained;
    bool contains_evaluates; /* 2020-12: what it matches is evaluated */
    bool unique;
};

/* A name that the schema mentions. */
struct schema_property {
    uint64_t hash;
    struct replica__slice name; /* unescaped */
    const struct schema_node *node; /* of properties; NULL: it is only required, or depended upon */
};

/* Of an unescaped name.  A signature sees the first and the last 8 bytes; here those between count,
 * too, for names of one schema often differ there. */
static inline uint64_t schema_name_hash(struct replica__slice name)
{
    uint64_t hash = json_signature(name, false);

    for (size_t i = 8; i + 8 < name.len; i += 8)
        hash = ((hash ^ hash >> 32) ^ json_load(name.data + i)) * UINT64_C(0x9E3779B97F4A7C15);
    return hash;
}

struct schema_pattern_property {
    const struct replica__pattern *pattern;
    const struct schema_node *node;
};

/* If property `name` is there, so must be the `required`, and the object must be valid for node. */
struct schema_dependency {
    uint32_t property;
    uint32_t *required;
    size_t required_count;
    const struct schema_node *node; /* or NULL */
    const char *keyword;
};

struct schema_object_rules {
    struct schema_limits properties_count;
    struct schema_property *properties;
    size_t property_count;
    uint32_t *slots; /* by hash: a property's number + 1, or 0 */
    unsigned shift;  /* a hash's upper bits, which are the good ones */
    size_t slot_mask;
    uint32_t *required;
    size_t required_count;
    uint64_t required_mask; /* of the first 64 properties */
    bool required_in_mask;  /* that are all */
    struct schema_pattern_property *patterns;
    size_t pattern_count;
    const struct schema_node *additional;
    const struct schema_node *names;
    struct schema_dependency *dependencies;
    size_t dependency_count;
};

/* What is asked of a value of any type. */
struct schema_logic {
    struct replica__json_value *values; /* of enum; NULL: there is none */
    size_t value_count;
    uint64_t *digests; /* of many values, sorted as they are; else NULL */
    struct replica__json_value constant;
    const struct schema_node *ref;
    const struct schema_node *dynamic_ref;
    struct replica__slice dynamic_name; /* data NULL: it is an ordinary reference */
    struct schema_nodes all, any, one;
    const struct schema_node *not_node;
    const struct schema_node *if_node, *then_node, *else_node;
    const struct schema_node *unevaluated_items, *unevaluated_properties;
};

enum schema_node_kind {
    NODE_RULES, /* see its rules */
    NODE_TRUE,
    NODE_FALSE,
    NODE_REF /* nothing but a $ref: to logic->ref */
};

struct schema_node {
    enum schema_node_kind kind;
    uint8_t types; /* 1 << enum replica__json_type, of those that are allowed */
    bool integer;  /* numbers only if they are integers */
    bool draft_4;  /* and are spelled as such */
    const struct schema_number_rules *number; /* each of these may be NULL */
    const struct schema_string_rules *string;
    const struct schema_array_rules *array;
    const struct schema_object_rules *object;
    const struct schema_logic *logic;
    const struct schema_resource *scope; /* if dynamic references may look there; else NULL */
    const struct schema_document *doc;
    struct replica__json_value value; /* its text */
    const struct schema_resource *resource;
    uint32_t walk; /* for the compiler: who came by here along references */
};

struct schema_pattern_entry {
    struct schema_pattern_entry *next;
    struct replica__pattern *pattern;
};

struct replica_schema {
    int refs; /* atomic */
    struct replica__arena *arena;
    const struct schema_node *root;
    struct schema_pattern_entry *patterns; /* to be freed */
    struct replica__collection_schema *collection;
};

#define SCHEMA_TYPE(type) (1u << (type))
#define SCHEMA_ANY_TYPE 0xFEu

#endif

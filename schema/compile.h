/* What the files of the compiler share.  Schemas are compiled one by one from a queue, so that
 * however long a chain of references is, nothing recurses. */
#ifndef SCHEMA_COMPILE_H
#define SCHEMA_COMPILE_H

#include "schema/keyword.h"
#include "schema/node.h"

struct compile {
    replica_schema *schema;
    struct schema_sources sources;
    struct replica__map nodes; /* by place */
    struct schema_node **queue;
    size_t queue_len, queue_room, done;
    unsigned flags;
    bool dynamic; /* there is a $dynamicRef */
    replica_error *err;
};

/* One schema on its way: its rules, and what can only be read when all its keywords are known. */
struct building {
    struct compile *c;
    struct schema_node *node;
    const char *keyword; /* at hand */
    struct schema_number_rules *number;
    struct schema_string_rules *string;
    struct schema_array_rules *array;
    struct schema_object_rules *object;
    struct schema_logic *logic;
    struct replica__json_value values[KEYWORD_COUNT]; /* of its keywords; type NONE: not there */
};

static inline struct replica__json_value *building_value(struct building *b, enum keyword_id id)
{
    return b->values[id].type == REPLICA_JSON_NONE ? NULL : &b->values[id];
}

/* Compile text, which passed the gate, into a schema that has its arena and nothing else. */
int replica__schema_build(replica_schema *schema, struct replica__slice text,
                          const struct replica_schema_options *opts, replica_error *err);

/* REPLICA_ESCHEMA, worded: the keyword is not as it should be. */
int replica__compile_complain(struct building *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int replica__compile_enomem(struct compile *c);
/* Zeros in the schema's arena. */
void *replica__compile_zero(struct compile *c, size_t n, size_t size);

/* The node of a schema, which is compiled later, or was already.  value: of the schema; outer: the
 * resource around it. */
int replica__compile_node(struct compile *c, struct replica__json_value value,
                          const struct schema_resource *outer, const struct schema_node **ret);
/* The same for a keyword's value. */
int replica__compile_child(struct building *b, struct replica__json_value value,
                           const struct schema_node **ret);
/* Of an array of schemas. */
int replica__compile_children(struct building *b, struct replica__json_value list,
                              struct schema_nodes *ret);
/* A string in the schema: what it means, in the arena. */
int replica__compile_text(struct building *b, struct replica__json_value string,
                          struct replica__slice *ret);
int replica__compile_pattern(struct building *b, struct replica__slice text,
                             const struct replica__pattern **ret);

/* Each of them reads the keywords of one kind, which are in b->values. */
int replica__compile_numbers(struct building *b);
int replica__compile_strings(struct building *b);
int replica__compile_arrays(struct building *b);
int replica__compile_objects(struct building *b);
int replica__compile_logic(struct building *b);
/* minX and maxX; NONE for a pair that lacks one. */
int replica__compile_limits(struct building *b, enum keyword_id min, enum keyword_id max,
                            struct schema_limits *ret);

#endif

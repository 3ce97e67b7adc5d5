/* Conflict rules, compiled: which rule decides a path. <libreplica/merge.h> has their language. */
#ifndef MERGE_RULES_H
#define MERGE_RULES_H

#include "base/json.h"

#include <stdbool.h>

enum replica__rule_kind {
    REPLICA__RULE_SERVER_WINS,
    REPLICA__RULE_CLIENT_WINS,
    REPLICA__RULE_LAST_WRITE_WINS,
    REPLICA__RULE_MAX,
    REPLICA__RULE_MIN,
    REPLICA__RULE_SUM,
    REPLICA__RULE_SET_UNION,
    REPLICA__RULE_LIST_BY_KEY,
    REPLICA__RULE_TEXT,
    REPLICA__RULE_MERGE
};
#define REPLICA__RULE_KINDS (REPLICA__RULE_MERGE + 1)

enum replica__delete_policy {
    REPLICA__DELETE_BY_RULE, /* it was left out */
    REPLICA__DELETE_EDIT_WINS,
    REPLICA__DELETE_DELETE_WINS,
    REPLICA__DELETE_KEEP_COPY,
    REPLICA__DELETE_ASK
};

struct replica__rules;

int replica__rules_compile(const char *json, size_t len, struct replica__rules **ret,
                           replica_error *err);
REPLICA_INTERNAL struct replica__rules *replica__rules_ref(struct replica__rules *rules);
REPLICA_INTERNAL void replica__rules_unref(struct replica__rules *rules); /* NULL is fine */
bool replica__rules_additive(const struct replica__rules *rules);
/* Do they say the same, in whatever order? */
bool replica__rules_same(const struct replica__rules *a, const struct replica__rules *b);
/* As it was given; a bare name in its quotes. */
const char *replica__rules_json(const struct replica__rules *rules);
enum replica__delete_policy replica__rules_delete(const struct replica__rules *rules);
/* "last-write-wins" and the like, of the whole document: for the conflict log. */
REPLICA_INTERNAL const char *replica__rules_name(const struct replica__rules *rules);

/* Can they serve documents, which are objects, of the primary key (a text; NULL: of parts)?
 * REPLICA_EINVAL; where: the path. */
int replica__rules_check_document(const struct replica__rules *rules, const char *key,
                                  replica_error *err);
/* The types that a rule serves: a bit (1 << type) for each of enum replica__json_type. */
unsigned replica__rule_types(enum replica__rule_kind kind);
const char *replica__rule_name(enum replica__rule_kind kind);

/* fn for each path and its rule, until it returns other than 0, which is returned: for a schema,
 * that knows the types at these paths. */
int replica__rules_each(const struct replica__rules *rules,
                        int (*fn)(void *ctx, const char *path, enum replica__rule_kind kind,
                                  const char *argument),
                        void *ctx);
/* fn for each field that a last-write-wins goes by, also as the argument of another rule. */
int replica__rules_each_field(const struct replica__rules *rules,
                              int (*fn)(void *ctx, const char *path, const char *field), void *ctx);

#endif

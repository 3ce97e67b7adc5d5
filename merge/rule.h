/* A rule, the tree of the paths that have one, and what the files of this floor share to find the
 * rule of a value.  Private to merge/. */
#ifndef MERGE_RULE_H
#define MERGE_RULE_H

#include "merge/rules.h"

struct rule {
    enum replica__rule_kind kind;
    const char *field;         /* list-by-key: the member; last-write-wins: the field, or NULL */
    const struct pointer *way; /* last-write-wins: to that field */
    const struct rule *other;  /* merge: of leaves; text: of overlapping edits; NULL: none */
};

/* A JSON pointer, taken apart: what its segments mean. */
struct pointer {
    struct replica__slice *segments;
    size_t n;
};

/* One segment of the paths; the root has no name. */
struct rule_node {
    struct replica__slice name; /* what it means; a NULL: "*" */
    struct rule_node *literals; /* those below with a name, through their next */
    struct rule_node *star;     /* the one below without */
    struct rule_node *next;
    const struct rule *rule; /* NULL: no path ends here */
    int stars;               /* on the way here */
};

enum { MAX_PATHS = 256, MAX_SEGMENTS = 64 };

struct entry {
    const char *path;
    const struct rule *rule;
};

struct replica__rules {
    int refs;
    struct replica__arena *arena;
    const char *json;
    struct entry entries[MAX_PATHS];
    size_t n;
    struct rule_node root;
    size_t nodes; /* with the root */
    enum replica__delete_policy on_delete;
    bool additive;
};

/* Read rules->json into a new one.  REPLICA_EINVAL: it says what nobody understands. */
int replica__rules_read(struct replica__rules *rules, replica_error *err);

/* What holds where nothing was said: server-wins. */
const struct replica__rules *replica__rules_none(void);
const struct rule_node *replica__rules_root(const struct replica__rules *rules);
size_t replica__rules_nodes(const struct replica__rules *rules); /* how many there are */

#endif

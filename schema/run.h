/* One validation under way: what its files share.
 *
 * A check answers 1 (valid), 0 (it is not, and that was reported if somebody listens) or < 0.
 * After a 0 the others of the same value still run if all findings are asked for; where only the
 * answer counts (in anyOf, not, if...), the first 0 ends it. */
#ifndef SCHEMA_RUN_H
#define SCHEMA_RUN_H

#include "schema/node.h"

/* The way from the root to a value, innermost first; NULL: the root itself. */
struct place {
    const struct place *up;
    struct replica__slice name; /* of a member; data NULL: an element */
    size_t index;
};

/* The resources that were entered on the way, innermost first. */
struct scope {
    const struct scope *up;
    const struct schema_resource *resource;
};

/* Which members or elements of one value were evaluated, by their position. */
struct marks {
    uint64_t *words; /* NULL: few is all there is */
    size_t room;     /* words */
    uint64_t few;    /* of the first 64 */
    bool all;
};

struct run {
    struct replica__json_value root;
    int (*fn)(void *ctx, const replica_schema_finding *finding);
    void *ctx;
    replica_error *err;
    struct replica__buf text; /* a string's meaning, while it is looked at */
    const struct scope *scope;
    int depth;
    int64_t steps; /* that are left */
    bool quiet;    /* only the answer counts */
    bool on;       /* go on after a finding */
    bool found;    /* err has the first one */
};

/* marks: where to note what was evaluated; NULL: nobody asks. */
int replica__run_node(struct run *run, const struct schema_node *node,
                      const struct replica__json_value *v, const struct place *place,
                      struct marks *marks);
int replica__run_object(struct run *run, const struct schema_node *node,
                        const struct replica__json_value *v, const struct place *place,
                        struct marks *marks);
int replica__run_array(struct run *run, const struct schema_node *node,
                       const struct replica__json_value *v, const struct place *place,
                       struct marks *marks);
int replica__run_string(struct run *run, const struct schema_node *node,
                        const struct replica__json_value *v, const struct place *place);
int replica__run_number(struct run *run, const struct schema_node *node,
                        const struct replica__json_value *v, const struct place *place);
/* Is the node's answer 1?  Reports nothing. */
int replica__run_quietly(struct run *run, const struct schema_node *node,
                         const struct replica__json_value *v, const struct place *place,
                         struct marks *marks);

/* A value that is left over for keyword's schema.  A false one says it in the keyword's name. */
int replica__run_rest(struct run *run, const struct schema_node *node, const char *keyword,
                      const struct schema_node *schema, const struct replica__json_value *v,
                      const struct place *place);

/* What the string means; data NULL: no memory.  Good until the next call. */
struct replica__slice replica__run_text(struct run *run, struct replica__slice spelled);
int replica__run_pattern(struct run *run, const struct replica__pattern *pattern,
                         struct replica__slice spelled);

/* A finding: always 0.  v: the offending value. */
int replica__run_find(struct run *run, const struct schema_node *node, const char *keyword,
                      const struct replica__json_value *v, const struct place *place,
                      const char *format, ...) __attribute__((format(printf, 6, 7)));
int replica__run_enomem(struct run *run);
/* REPLICA_ELIMIT, worded. */
int replica__run_limit(struct run *run, const char *what);

static inline int replica__run_step(struct run *run, int64_t n)
{
    run->steps -= n;
    return run->steps < 0 ? replica__run_limit(run, "too much work for one value") : 0;
}

/* A check within a check: what it answered becomes a part of `valid`, or ends it. */
#define RUN(valid, call)                  \
    do {                                  \
        int run_r_ = (call);              \
        if (run_r_ != 1) {                \
            if (run_r_ < 0 || !run->on)   \
                return run_r_;            \
            (valid) = 0;                  \
        }                                 \
    } while (0)

/* ---- marks.c ---------------------------------------------------------------------- */

int replica__marks_grow(struct marks *m, size_t i);
int replica__marks_merge(struct marks *m, const struct marks *from);
void replica__marks_free(struct marks *m);
#define MARKS __attribute__((cleanup(replica__marks_free))) struct marks

/* 0 or REPLICA_ENOMEM. */
static inline int replica__marks_set(struct marks *m, size_t i)
{
    if (i < 64) {
        m->few |= UINT64_C(1) << i;
        return 0;
    }
    if (i / 64 - 1 >= m->room && replica__marks_grow(m, i) < 0)
        return REPLICA_ENOMEM;
    m->words[i / 64 - 1] |= UINT64_C(1) << i % 64;
    return 0;
}

static inline bool replica__marks_has(const struct marks *m, size_t i)
{
    if (m->all)
        return true;
    if (i < 64)
        return m->few >> i & 1;
    return i / 64 - 1 < m->room && (m->words[i / 64 - 1] >> i % 64 & 1);
}

#endif

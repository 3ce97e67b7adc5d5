/* What the files that read selectors share: errors with a place, texts that stay, arguments. */
#ifndef LIBREPLICA_SELECTOR_PARSER_H
#define LIBREPLICA_SELECTOR_PARSER_H

#include "libreplica/query/selector.h"

struct replica__parser {
    struct replica__selector *s;
    const char *copy;           /* the selector's own text */
    int64_t offset;             /* where it stands in the text that was given */
    struct replica__slice path; /* which is being asked, for errors */
    replica_error *err;
};

/* Refuse the piece of the copy that is at `at`; gives the code, or REPLICA_EINVAL. */
int replica__parser_refuse_as(struct replica__parser *p, int code, struct replica__slice at,
                              const char *message);
int replica__parser_refuse(struct replica__parser *p, struct replica__slice at, const char *format,
                           ...) __attribute__((format(printf, 3, 4)));
int replica__parser_no_memory(struct replica__parser *p);
/* What a spelled string, or a STRING, means; it stays as long as the selector. */
int replica__parser_meaning(struct replica__parser *p, struct replica__slice spelled,
                            struct replica__slice *ret);
int replica__parser_meaning_of(struct replica__parser *p, struct replica__json_value v,
                               struct replica__slice *ret);
/* Something that ends with the selector; NULL: no memory. */
struct owned *replica__parser_own(struct replica__parser *p);

/* selector_arguments.c: read t->value for t->op, if it is one of a list, exists, type, mod, size or
 * regex; others are left alone.  siblings: the object that the operator stands in. */
int replica__parser_argument(struct replica__parser *p, struct replica__test *t,
                             struct replica__json_value siblings);

#endif

/* Rules as they stand in their file, and what becomes of them with claims. */
#ifndef SERVER_ACCESS_RULES_H
#define SERVER_ACCESS_RULES_H

#include "base/json.h"
#include "tools/server/access.h"

/* "$auth.name" in a rule, and what it stands for. */
struct replica__claims {
    struct replica__json_value all; /* an object */
    bool trial; /* no claims, but something that can stand in their places: is the rule one? */
};
/* The selector with the claims in it.  1; 0: a claim is missing, and so the rule never holds;
 * REPLICA_EINVAL: only of a trial, and *ret_why says what is wrong at which slice. */
int replica__claims_put(const struct replica__claims *claims, struct replica__json_value selector,
                        struct replica__buf *out, struct replica__slice *ret_where,
                        const char **ret_why);
/* What "$auth.NAME" means, name being behind the point; type NONE: it is missing, null, or has
 * an object, which would be conditions. */
struct replica__json_value replica__claim(struct replica__json_value all, const char *name,
                                          size_t len);
/* fn for each name of a claim in the rule, unescaped, for the call; it stops at < 0. */
int replica__claims_each(struct replica__json_value selector,
                         int (*fn)(void *ctx, const char *name, size_t len), void *ctx);
/* fn for the name at top level of each path that the selector asks for, unescaped. */
int replica__fields_each(struct replica__json_value selector,
                         int (*fn)(void *ctx, const char *name, size_t len), void *ctx);

#endif

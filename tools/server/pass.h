/* What a token says of its bearer, and from when to when it does. */
#ifndef SERVER_PASS_H
#define SERVER_PASS_H

#include "base/buf.h"
#include "tools/server/service.h"

enum { REPLICA__LEEWAY_MS = 60000 }; /* by which clocks may differ */

/* Shared by those who cache it and the requests under way. */
struct replica__pass {
    struct replica__who who; /* first: a who of ours is a pass.  expires_ms with the leeway */
    int64_t begins_ms;       /* less the leeway; 0: at once */
    int refs;
    char claims[];
};

/* Of a JSON object, whose members exp and nbf are times in s since 1970, if they are there.
 * REPLICA_EJSON: it is none, or these are no numbers; the message shows nothing of it. */
int replica__pass_new(const char *claims, size_t len, struct replica__pass **ret_pass,
                      replica_error *err);
struct replica__pass *replica__pass_ref(struct replica__pass *pass);
void replica__pass_unref(struct replica__pass *pass); /* NULL is fine */

/* Does it hold at this time?  NULL: yes; else why not. */
const char *replica__pass_why(const struct replica__pass *pass, int64_t now_ms);

#endif

/* A session that only writes down how its calls were answered, and waits for it as a runner does:
 * it polls the remote's descriptor and calls work, for ten seconds at most. */
#ifndef TESTS_HTTP_RECORDER_H
#define TESTS_HTTP_RECORDER_H

#include "base/buf.h"
#include "replicator/remote.h"

#include <stdbool.h>

/* One call. */
struct replica_call {
    bool ended;
    int answers;              /* more than one is a bug, streams aside */
    struct replica__buf log;  /* "hello 1f", "page 2 docs ...", "fail ...", line by line */
    replica_error error;      /* of fail */
    int64_t retry_ms;
    int events, comments;
    void (*then)(replica_call *call); /* called inside each answer; or NULL */
    void *ctx;
};

/* Work until the call has ended, or its log has the text. */
void recorder_wait(const replica_remote *remote, replica_call *call);
void recorder_wait_text(const replica_remote *remote, replica_call *call, const char *text);
/* Work for as long as there is something to do at once. */
void recorder_settle(const replica_remote *remote);
const char *recorder_log(replica_call *call); /* "" at first */
void recorder_free(replica_call *call);

/* CALL call = { 0 };  ... forgotten at the end of the scope. */
#define CALL __attribute__((cleanup(recorder_free))) replica_call

#endif

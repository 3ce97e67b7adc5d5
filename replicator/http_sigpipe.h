/* A broken connection must not end the program: SIGPIPE is held back around calls into curl, for
 * this thread alone, and the program's own handling of it stays as it is.
 *
 *     struct replica__sigpipe guard = replica__sigpipe_hold();
 *     ...
 *     replica__sigpipe_release(&guard); */
#ifndef REPLICATOR_HTTP_SIGPIPE_H
#define REPLICATOR_HTTP_SIGPIPE_H

#include <signal.h>
#include <stdbool.h>

struct replica__sigpipe {
    sigset_t before;
    bool pending; /* somebody else's was waiting already */
    bool held;
};

struct replica__sigpipe replica__sigpipe_hold(void);
void replica__sigpipe_release(struct replica__sigpipe *guard);

#endif

/* curl ignores SIGPIPE by itself only where it may set signal handlers, which CURLOPT_NOSIGNAL,
 * that every program with threads needs, forbids; TLS libraries write without MSG_NOSIGNAL. */
#include "replicator/http_sigpipe.h"

#include <pthread.h>

static bool is_pending(void)
{
    sigset_t set;

    return sigpending(&set) == 0 && sigismember(&set, SIGPIPE) == 1;
}

struct replica__sigpipe replica__sigpipe_hold(void)
{
    struct replica__sigpipe guard = { .pending = is_pending() };
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    guard.held = pthread_sigmask(SIG_BLOCK, &set, &guard.before) == 0;
    return guard;
}

void replica__sigpipe_release(struct replica__sigpipe *guard)
{
    sigset_t set;
    int sig;

    if (!guard->held)
        return;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    if (!guard->pending && is_pending())
        sigwait(&set, &sig); /* returns at once: it is pending */
    pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
}

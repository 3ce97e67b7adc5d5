/* A broken pipe ends nobody, and nobody's own signals are taken away. */
#include "replicator/http_sigpipe.h"
#include "tests/support/test.h"

#include <unistd.h>

static volatile sig_atomic_t signals;

static void on_sigpipe(int sig)
{
    signals++;
}

static void write_to_nobody(void)
{
    int fds[2];

    CHECK(pipe(fds) == 0);
    close(fds[0]);
    CHECK(write(fds[1], "x", 1) < 0);
    close(fds[1]);
}

TEST(a_broken_pipe_does_not_end_the_program)
{
    struct replica__sigpipe guard = replica__sigpipe_hold();

    write_to_nobody(); /* would end it: the default action is in force */
    replica__sigpipe_release(&guard);
}

TEST(the_programs_handler_is_not_called_for_what_was_held)
{
    struct replica__sigpipe guard;

    signals = 0;
    signal(SIGPIPE, on_sigpipe);
    guard = replica__sigpipe_hold();
    write_to_nobody();
    replica__sigpipe_release(&guard);
    CHECK_INT(signals, 0);
    write_to_nobody(); /* the handler is as it was */
    CHECK_INT(signals, 1);
    signal(SIGPIPE, SIG_DFL);
}

TEST(a_signal_that_was_pending_before_stays_pending)
{
    struct replica__sigpipe guard;
    sigset_t set, pending;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    raise(SIGPIPE);
    guard = replica__sigpipe_hold();
    write_to_nobody();
    replica__sigpipe_release(&guard);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1);
    signal(SIGPIPE, SIG_IGN); /* drops it */
    CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
    signal(SIGPIPE, SIG_DFL);
}

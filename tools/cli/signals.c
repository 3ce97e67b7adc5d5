/* A signal wakes the one place where a command waits: it writes into a pipe that is polled beside
 * the database, so that none is missed between looking and waiting. */
#include "tools/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;
static int wake[2] = { -1, -1 };

static void on_signal(int number)
{
    int saved = errno;

    interrupted = 1;
    if (wake[1] >= 0 && write(wake[1], "", 1) < 0)
        interrupted = 1; /* full: it is readable already */
    errno = saved;
    (void)number;
}

void cli_catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal };

    if (wake[0] < 0 && pipe(wake) == 0)
        for (int i = 0; i < 2; i++) {
            fcntl(wake[i], F_SETFL, O_NONBLOCK);
            fcntl(wake[i], F_SETFD, FD_CLOEXEC);
        }
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool cli_interrupted(void)
{
    return interrupted;
}

int cli_wait(replica_db *db, int timeout_ms, replica_error *err)
{
    struct pollfd fds[2] = { { replica_db_fd(db), POLLIN, 0 }, { wake[0], POLLIN, 0 } };
    int ms = replica_db_timeout(db);

    if (ms < 0 || (timeout_ms >= 0 && timeout_ms < ms))
        ms = timeout_ms;
    if (!interrupted)
        poll(fds, 2, ms);
    return replica_db_dispatch(db, 0, err);
}

#include "tools/cli/hold.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

enum { SLICE_MS = 20, NOT_FOUND = 127, NOT_RUN = 126, SIGNALLED = 128 };

extern char **environ;

static int shell_code(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : SIGNALLED + WTERMSIG(status);
}

int cli_hold(char **argv, void (*keep)(void *ctx, int ms), void *ctx)
{
    int status = 0;
    bool passed_on = false;
    pid_t pid;
    int error;

    cli_catch_signals();
    if (!argv[0]) {
        while (!cli_interrupted())
            keep(ctx, SLICE_MS * 10);
        return CLI_OK;
    }
    error = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
    if (error) {
        cli_complain("%s: %s", argv[0], strerror(error));
        return error == ENOENT ? NOT_FOUND : NOT_RUN;
    }
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (cli_interrupted() && !passed_on) { /* a terminal has told it, too */
            kill(pid, SIGTERM);
            passed_on = true;
        }
        keep(ctx, SLICE_MS);
    }
    return shell_code(status);
}

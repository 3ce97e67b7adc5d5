/* Files and processes of the benchmarks.  Owns the program's folder, which is removed at its end,
 * and the list of children, none of which outlives it. */
#define _GNU_SOURCE /* nftw, wait4 */

#include "tests/bench/bench.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FILES_MAX 256

static char folder[256];
static char files[FILES_MAX][320];
static int file_count;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    return remove(path);
}

static pid_t folder_owner;

static void remove_folder(void)
{
    if (folder_owner == getpid())
        nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *bench_new_file(const char *name)
{
    const char *where = getenv("BENCH_FOLDER");

    if (!*folder) {
        snprintf(folder, sizeof folder, "%s/replica-bench-XXXXXX",
                 where && *where ? where : "/tmp");
        if (!mkdtemp(folder))
            bench_fail("%s: %s", folder, strerror(errno));
        folder_owner = getpid();
        atexit(remove_folder);
    }
    if (file_count == FILES_MAX)
        bench_fail("too many files");
    snprintf(files[file_count], sizeof files[0], "%s/%d-%s", folder, file_count, name);
    return files[file_count++];
}

struct bench_child bench_spawn(const char *const *argv)
{
    struct bench_child child = { 0 };
    int ends[2];

    fflush(stdout);
    if (pipe(ends) < 0)
        bench_fail("pipe: %s", strerror(errno));
    child.pid = fork();
    if (child.pid < 0)
        bench_fail("fork: %s", strerror(errno));
    if (child.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    close(ends[1]);
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    child.out = ends[0];
    return child;
}

void bench_line(struct bench_child *child, char *line, size_t room)
{
    size_t len = 0;
    char c;

    while (read(child->out, &c, 1) == 1 && c != '\n')
        if (len + 1 < room)
            line[len++] = c;
    line[len] = '\0';
    if (!len)
        bench_fail("a child process ended without its line");
}

static double reap(struct bench_child *child, int *ret_status)
{
    struct rusage usage = { 0 };

    close(child->out);
    while (wait4(child->pid, ret_status, 0, &usage) < 0 && errno == EINTR)
        ;
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

double bench_end(struct bench_child *child)
{
    int status = 0;

    kill(child->pid, SIGTERM);
    return reap(child, &status);
}

double bench_wait_end(struct bench_child *child)
{
    int status = 0;
    double us = reap(child, &status);

    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        bench_fail("a child process failed");
    return us;
}

double bench_peak_mb(pid_t pid)
{
    char path[64], line[256];
    long kb = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/status", (int)(pid ? pid : getpid()));
    file = fopen(path, "r");
    if (!file)
        bench_fail("%s: %s", path, strerror(errno));
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "VmHWM: %ld kB", &kb) == 1)
            break;
    fclose(file);
    return (double)kb / 1024;
}

struct bench_child bench_serve(bool bare, const char *path, char *url, size_t room)
{
    const char *program = getenv(bare ? "BENCH_BARE" : "REPLICA");
    const char *ours[] = { program, "serve", "--db", path, "--listen", "127.0.0.1:0", NULL };
    const char *theirs[] = { program, "serve", path, NULL };
    struct bench_child child;
    char line[256];

    if (!program)
        bench_fail("%s does not name the program", bare ? "BENCH_BARE" : "REPLICA");
    child = bench_spawn(bare ? theirs : ours);
    bench_line(&child, line, sizeof line);
    if (strncmp(line, "listening ", 10) != 0)
        bench_fail("the server says: %s", line);
    snprintf(url, room, "%s", line + 10);
    return child;
}

/* A disk that is slow, full or broken, and a clock that is wrong: loaded before a program
 * (LD_PRELOAD).
 *
 *     SLOW_DISK_US=300        each write takes so many microseconds more
 *     BAD_DISK=FILE           while FILE is there, what it names fails: an errno and the kinds of
 *                             calls, r (read), w (write) and s (sync), as in "28 ws"
 *     CLOCK_AHEAD_S=86400     the wall clock is so far ahead, or behind */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static void be_slow(void)
{
    const char *text = getenv("SLOW_DISK_US");

    if (text)
        usleep((useconds_t)atoi(text));
}

/* Does a call of this kind fail now?  Then errno is set. */
static int fails(char kind)
{
    const char *path = getenv("BAD_DISK");
    char text[32] = "";
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n;

    if (fd < 0)
        return 0;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0 || !strchr(text, kind))
        return 0;
    errno = atoi(text);
    return 1;
}

#define REAL(name) \
    if (!real)     \
    *(void **)&real = dlsym(RTLD_NEXT, name)

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
    static ssize_t (*real)(int, const void *, size_t, off64_t);

    REAL("pwrite64");
    be_slow();
    return fails('w') ? -1 : real(fd, data, len, at);
}

ssize_t pread64(int fd, void *data, size_t len, off64_t at)
{
    static ssize_t (*real)(int, void *, size_t, off64_t);

    REAL("pread64");
    return fails('r') ? -1 : real(fd, data, len, at);
}

int fsync(int fd)
{
    static int (*real)(int);

    REAL("fsync");
    return fails('s') ? -1 : real(fd);
}

int fdatasync(int fd)
{
    static int (*real)(int);

    REAL("fdatasync");
    return fails('s') ? -1 : real(fd);
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    static int (*real)(clockid_t, struct timespec *);
    const char *ahead = getenv("CLOCK_AHEAD_S");
    int r;

    REAL("clock_gettime");
    r = real(clock, ret);
    if (r == 0 && clock == CLOCK_REALTIME && ahead)
        ret->tv_sec += atol(ahead);
    return r;
}

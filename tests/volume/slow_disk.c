/* A disk that is slower than the network: loaded before a program (LD_PRELOAD), it makes each write
 * to a file take SLOW_DISK_US microseconds more. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

static void wait_for_the_disk(void)
{
    static int us = -1;
    const char *text;

    if (us < 0) {
        text = getenv("SLOW_DISK_US");
        us = text ? atoi(text) : 0;
    }
    if (us > 0)
        usleep((useconds_t)us);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
    static ssize_t (*real)(int, const void *, size_t, off64_t);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "pwrite64");
    wait_for_the_disk();
    return real(fd, data, len, at);
}

/* Clocks and sleeping, the same on every POSIX system. */
#include "base/os.h"

#include <errno.h>
#include <time.h>

int64_t replica__os_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t replica__os_monotonic_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void replica__os_sleep_us(int64_t us)
{
    struct timespec t;

    if (us <= 0)
        return;
    t.tv_sec = (time_t)(us / 1000000);
    t.tv_nsec = (long)(us % 1000000) * 1000;
    while (nanosleep(&t, &t) < 0 && errno == EINTR) /* t is what is left */
        ;
}

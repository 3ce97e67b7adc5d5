#include "libreplica/gate.h"

#include "base/alloc.h"
#include "libreplica/libreplica.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

struct replica__gate {
    atomic_int refs;
    pthread_mutex_t mutex;
    pthread_cond_t moved; /* somebody left, or stopped waiting */
    bool taken;
    int waiting; /* of the program's writers */
    struct replica__told_time time;
};

struct replica__gate *replica__gate_new(void)
{
    struct replica__gate *gate = replica__alloc_zero(1, sizeof *gate);
    pthread_condattr_t attr;

    if (!gate)
        return NULL;
    atomic_init(&gate->refs, 1);
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* a stepped clock must not end a wait */
    pthread_cond_init(&gate->moved, &attr);
    pthread_condattr_destroy(&attr);
    return gate;
}

struct replica__gate *replica__gate_ref(struct replica__gate *gate)
{
    atomic_fetch_add(&gate->refs, 1);
    return gate;
}

void replica__gate_unref(struct replica__gate *gate)
{
    if (!gate || atomic_fetch_sub(&gate->refs, 1) != 1)
        return;
    pthread_cond_destroy(&gate->moved);
    pthread_mutex_destroy(&gate->mutex);
    replica__free(gate);
}

static struct timespec deadline_after(int timeout_ms)
{
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += timeout_ms / 1000;
    at.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_nsec -= 1000000000;
        at.tv_sec++;
    }
    return at;
}

int replica__gate_enter(struct replica__gate *gate, bool background, int timeout_ms)
{
    struct timespec deadline = deadline_after(timeout_ms);
    int r = 0;

    pthread_mutex_lock(&gate->mutex);
    if (!background)
        gate->waiting++;
    while (gate->taken || (background && gate->waiting > 0)) {
        if (pthread_cond_timedwait(&gate->moved, &gate->mutex, &deadline) == ETIMEDOUT) {
            r = REPLICA_EBUSY;
            break;
        }
    }
    if (!background)
        gate->waiting--;
    if (r == 0)
        gate->taken = true;
    else
        pthread_cond_broadcast(&gate->moved); /* one who waits less */
    pthread_mutex_unlock(&gate->mutex);
    return r;
}

void replica__gate_leave(struct replica__gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    gate->taken = false;
    pthread_cond_broadcast(&gate->moved);
    pthread_mutex_unlock(&gate->mutex);
}

int replica__gate_waiting(struct replica__gate *gate)
{
    int waiting;

    pthread_mutex_lock(&gate->mutex);
    waiting = gate->waiting;
    pthread_mutex_unlock(&gate->mutex);
    return waiting;
}

void replica__gate_tell_time(struct replica__gate *gate, const struct replica__told_time *time)
{
    pthread_mutex_lock(&gate->mutex);
    gate->time = *time;
    pthread_mutex_unlock(&gate->mutex);
}

struct replica__told_time replica__gate_time(struct replica__gate *gate)
{
    struct replica__told_time time;

    pthread_mutex_lock(&gate->mutex);
    time = gate->time;
    pthread_mutex_unlock(&gate->mutex);
    return time;
}

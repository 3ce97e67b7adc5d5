/* The gate between the writers of one process. */
#include "libreplica/gate.h"
#include "libreplica/libreplica.h"
#include "tests/support/test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

struct waiter {
    struct replica__gate *gate;
    bool background;
    int timeout_ms;
    atomic_int *order; /* 1 for who came first, 2, ... */
    int place, r;
    atomic_bool started;
};

static void *wait_for_gate(void *ctx)
{
    struct waiter *w = ctx;

    atomic_store(&w->started, true);
    w->r = replica__gate_enter(w->gate, w->background, w->timeout_ms);
    if (w->r < 0)
        return NULL;
    w->place = atomic_fetch_add(w->order, 1) + 1;
    replica__gate_leave(w->gate);
    return NULL;
}

TEST(the_gate_lets_one_in_at_a_time)
{
    struct replica__gate *gate = replica__gate_new();

    CHECK_RC(replica__gate_enter(gate, false, 0), 0);
    CHECK_RC(replica__gate_enter(gate, false, 0), REPLICA_EBUSY);
    CHECK_RC(replica__gate_enter(gate, true, 1), REPLICA_EBUSY);
    replica__gate_leave(gate);
    CHECK_RC(replica__gate_enter(gate, true, 0), 0);
    replica__gate_leave(gate);
    replica__gate_unref(gate);
    replica__gate_unref(NULL);
}

TEST(the_program_goes_before_the_replicator_that_waited_longer)
{
    for (int round = 0; round < 50; round++) {
        struct replica__gate *gate = replica__gate_new();
        atomic_int order = 0;
        struct waiter replicator = { .gate = gate, .background = true, .timeout_ms = 20000,
            .order = &order };
        struct waiter program = { .gate = gate, .timeout_ms = 20000, .order = &order };
        pthread_t threads[2];

        CHECK_RC(replica__gate_enter(gate, false, 0), 0);
        CHECK(pthread_create(&threads[0], NULL, wait_for_gate, &replicator) == 0);
        while (!atomic_load(&replicator.started))
            sched_yield();
        CHECK(pthread_create(&threads[1], NULL, wait_for_gate, &program) == 0);
        while (replica__gate_waiting(gate) == 0)
            sched_yield();
        replica__gate_leave(gate);
        pthread_join(threads[0], NULL);
        pthread_join(threads[1], NULL);
        CHECK_INT(program.place, 1);
        CHECK_INT(replicator.place, 2);
        replica__gate_unref(gate);
    }
}

TEST(a_program_that_gives_up_lets_the_replicator_in)
{
    struct replica__gate *gate = replica__gate_new();
    atomic_int order = 0;
    struct waiter replicator = { .gate = gate, .background = true, .timeout_ms = 20000,
        .order = &order };
    struct waiter program = { .gate = gate, .timeout_ms = 1, .order = &order };
    pthread_t threads[2];

    CHECK_RC(replica__gate_enter(gate, false, 0), 0);
    CHECK(pthread_create(&threads[0], NULL, wait_for_gate, &replicator) == 0);
    CHECK(pthread_create(&threads[1], NULL, wait_for_gate, &program) == 0);
    pthread_join(threads[1], NULL);
    CHECK_RC(program.r, REPLICA_EBUSY);
    replica__gate_leave(gate);
    pthread_join(threads[0], NULL);
    CHECK_INT(replicator.place, 1);
    replica__gate_unref(gate);
}

struct adder {
    struct replica__gate *gate;
    bool background;
    int *sum;
};

static void *add(void *ctx)
{
    struct adder *a = ctx;

    for (int i = 0; i < 2000; i++) {
        CHECK_RC(replica__gate_enter(a->gate, a->background, 60000), 0);
        ++*a->sum;
        replica__gate_leave(a->gate);
    }
    return NULL;
}

TEST(many_threads_pass_the_gate_and_none_at_the_same_time)
{
    struct replica__gate *gate = replica__gate_new();
    int sum = 0;
    struct adder adders[4];
    pthread_t threads[4];

    for (int i = 0; i < 4; i++) {
        adders[i] = (struct adder){ .gate = replica__gate_ref(gate), .background = i % 2,
            .sum = &sum };
        CHECK(pthread_create(&threads[i], NULL, add, &adders[i]) == 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        replica__gate_unref(gate);
    }
    CHECK_INT(sum, 8000);
    replica__gate_unref(gate);
}

/* A program at its desk: a database, a replication with a server in memory, and callbacks that
 * check on which thread and within which calls they run.
 *
 *     DESK d = desk_begin(flags, NULL);
 *
 *     server_set(d->server, "{\"id\":\"a\",\"v\":1}");
 *     desk_start(d);
 *     CHECK_RC(desk_in_sync(d), 1);
 *
 * The server has an order, operation ids and verdicts by row.  The test may hold its answers back,
 * make it fail, and change its documents, from the program's thread. */
#ifndef TESTS_REPLICATOR_DESK_SUPPORT_H
#define TESTS_REPLICATOR_DESK_SUPPORT_H

#include "replicator/replicator.h"
#include "tests/support/test.h"

#include <pthread.h>

/* Each of these tests runs twice: with a thread, and in the program's loop. */
#define BOTH(sentence)                                                      \
    static void sentence(unsigned runner);                                  \
    TEST(sentence##__with_a_thread)                                         \
    {                                                                       \
        sentence(0);                                                        \
    }                                                                       \
    TEST(sentence##__in_the_loop)                                           \
    {                                                                       \
        sentence(REPLICA_SYNC_IN_LOOP);                                     \
    }                                                                       \
    static void sentence(unsigned runner)

/* ---- the server ------------------------------------------------------------------ */

enum { HOLD_HELLO = 1, HOLD_PULL = 2, HOLD_PUSH = 4 };

struct server;
struct server *server_new(void);
void server_free(struct server *s);
replica_remote server_remote(struct server *s);
/* A write of another client; a deletion with json NULL. */
void server_set(struct server *s, const char *id, const char *json);
/* The text, "-" for a tombstone, NULL for none; valid until the test ends. */
const char *server_get(struct server *s, const char *id);
void server_hold(struct server *s, int which); /* 0: answer what is held */
/* All requests fail with this; 0: no more.  503 asks to wait for a minute. */
void server_fail(struct server *s, int code, int detail);
/* Rows with this key get this verdict; NULL: no more. */
void server_judge(struct server *s, const char *id, int verdict);
int server_waiting(struct server *s); /* requests that are held */
int server_pushes(struct server *s);
int server_pulls(struct server *s);
int server_destroyed(struct server *s);

/* ---- the program ----------------------------------------------------------------- */

struct desk {
    replica_db *db;
    replica_collection *coll;
    struct server *server;
    replica_sync *sync;
    replica_sync_options o; /* for the next desk_start() */
    pthread_t thread;
    int inside;        /* calls in which callbacks may run */
    int statuses, errors, destroyed, handler_destroyed;
    replica_sync_status status;
    replica_error error;
    char events[20000];
    int conflicts;
    replica_conflict *conflict;
    /* What callbacks do beside checking and noting. */
    void (*on_status)(struct desk *d);
    void (*on_event)(struct desk *d, const replica_sync_event *event);
    void (*on_error)(struct desk *d);
    void (*on_conflict)(struct desk *d, replica_conflict *c); /* NULL: keep it */
};

/* path NULL: test.db in the test's folder. */
struct desk *desk_begin(unsigned flags, const char *path);
void desk_end(struct desk **d);
#define DESK __attribute__((cleanup(desk_end))) struct desk *

void desk_start(struct desk *d);
void desk_cancel(struct desk *d);
void desk_close(struct desk *d);
void desk_put(struct desk *d, const char *json);
const char *desk_get(struct desk *d, const char *id); /* "-" for none; valid until the next call */
int desk_in_sync(struct desk *d);   /* replica_sync_wait_in_sync() for 10 s */
int desk_state(struct desk *d, const char *id);
replica_sync_status desk_status(struct desk *d);
/* A turn of the loop, of at most ms. */
void desk_wait(struct desk *d, int ms);
/* Dispatch until the condition holds, for 10 s at most. */
#define DESK_UNTIL(d, condition)                                                         \
    do {                                                                                 \
        int64_t until_ = desk_now() + 10000;                                             \
        while (!(condition)) {                                                           \
            if (desk_now() > until_)                                                     \
                test_fail(__FILE__, __LINE__, "waited 10 s for: %s", #condition);        \
            desk_wait(d, 20);                                                            \
        }                                                                                \
    } while (0)
int64_t desk_now(void); /* monotonic ms */

#endif

#include "replicator/lowering.h"

#include "base/alloc.h"
#include "base/error.h"
#include "replicator/session.h"

#include <pthread.h>

struct replica__lowering {
    pthread_mutex_t mutex; /* of hooks, done and refs; the page is the thread's until it is done */
    const struct replica__session_hooks *hooks; /* NULL: nobody waits any more */
    bool done;
    int refs; /* the session's and the post's */
    struct replica__push_page page;
    int code;
    replica_error why;
};

/* The caller has the mutex. */
static void let_go(struct replica__lowering *l)
{
    int left = --l->refs;

    pthread_mutex_unlock(&l->mutex);
    if (left > 0)
        return;
    replica__push_page_free(&l->page);
    pthread_mutex_destroy(&l->mutex);
    replica__free(l);
}

static void run(void *arg, bool closing)
{
    struct replica__lowering *l = arg;
    bool wanted;

    pthread_mutex_lock(&l->mutex);
    wanted = l->hooks && !closing;
    pthread_mutex_unlock(&l->mutex);
    if (wanted)
        l->code = replica__push_page_lower(&l->page, &l->why);
    else
        l->code = replica__error_set(&l->why, REPLICA_ECANCELLED, 0, "the database closes");
    pthread_mutex_lock(&l->mutex);
    l->done = true;
    if (l->hooks)
        l->hooks->wake(l->hooks->ctx);
    let_go(l);
}

struct replica__lowering *replica__lowering_begin(const struct replica__session_hooks *hooks,
                                                  struct replica__push_page *page)
{
    struct replica__lowering *l = replica__alloc_zero(1, sizeof *l);

    if (!l)
        return NULL;
    pthread_mutex_init(&l->mutex, NULL);
    l->hooks = hooks;
    l->refs = 2;
    l->page = *page;
    l->why.offset = -1;
    if (hooks->post(hooks->ctx, run, l) < 0) {
        pthread_mutex_destroy(&l->mutex);
        replica__free(l);
        return NULL;
    }
    *page = (struct replica__push_page){ 0 };
    return l;
}

bool replica__lowering_is_done(struct replica__lowering *l)
{
    bool done;

    pthread_mutex_lock(&l->mutex);
    done = l->done;
    pthread_mutex_unlock(&l->mutex);
    return done;
}

void replica__lowering_cancel(struct replica__lowering *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->mutex);
    l->hooks = NULL;
    let_go(l);
}

int replica__lowering_take(struct replica__lowering **l, struct replica__push_page *ret_page,
                           replica_error *err)
{
    struct replica__lowering *done = *l;
    int r;

    if (!replica__lowering_is_done(done))
        return 0;
    *l = NULL;
    r = done->code;
    if (r < 0) {
        if (err)
            *err = done->why;
    } else {
        *ret_page = done->page;
        done->page = (struct replica__push_page){ 0 };
    }
    replica__lowering_cancel(done);
    return r < 0 ? r : 1;
}

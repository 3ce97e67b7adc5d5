/* The last requests and decisions of a replication, for people: a ring, written by the runner and
 * read by the program.  Texts are copied; where there is no memory for one, it is left out. */
#include "replicator/sync_state.h"

#include <string.h>

#define ENTRIES 256

struct line {
    replica_sync_trace_entry entry;
    char *text, *error;
};

struct replica__trace {
    pthread_mutex_t mutex;
    int64_t last; /* number of the newest entry */
    struct line lines[ENTRIES];
};

static void free_line(struct line *line)
{
    replica__free(line->text);
    replica__free(line->error);
    *line = (struct line){ .text = NULL };
}

struct replica__trace *replica__trace_new(void)
{
    struct replica__trace *t = replica__alloc_zero(1, sizeof *t);

    if (t)
        pthread_mutex_init(&t->mutex, NULL);
    return t;
}

void replica__trace_free(struct replica__trace *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < ENTRIES; i++)
        free_line(&t->lines[i]);
    pthread_mutex_destroy(&t->mutex);
    replica__free(t);
}

void replica__trace_add(struct replica__trace *t, const replica_sync_trace_entry *entry)
{
    const struct replica__world *world = &replica__real_world;
    struct line *line;

    pthread_mutex_lock(&t->mutex);
    line = &t->lines[++t->last % ENTRIES];
    free_line(line);
    line->entry = *entry;
    line->entry.number = t->last;
    line->entry.time_ms = world->now_ms(world->ctx);
    line->text = replica__strdup(entry->text);
    line->error = replica__strdup(entry->error);
    pthread_mutex_unlock(&t->mutex);
}

/* A copy of the first entry behind the number `after`: 1; 0: there is none. */
static int next(struct replica__trace *t, int64_t after, struct line *ret, replica_error *err)
{
    const struct line *found;
    int64_t number;
    int r = 0;

    pthread_mutex_lock(&t->mutex);
    number = after < t->last - ENTRIES ? t->last - ENTRIES + 1 : after + 1;
    if (number <= t->last) {
        found = &t->lines[number % ENTRIES];
        *ret = (struct line){ .entry = found->entry,
                              .text = replica__strdup(found->text ? found->text : ""),
                              .error = replica__strdup(found->error) };
        r = ret->text && (ret->error || !found->error) ? 1 : REPLICA_ENOMEM;
    }
    pthread_mutex_unlock(&t->mutex);
    if (r < 0) {
        free_line(ret);
        return replica__enomem(err);
    }
    return r;
}

int replica_sync_trace(replica_sync *sync,
                       int (*fn)(void *ctx, const replica_sync_trace_entry *entry), void *ctx,
                       replica_error *err)
{
    struct line line;
    int64_t last = 0;
    int r;

    if (!sync || !fn)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no replication, or no function");
    replica__sync_ref(sync); /* fn may cancel it */
    while ((r = next(sync->trace, last, &line, err)) > 0) {
        line.entry.text = line.text;
        line.entry.error = line.error;
        last = line.entry.number;
        r = fn(ctx, &line.entry);
        free_line(&line);
        if (r != 0)
            break;
    }
    replica__sync_unref(sync);
    return r;
}

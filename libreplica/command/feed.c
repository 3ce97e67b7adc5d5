/* The commands that may be a handler's, from the change feed of its collection. */
#include "libreplica/command/handle.h"

#include "libreplica/document.h"
#include "libreplica/row.h"

#include <string.h>

/* After a failed attempt a command waits, twice as long each time. */
#define BACKOFF_MS 100
#define BACKOFF_MOST 30000
/* Rows that are read before the clock is looked at. */
#define BATCH 64

static uint64_t hash_of(const char *id, size_t len)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */

    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)id[i]) * 1099511628211u;
    return h;
}

/* ---- the list -------------------------------------------------------------------- */

static struct replica__candidate *find(replica_handler *h, const char *id, size_t len)
{
    uint64_t hash = hash_of(id, len);

    for (size_t i = 0; i < h->n; i++) {
        if (h->list[i].hash == hash && strcmp(h->list[i].id, id) == 0)
            return &h->list[i];
    }
    return NULL;
}

void replica__handler_drop(replica_handler *h, struct replica__candidate *c)
{
    replica__free(c->id);
    h->n--;
    memmove(c, c + 1, (size_t)(&h->list[h->n] - c) * sizeof *c); /* the order stays */
}

void replica__handler_drop_all(replica_handler *h)
{
    for (size_t i = 0; i < h->n; i++)
        replica__free(h->list[i].id);
    replica__free(h->list);
    h->list = NULL;
    h->n = 0;
}

struct replica__candidate *replica__handler_due(replica_handler *h)
{
    int64_t now = replica__commands_clock(h->coll->db);

    for (size_t i = 0; i < h->n; i++) {
        if (h->list[i].due <= now)
            return &h->list[i];
    }
    return NULL;
}

int64_t replica__handler_next(const replica_handler *h)
{
    int64_t next = -1;

    for (size_t i = 0; i < h->n; i++) {
        if (next < 0 || h->list[i].due < next)
            next = h->list[i].due;
    }
    return next;
}

/* ---- judging --------------------------------------------------------------------- */

static int64_t backoff(int64_t attempt)
{
    return attempt > 9 ? BACKOFF_MOST : BACKOFF_MS << (attempt - 1);
}

int64_t replica__handler_may_take(const replica_handler *h, const struct replica__command_state *s)
{
    int64_t now = replica__commands_clock(h->coll->db);
    bool once = h->flags & REPLICA_HANDLE_AT_MOST_ONCE;

    switch (s->step) {
    case REPLICA__COMMAND_WAITING:
        if (s->attempt == 0)
            return now;
        return once ? -1 : now + backoff(s->attempt);
    case REPLICA__COMMAND_CLAIMED:
        /* Its own, and not what it has now: what it answered was refused. */
        if (strcmp(s->by, h->name) == 0)
            return now + backoff(s->attempt);
        return once && !s->once ? -1 : now + s->lease;
    case REPLICA__COMMAND_DONE:
    case REPLICA__COMMAND_FAILED:
        break;
    }
    return -1;
}

/* ---- the feed -------------------------------------------------------------------- */

/* 1, 0. */
static int matches(const replica_handler *h, const struct replica__command_state *s,
                   replica_error *err)
{
    REPLICA_BUF address = REPLICA_BUF_INIT;

    replica__json_unescape((struct replica__slice){ s->address.data + 1, s->address.len - 2 },
                           &address);
    if (address.r < 0)
        return replica__enomem(err);
    return replica__pattern_matches(&h->pattern, address.data ? address.data : "", address.len);
}

/* Is that the claim of the command that it has now? */
static bool has(const replica_handler *h, const struct replica__command_state *s)
{
    return h->command && s->step == REPLICA__COMMAND_CLAIMED && strcmp(s->by, h->name) == 0 &&
           s->attempt == h->command->state.attempt &&
           strcmp(replica_doc_id(s->doc), replica_doc_id(h->command->state.doc)) == 0;
}

static int meet(replica_handler *h, replica_doc *doc, replica_error *err)
{
    REPLICA_COMMAND_STATE s = { .doc = NULL };
    const char *id = replica_doc_id(doc);
    size_t len = strlen(id);
    struct replica__candidate *c = find(h, id, len);
    int64_t due = -1;
    int r = 0;

    if (replica__command_read(doc, &s) > 0 && !has(h, &s))
        r = matches(h, &s, err);
    if (r < 0)
        return r;
    if (r > 0)
        due = replica__handler_may_take(h, &s);
    if (due < 0) {
        if (c)
            replica__handler_drop(h, c);
        return 0;
    }
    if (!c) {
        char *copy = replica__strdup(id);

        if (!copy)
            return replica__enomem(err);
        c = &h->list[h->n++];
        *c = (struct replica__candidate){ .id = copy, .hash = hash_of(id, len) };
    }
    c->seq = replica_doc_sequence(doc);
    c->due = due;
    return 0;
}

int replica__handler_read(replica_handler *h, int64_t until_ms, replica_error *err)
{
    replica_db *db = h->coll->db;
    REPLICA_STMT stmt = NULL;
    int n = 0;
    int r = replica__sql_with(db, REPLICA__SQL_DOC_FEED, &stmt, err, h->coll->number, h->read, -1);

    if (r < 0)
        return r;
    while (h->n < REPLICA__CANDIDATES && (r = replica__sql_step(db, stmt, SQLITE_OK, err)) > 0) {
        REPLICA_DOC doc = NULL;
        struct replica__row row;

        if (++n % BATCH == 0 && replica__commands_clock(db) >= until_ms)
            return 1;
        r = replica__row_read(db, stmt, &row, err);
        if (r >= 0)
            r = replica__row_doc(db, h->coll->name, &row, &doc, err);
        if (r >= 0)
            r = meet(h, doc, err);
        if (r < 0)
            return r;
        h->read = row.seq;
    }
    return r < 0 ? r : 0;
}

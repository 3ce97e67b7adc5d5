#include "libreplica/live/live.h"

#include "libreplica/live/result.h"
#include "libreplica/txn.h"

#include <string.h>

struct replica_live {
    replica_collection *coll; /* NULL: ended, the handle waits for its cancel */
    struct replica__live_result *result;
    replica_live_fn fn;
    void *ctx;
    replica_destroy_fn destroy;
    bool told;       /* its first result */
    bool failed;     /* told that the query cannot be answered, and since then nothing was new */
    bool cancelled;  /* in a round: freed behind it */
    bool owned;      /* somebody has the handle */
    replica_live *next;
};

struct replica__lives {
    replica_live *first;
    int64_t read;    /* sequence number up to which the feed was read */
    int in_round;
};

/* ---- starting and ending --------------------------------------------------------- */

static int lives_of(replica_collection *coll, struct replica__lives **ret, replica_error *err)
{
    int64_t head = 0;
    int r = 0;

    if (!coll->lives || !coll->lives->first)
        r = replica_db_sequence(coll->db, &head, err);
    if (r < 0)
        return r;
    if (!coll->lives) {
        coll->lives = replica__alloc_zero(1, sizeof *coll->lives);
        if (!coll->lives)
            return replica__enomem(err);
    }
    if (!coll->lives->first)
        coll->lives->read = head;
    *ret = coll->lives;
    return 0;
}

static int live_new(replica_collection *coll, const char *query, size_t len, replica_live **ret,
                    replica_error *err)
{
    replica_live *live = replica__alloc_zero(1, sizeof *live);
    int r = live ? replica__live_result_new(coll, query, len, &live->result, err)
                 : replica__enomem(err);

    if (r < 0) {
        replica__free(live);
        return r;
    }
    *ret = live;
    return 0;
}

int replica_live_start(replica_collection *coll, const char *query, size_t len, replica_live_fn fn,
                       void *ctx, replica_destroy_fn destroy, replica_live **ret_live,
                       replica_error *err)
{
    struct replica__lives *all = NULL;
    replica_live *live = NULL;
    int r = 0;

    if (!coll || !query || !fn)
        r = replica__error_set(err, REPLICA_EINVAL, 0, "no collection, query or function");
    if (r >= 0)
        r = lives_of(coll, &all, err);
    if (r >= 0)
        r = live_new(coll, query, len, &live, err);
    if (r < 0) {
        if (destroy)
            destroy(ctx);
        return r;
    }
    live->coll = coll;
    live->fn = fn;
    live->ctx = ctx;
    live->destroy = destroy;
    live->owned = ret_live != NULL;
    live->next = all->first;
    all->first = live;
    coll->db->pump.observers++;
    replica__pump_watch(coll->db);
    replica__pump_look(coll->db); /* the first result comes in the next dispatch */
    if (ret_live)
        *ret_live = live;
    return 0;
}

/* What it held goes; the handle may stay. */
static void end(replica_live *live)
{
    replica__live_result_free(live->result);
    live->result = NULL;
    if (live->destroy)
        live->destroy(live->ctx);
    live->destroy = NULL;
}

/* Outside a round: let go of those that were cancelled.  A destroy may cancel others, so each
 * search starts anew. */
static void sweep(struct replica__lives *all)
{
    replica_live **at = &all->first;

    all->in_round++;
    while (*at) {
        replica_live *live = *at;

        if (!live->cancelled) {
            at = &live->next;
            continue;
        }
        *at = live->next;
        end(live);
        replica__free(live);
        at = &all->first;
    }
    all->in_round--;
}

void replica_live_cancel(replica_live *live)
{
    if (!live || live->cancelled)
        return;
    if (!live->coll) { /* its database has closed */
        replica__free(live);
        return;
    }
    live->cancelled = true;
    live->coll->db->pump.observers--;
    if (!live->coll->lives->in_round)
        sweep(live->coll->lives);
}

void replica__live_end(replica_collection *coll)
{
    replica_live *next;

    if (!coll->lives)
        return;
    coll->lives->in_round++; /* a destroy that cancels others only marks them */
    for (replica_live *live = coll->lives->first; live; live = next) {
        next = live->next;
        end(live);
        if (live->cancelled || !live->owned)
            replica__free(live);
        else
            live->coll = NULL;
    }
    replica__free(coll->lives);
    coll->lives = NULL;
}

size_t replica_live_count(const replica_live *live)
{
    return live && live->result ? replica__live_result_count(live->result) : 0;
}

replica_doc *replica_live_at(const replica_live *live, size_t place)
{
    return live && live->result ? replica__live_result_at(live->result, place) : NULL;
}

/* ---- following the feed ---------------------------------------------------------- */

/* Rows that are read before the clock is looked at. */
#define BATCH 64

static void follow(struct replica__lives *all, const struct replica__row *row)
{
    for (replica_live *live = all->first; live; live = live->next) {
        live->failed = false;
        if (!live->cancelled) /* a failure makes it run its query again, which says why */
            replica__live_result_follow(live->result, row, NULL);
    }
}

/* No result is shown between two members of a bundle. */
struct bundle {
    char name[REPLICA__OPERATION_SIZE];
};

static bool same_bundle(const struct replica__row *row, struct bundle *last)
{
    const char *bundle = row->bundle ? row->bundle : "";
    bool same = *bundle && strcmp(bundle, last->name) == 0;

    sqlite3_snprintf(sizeof last->name, last->name, "%s", bundle);
    return same;
}

/* Tombstones that went before they were read here: whoever may have their documents in the result
 * asks anew, and then knows all up to that. */
static int look_for_purged(replica_collection *coll, int64_t read, replica_error *err)
{
    struct replica__lives *all = coll->lives;
    REPLICA_STMT stmt = NULL;
    int64_t purged;
    int r = replica__sql_row(coll->db, REPLICA__SQL_COLL_PURGED_TO, &stmt, err, coll->number);

    purged = r > 0 ? sqlite3_column_int64(stmt, 0) : 0;
    if (r < 0 || purged <= read)
        return r < 0 ? r : 0;
    for (replica_live *live = all->first; live; live = live->next) {
        live->failed = false;
        if (!live->cancelled)
            live->result->stale = true;
    }
    if (all->read < purged)
        all->read = purged;
    return 0;
}

/* Read what is new.  1: time is up, and there may be more. */
static int read_feed(replica_collection *coll, int64_t until_ms, replica_error *err)
{
    const struct replica__world *world = coll->db->world;
    struct replica__lives *all = coll->lives;
    struct bundle bundle = { "" };
    REPLICA_STMT stmt = NULL;
    int n = 0;
    int r = replica__sql_with(coll->db, REPLICA__SQL_DOC_FEED, &stmt, err, coll->number, all->read,
                              -1);

    if (r < 0)
        return r;
    while ((r = replica__sql_step(coll->db, stmt, SQLITE_OK, err)) > 0) {
        struct replica__row row;

        r = replica__row_read(coll->db, stmt, &row, err);
        if (r < 0)
            return r;
        if (!same_bundle(&row, &bundle) && ++n % BATCH == 0 &&
            world->monotonic_ms(world->ctx) >= until_ms)
            return 1;
        follow(all, &row);
        all->read = row.seq;
    }
    return r;
}

/* ---- telling --------------------------------------------------------------------- */

static void tell_failure(replica_live *live, const replica_error *err)
{
    bool before = live->failed;

    live->failed = true;
    if (!before)
        live->fn(live->ctx, live, NULL, 0, err);
}

/* The differences are taken before they are told: a dispatch inside fn tells only what is new. */
static void tell(replica_live *live)
{
    struct replica__live_diff diff;
    replica_error err = { .offset = -1 };

    if (replica__live_result_settle(live->result, &err) < 0) {
        tell_failure(live, &err);
        return;
    }
    diff = live->result->diff;
    live->result->diff = (struct replica__live_diff){ 0 };
    if (diff.n > 0 || !live->told) {
        live->told = true;
        live->fn(live->ctx, live, diff.list, diff.n, NULL);
    }
    replica__live_diff_free(&diff);
}

static int round_of(replica_collection *coll, int64_t until_ms, replica_error *err)
{
    struct replica__lives *all = coll->lives;
    int64_t read = all->read;
    int r = read_feed(coll, until_ms, err);
    int purged = r < 0 ? r : look_for_purged(coll, read, err);

    if (purged < 0)
        return purged;
    all->in_round++;
    for (replica_live *live = all->first; live && !coll->db->pump.close_wanted; live = live->next) {
        if (!live->cancelled)
            tell(live);
    }
    if (--all->in_round == 0)
        sweep(all);
    return r;
}

int replica__live_round(replica_db *db, int64_t until_ms, replica_error *err)
{
    int more = 0;

    for (replica_collection *coll = db->collections; coll; coll = coll->next) {
        int r;

        if (!coll->lives || !coll->lives->first || db->pump.close_wanted)
            continue;
        r = round_of(coll, until_ms, err);
        if (r < 0)
            return r;
        more |= r;
    }
    return more;
}

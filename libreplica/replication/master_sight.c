#include "libreplica/replication/master_sight.h"

#include "base/error.h"
#include "libreplica/replication/master_was.h"

int replica__sight_open(struct replica__sight *ret, replica_db *db,
                        replica_collection *const *colls, const struct replica__feed_options *o,
                        replica_error *err)
{
    ret->db = db;
    ret->colls = colls;
    ret->o = o;
    return o->keys ? replica__pattern_parse(&ret->keys, o->keys, err) : 0;
}

/* Who asks for this version can read it.  A deletion says no more than that. */
static bool is_readable(const replica_collection *coll, const struct replica__row *row)
{
    return row->version >= coll->version || row->flags & REPLICA__FLAG_DELETED;
}

/* Who had nothing when it began and has read up to here since: it never saw a state before this
 * one. */
static bool is_first_state(const struct replica__sight *s, const struct replica__row *row)
{
    return row->height <= 1 || s->o->since == 0 || row->seq <= s->o->fresh;
}

/* May an earlier state have been seen by who reads on from o->since, and this one may not? */
struct memory {
    const struct replica__eye *eye;
    size_t collection;
};

static int was_seen(void *ctx, const char *fields, size_t len)
{
    const struct memory *m = ctx;
    int sight = m->eye->look(m->eye->ctx, m->collection, fields, len, true);

    return sight < 0 ? sight : sight != REPLICA__SIGHT_HIDDEN;
}

static int was_taken_away(const struct replica__sight *s, size_t collection,
                          const struct replica__row *row, replica_error *err)
{
    struct memory m = { s->o->eye, collection };

    if (is_first_state(s, row))
        return 0;
    return replica__was_each(s->db, row->number, s->o->since, was_seen, &m, err);
}

int replica__sight_of(const struct replica__sight *s, size_t collection,
                      const struct replica__row *row, int *ret_gone, replica_error *err)
{
    const struct replica__feed_options *o = s->o;
    int sight;

    *ret_gone = 0;
    if (!is_readable(s->colls[collection], row) ||
        (o->keys && !replica__pattern_matches(&s->keys, row->id, row->id_len)) ||
        (row->flags & REPLICA__FLAG_DELETED && row->seq <= o->fresh))
        return 0;
    if (!o->eye)
        return 1;
    sight = o->eye->look(o->eye->ctx, collection, row->body, row->len, false);
    if (sight < 0)
        return replica__error_set(err, sight, 0, "it cannot be told who may see '%s'", row->id);
    if (sight == REPLICA__SIGHT_SHOWN)
        return 1;
    if (sight == REPLICA__SIGHT_HIDDEN) {
        int r = was_taken_away(s, collection, row, err);

        *ret_gone = r > 0 ? REPLICA__GONE_VIEW : 0;
        return r;
    }
    if (is_first_state(s, row))
        return 0;
    *ret_gone = REPLICA__GONE_FILTER;
    return 1;
}

/* From a candidate to a command that the program has. */
#include "libreplica/command/handle.h"

#include "libreplica/bundle.h"

#include <string.h>

/* After a beat that could not be written, and for a command that somebody else was faster with. */
#define AGAIN_MS 200
/* One that cannot be claimed is looked at again after so long. */
#define STUCK_MS 5000

/* ---- commands -------------------------------------------------------------------- */

void replica__command_end(replica_command *c)
{
    if (c->db) {
        replica_command **at = &c->db->commands->commands;

        while (*at != c)
            at = &(*at)->next;
        *at = c->next;
        if (c->handler)
            c->handler->command = NULL;
    }
    replica_bundle_cancel(c->bundle);
    replica__command_clear(&c->state);
    replica__buf_free(&c->address);
    replica__buf_free(&c->payload);
    replica__free(c);
}

static void beat_later(replica_command *c)
{
    c->beat_at = replica__commands_clock(c->db) + c->state.lease / 3;
}

static bool is_ours(const replica_command *c, const struct replica__command_state *stored)
{
    return stored->step == REPLICA__COMMAND_CLAIMED && stored->attempt == c->state.attempt &&
           strcmp(stored->by, c->state.by) == 0;
}

int replica__command_look(replica_command *c, replica_error *err)
{
    struct replica__command_state stored;
    int r = replica__command_find(c->coll, replica_doc_id(c->state.doc), &stored, err);

    if (r < 0)
        return r;
    if (r > 0 && !is_ours(c, &stored)) {
        replica__command_clear(&stored);
        r = 0;
    }
    if (r == 0) {
        c->lost = true;
        return 0;
    }
    replica__command_clear(&c->state);
    c->state = stored;
    return 1;
}

int replica__command_show_life(replica_command *c, replica_error *err)
{
    struct replica__command_state next;
    int r;

    /* A claim that is under way has to arrive: written again and again it is never in step. */
    if (!c->given || c->lost || replica__commands_clock(c->db) < c->beat_at)
        return 0;
    c->beat_at = replica__commands_clock(c->db) + AGAIN_MS; /* after a failure */
    r = replica__command_look(c, err);
    if (r <= 0)
        return r;
    next = c->state;
    next.beat++;
    r = replica__command_put(c->coll, &c->state, &next, REPLICA__OVER_ANY, err);
    if (r > 0)
        beat_later(c);
    return r < 0 ? r : 0;
}

/* ---- claiming -------------------------------------------------------------------- */

static int command_new(replica_handler *h, const struct replica__command_state *s,
                       replica_command **ret, replica_error *err)
{
    replica_command *c = replica__alloc_zero(1, sizeof *c);

    if (!c)
        return replica__enomem(err);
    replica__json_unescape((struct replica__slice){ s->address.data + 1, s->address.len - 2 },
                           &c->address);
    if (s->payload.data)
        replica__buf_add(&c->payload, s->payload.data, s->payload.len);
    else
        replica__buf_str(&c->payload, "null");
    if (c->address.r < 0 || c->payload.r < 0) {
        replica__command_end(c);
        return replica__enomem(err);
    }
    c->coll = h->coll;
    c->handler = h;
    *ret = c;
    return 0;
}

static void enter(replica_handler *h, replica_command *c, const struct replica__command_state *s)
{
    struct replica__commands *all = h->coll->db->commands;

    c->db = all->db;
    c->state = *s;
    c->next = all->commands;
    all->commands = c;
    h->command = c;
    beat_later(c);
}

/* 1; 0: it was written meanwhile. */
static int claim(replica_handler *h, struct replica__command_state *was,
                 enum replica__command_over over, replica_error *err)
{
    struct replica__command_state next = *was;
    replica_command *c = NULL;
    int r = command_new(h, was, &c, err);

    if (r < 0)
        return r;
    next.step = REPLICA__COMMAND_CLAIMED;
    next.attempt = was->attempt + 1;
    next.lease = h->lease_ms;
    next.beat = 0;
    next.once = h->flags & REPLICA_HANDLE_AT_MOST_ONCE;
    memcpy(next.by, h->name, sizeof next.by);
    r = replica__command_put(h->coll, was, &next, over, err);
    if (r <= 0) {
        replica__command_end(c);
        return r;
    }
    enter(h, c, was);
    was->doc = NULL; /* it has it now */
    return 1;
}

/* A claim that was to be the only attempt: did it count? */
static int take_once(replica_handler *h, struct replica__command_state *s, replica_error *err)
{
    int r = replica__command_is_in_step(h->coll, s, err);

    if (r == 0)
        return claim(h, s, REPLICA__OVER_UNCONFIRMED, err);
    return r < 0 ? r
                 : replica__command_give_up(h->coll, s, "its handler died, or was refused, and it"
                                                        " was to be tried once", false, err);
}

/* What becomes of a command that is due for this handler.  1: it was written; 0: it was written by
 * somebody else. */
static int take(replica_handler *h, struct replica__command_state *s, replica_error *err)
{
    if (replica__command_is_expired(h->coll, s))
        return replica__command_give_up(h->coll, s, "expired", true, err);
    if (s->step == REPLICA__COMMAND_CLAIMED && s->once)
        return take_once(h, s, err);
    if (s->attempt >= h->max_attempts)
        return replica__command_give_up(h->coll, s, "tried too often", false, err);
    return claim(h, s, REPLICA__OVER_RENEW, err);
}

/* 1: something was done. */
static int take_candidate(replica_handler *h, struct replica__candidate *c, replica_error *err)
{
    REPLICA_COMMAND_STATE s = { .doc = NULL };
    int r = replica__command_find(h->coll, c->id, &s, err);
    int64_t due = r > 0 ? replica__handler_may_take(h, &s) : -1;

    if (due >= 0 && replica_doc_sequence(s.doc) != c->seq) { /* the feed has not told it yet */
        c->seq = replica_doc_sequence(s.doc);
        c->due = due;
        return 1;
    }
    if (r >= 0)
        r = due >= 0 ? take(h, &s, err) : 1;
    if (r > 0)
        replica__handler_drop(h, c);
    else /* others have their turn first; or the feed tells more */
        c->due = replica__commands_clock(h->coll->db) + (r < 0 ? STUCK_MS : AGAIN_MS);
    return r < 0 ? r : 1;
}

static int take_next(replica_handler *h, replica_error *err)
{
    struct replica__candidate *c = replica__handler_due(h);

    return c ? take_candidate(h, c, err) : 0;
}

/* ---- giving ---------------------------------------------------------------------- */

static void give(replica_handler *h)
{
    h->command->given = true;
    h->fn(h->ctx, h->command);
}

/* It is claimed; is it ours for certain?  1: it was given to the program, or ended. */
static int confirm(replica_handler *h, replica_error *err)
{
    replica_command *c = h->command;
    int r = replica__command_look(c, err);

    if (r < 0)
        return r;
    if (r == 0) {
        replica__command_end(c);
        return 1;
    }
    r = replica__command_is_in_step(c->coll, &c->state, err);
    if (r <= 0)
        return r;
    if (replica__command_is_expired(c->coll, &c->state)) {
        r = replica__command_give_up(c->coll, &c->state, "expired", true, err);
        if (r > 0)
            replica__command_end(c);
        return r;
    }
    give(h);
    return 1;
}

int replica__handler_step(replica_handler *h, replica_error *err)
{
    if (h->command)
        return h->command->given ? 0 : confirm(h, err);
    return take_next(h, err);
}

/* ---- what was refused ------------------------------------------------------------- */

struct refused {
    int64_t numbers[32];
    size_t n;
    bool pause;
};

static int note_refused(void *ctx, const replica_rejected_entry *entry)
{
    REPLICA_COMMAND_STATE s = { .doc = NULL };
    struct refused *all = ctx;

    if (entry->kind == REPLICA_ASIDE_REFUSED && entry->local &&
        replica__command_read(entry->local, &s) > 0 &&
        (s.attempt > 0 || s.step != REPLICA__COMMAND_WAITING)) {
        all->numbers[all->n++] = entry->number;
        all->pause |= s.step != REPLICA__COMMAND_DONE;
    }
    return all->n == sizeof(all->numbers) / sizeof(all->numbers[0]);
}

int replica__commands_undo_refused(replica_collection *coll, replica_error *err)
{
    struct refused all = { .n = 0 };
    int r = coll->db->set_aside ? replica_rejected(coll->db, coll, note_refused, &all, err) : 0;

    for (size_t i = 0; r >= 0 && i < all.n; i++)
        r = replica_rejected_discard(coll->db, all.numbers[i], err);
    return r < 0 ? r : all.pause;
}

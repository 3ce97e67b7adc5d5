/* What the replication notes down in the file, for other processes and for the time after it: when
 * it was last in sync, and what it fails by.
 *
 * A note is a commit of its own, so it is written only when it says something new: an error at
 * once, the first time in sync at once, each later one a few seconds after the last.  A replication
 * that has nothing to do writes nothing.  A note that cannot be written is no failure: it is tried
 * again. */
#include "replicator/session_state.h"

#define PAUSE_MS 5000

static int64_t wall_ms(const struct replica__session *s)
{
    const struct replica__world *world = replica__db_world(s->db);

    return world->now_ms(world->ctx);
}

static bool same_error(const replica_error *a, const replica_error *b)
{
    return a->code == b->code && a->detail == b->detail && strcmp(a->message, b->message) == 0 &&
           strcmp(a->where, b->where) == 0;
}

static bool is_new(const struct replica__session *s)
{
    const struct replica__note *is = &s->note.stored, *to = &s->note.next;

    return s->note.known && (is->synced_ms != to->synced_ms || is->synced_head != to->synced_head ||
                             !same_error(&is->error, &to->error));
}

static bool is_urgent(const struct replica__session *s)
{
    return !same_error(&s->note.stored.error, &s->note.next.error) || !s->note.stored.synced_ms;
}

void replica__note_side_begin(struct replica__session *s)
{
    s->note.known = replica__note_get(s->repl, &s->note.stored, NULL) >= 0;
    s->note.next = s->note.stored;
    s->note.moved = -1;
    s->note.at = 0;
}

void replica__note_side_error(struct replica__session *s, const replica_error *error)
{
    if (same_error(&s->note.next.error, error))
        return;
    s->note.next.error = *error;
    s->note.next.error_ms = wall_ms(s);
}

void replica__note_side_fine(struct replica__session *s)
{
    if (s->note.next.error.code)
        s->note.moved = -1; /* in sync again is news */
    s->note.next.error = (replica_error){ .offset = -1 };
}

void replica__note_side_synced(struct replica__session *s)
{
    int64_t moved = s->status.pulled + s->status.pushed;

    if (s->note.moved == moved && s->note.next.synced_head == s->status.head)
        return;
    s->note.moved = moved;
    s->note.next.synced_ms = wall_ms(s);
    s->note.next.synced_head = s->status.head;
}

void replica__note_side_unsynced(struct replica__session *s)
{
    s->note.stored.synced_ms = s->note.stored.synced_head = 0;
    s->note.next.synced_ms = s->note.next.synced_head = 0;
    s->note.moved = -1;
}

void replica__note_side_flush(struct replica__session *s)
{
    if (!is_new(s) || !replica__lease_held(s->repl))
        return;
    s->note.at = replica__session_clock(s) + PAUSE_MS;
    if (replica__note_put(s->repl, &s->note.next, NULL) >= 0)
        s->note.stored = s->note.next;
}

void replica__note_side_step(struct replica__session *s)
{
    bool failed_lately = s->note.failed && replica__session_clock(s) < s->note.at;

    if (!is_new(s) || !replica__lease_held(s->repl) || failed_lately ||
        (!is_urgent(s) && replica__session_clock(s) < s->note.at))
        return;
    replica__note_side_flush(s);
    s->note.failed = is_new(s);
}

int64_t replica__note_side_next(const struct replica__session *s)
{
    return is_new(s) && replica__lease_held(s->repl) ? s->note.at : -1;
}

/* What the replication notes down in the file, for other processes and for the time after it: when
 * it was last in sync, and what it fails by.
 *
 * A note is a commit of its own, so it is written only when it says something new: an error at
 * once, the first time in sync at once, each later one a few seconds after the last.  A replication
 * that has nothing to do writes nothing.  A note that cannot be written is no failure: it is tried
 * again. */
#include "base/buf.h"
#include "replicator/session_state.h"

#define PAUSE_MS 5000
#define SHOW_MS 1000

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

/* ---- how far it is, while it runs -------------------------------------------------- */

static void write_status(const struct replica__session *s, int64_t down, int64_t up,
                         struct replica__buf *out)
{
    const replica_sync_status *status = &s->status;
    int64_t now = wall_ms(s);
    int64_t retry = status->retry_ms ? now + status->retry_ms - replica__session_clock(s) : 0;
    const struct {
        const char *name;
        int64_t value;
    } members[] = {
        { "state", status->state },
        { "streaming", status->streaming },
        { "pulled", status->pulled },
        { "pushed", status->pushed },
        { "bytesDown", down },
        { "bytesUp", up },
        { "pullDone", status->pull_done },
        { "pullRemaining", status->pull_remaining },
        { "pushDone", status->push_done },
        { "pushRemaining", status->push_remaining },
        { "retry", retry },
    };

    replica__buf_printf(out, "{\"told\":%lld", (long long)now);
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        replica__buf_printf(out, ",\"%s\":%lld", members[i].name,
                            (long long)members[i].value);
    replica__buf_char(out, '}');
}

void replica__note_side_show(struct replica__session *s)
{
    bool changed = s->note.shown_state != s->status.state ||
                   s->note.shown_streaming != s->status.streaming;
    REPLICA_BUF json = REPLICA_BUF_INIT;
    int64_t down = 0, up = 0;

    if (!replica__lease_held(s->repl) ||
        (!changed && replica__session_clock(s) < s->note.show_at))
        return;
    s->note.show_at = replica__session_clock(s) + SHOW_MS;
    s->note.shown_state = s->status.state;
    s->note.shown_streaming = s->status.streaming;
    if (s->hooks->bytes)
        s->hooks->bytes(s->hooks->ctx, &down, &up);
    write_status(s, down, up, &json);
    if (json.r >= 0)
        replica__lease_show(s->repl, json.data);
}

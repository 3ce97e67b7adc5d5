/* Verdicts on the rows of a page: copied while the next page leaves, then written. */
#include "replicator/push_side.h"

/* Whatever a server says, a row has its turn again after so long. */
#define MAX_LATER_MS (24 * 3600 * 1000)

void replica__push_free_answer(struct answered *a)
{
    replica__free(a->verdicts);
    replica__arena_free(a->arena);
    *a = (struct answered){ 0 };
}

/* The real state of this row's document? */
static bool is_about(const struct replica__pulled *real, const struct replica__push_row *row)
{
    return real->coll == row->coll &&
           (real->problem ||
            replica__json_string_is(real->doc.key, row->id, strlen(row->id)));
}

static int copy_verdict(struct replica__session *s, const replica_remote_verdict *from,
                        const struct replica__push_row *row, struct replica__arena *arena,
                        struct replica__verdict *to, replica_error *err)
{
    int r;

    *to = (struct replica__verdict){ .verdict = from->verdict,
                                     .sequence = from->sequence,
                                     .code = from->code };
    to->reason = replica__arena_text(arena, from->reason);
    if (from->verdict != REPLICA_VERDICT_CONFLICT)
        return 0;
    to->half = s->o.pull && from->real.bundle && s->features & REPLICA_REMOTE_BUNDLES;
    r = replica__arrived_doc(s, s->feed, &from->real, arena, &to->real, err);
    if (r >= 0 && !is_about(&to->real, row)) { /* then it is none; the others may be */
        replica__session_log(s, REPLICA_LOG_WARNING,
                             "the verdict on '%.100s' has the state of another document", row->id);
        to->verdict = REPLICA_VERDICT_NONE;
    }
    return r;
}

/* What is put off has its turn when its time has come: the soonest of all, so that none holds up
 * another. */
static void note_delays(struct replica__session *s, const struct replica__verdict *verdicts,
                        const replica_remote_verdict *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int64_t wait = from[i].retry_ms < MAX_LATER_MS ? from[i].retry_ms : MAX_LATER_MS;

        if (verdicts[i].verdict != REPLICA_VERDICT_LOCKED &&
            verdicts[i].verdict != REPLICA_VERDICT_LATER &&
            verdicts[i].verdict != REPLICA_VERDICT_NONE)
            continue;
        s->delayed = true;
        if (!s->later_at || s->later_at > replica__session_clock(s) + wait)
            s->later_at = replica__session_clock(s) + wait;
    }
}

static int copy_answer(struct replica__session *s, const replica_remote_verdicts *from,
                       struct answered *ret, replica_error *err)
{
    struct answered a = { .arena = replica__arena_new(16 * 1024) };
    int r = 0;

    if (from->count != s->sent.n)
        r = replica__error_set(err, REPLICA_EHTTP, 200, "%zu verdicts for %zu rows", from->count,
                               s->sent.n);
    a.verdicts = r < 0 ? NULL : replica__alloc_zero(from->count, sizeof *a.verdicts);
    if (r >= 0 && (!a.arena || !a.verdicts))
        r = replica__enomem(err);
    for (size_t i = 0; r >= 0 && i < from->count; i++) {
        replica_remote_verdict v = from->verdicts[i];

        if (!v.real.collection && v.verdict == REPLICA_VERDICT_CONFLICT)
            v.real.collection = replica_collection_name(s->sent.rows[i].coll);
        r = copy_verdict(s, &v, &s->sent.rows[i], a.arena, &a.verdicts[i], err);
    }
    if (r >= 0) {
        replica__verdicts_as_one(&s->sent, a.verdicts);
        note_delays(s, a.verdicts, from->verdicts, from->count);
    }
    if (r >= 0) {
        a.incarnation = replica__arena_text(a.arena, from->incarnation);
        a.follows = replica__arena_text(a.arena, from->follows);
        a.checkpoint = replica__arena_text(a.arena, from->checkpoint);
        if (a.arena->failed)
            r = replica__enomem(err);
    }
    if (r < 0) {
        replica__push_free_answer(&a);
        return r;
    }
    *ret = a;
    return 0;
}

/* Of a version before ours. */
static bool same_text(const struct replica__push_row *row, const struct replica__pulled *real)
{
    replica_doc *doc = NULL;
    const char *json;
    size_t len;
    bool same;

    if (replica__doc_of_pulled(real, row->id, &doc, NULL) < 0)
        return false;
    json = replica_doc_json(doc, &len);
    same = row->deleted == (replica_doc_deleted(doc) != 0) &&
           replica__json_equal(row->json, row->len, json, len, REPLICA_JSON_AS_JAVASCRIPT) > 0;
    replica_doc_unref(doc);
    return same;
}

/* Without operation ids, a row that went out before and now conflicts with exactly what it says was
 * taken the first time. */
static void recognise_own(struct replica__session *s)
{
    if (s->features & REPLICA_REMOTE_OPERATIONS)
        return;
    for (size_t i = 0; i < s->judged.n; i++) {
        const struct replica__push_row *row = &s->judged.rows[i];
        struct replica__verdict *v = &s->verdicts.verdicts[i];
        replica_doc *sent = NULL, *real = NULL;

        if (v->verdict != REPLICA_VERDICT_CONFLICT || !row->again || v->real.problem)
            continue;
        v->perhaps_taken = true;
        if (row->endpoint < replica_collection_version(row->coll)) { /* no handler knows these */
            v->verdict = same_text(row, &v->real) ? REPLICA_VERDICT_TAKEN : v->verdict;
            v->sequence = v->verdict == REPLICA_VERDICT_TAKEN ? v->real.sequence : v->sequence;
            continue;
        }
        if (replica__doc_new(row->coll, row->id, row->json, row->len, row->deleted, &sent, NULL) >=
                0 &&
            replica__doc_of_pulled(&v->real, row->id, &real, NULL) >= 0 &&
            replica__states_equal(row->coll, sent, real)) {
            v->verdict = REPLICA_VERDICT_TAKEN;
            v->sequence = v->real.sequence;
        }
        replica_doc_unref(sent);
        replica_doc_unref(real);
    }
}

/* The server knows no bundles, and this row is of one: those with more than one row are counted.
 * What is no more among the last ones is met anew. */
static void note_parted(struct replica__session *s, const struct replica__push_row *row)
{
    uint64_t name = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    size_t i = 0;

    if (!row->bundle || s->features & REPLICA_REMOTE_BUNDLES)
        return;
    for (const char *c = row->bundle; *c; c++)
        name = (name ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    while (i < PARTED && s->parted[i].name != name)
        i++;
    if (i == PARTED) {
        i = s->parted_at;
        s->parted_at = (s->parted_at + 1) % PARTED;
        s->parted[i].name = name;
        s->parted[i].rows = 0;
    }
    s->status.unbundled += ++s->parted[i].rows == 2;
}

static void tell_judged(struct replica__session *s)
{
    for (size_t i = 0; i < s->judged.n; i++) {
        const struct replica__push_row *row = &s->judged.rows[i];
        const struct replica__verdict *v = &s->verdicts.verdicts[i];
        replica_sync_event event = { .collection = replica_collection_name(row->coll),
                                     .id = row->id,
                                     .code = v->code,
                                     .reason = v->reason };

        s->dirty |= row->again; /* what was written since has its turn in the next pass */
        if (v->verdict != REPLICA_VERDICT_NONE)
            replica__session_count(s, 0, 1);
        switch (v->verdict) {
        case REPLICA_VERDICT_TAKEN:
        case REPLICA_VERDICT_ALREADY:
            s->status.pushed++;
            note_parted(s, row);
            /* What came meanwhile; or a bundle that waits for what was under way. */
            s->unsettled |= v->verdict == REPLICA_VERDICT_ALREADY ||
                            (row->again && s->features & REPLICA_REMOTE_BUNDLES);
            s->refusals = 0;
            s->told_apart = true;
            event.kind = REPLICA_EVENT_SENT;
            break;
        case REPLICA_VERDICT_CONFLICT:
            s->told_apart = true;
            s->unsettled = true;
            s->feeds[s->feed].half |= v->half;
            s->feeds[s->feed].wanted |= v->half;
            continue;
        case REPLICA_VERDICT_REFUSED:
            event.kind = REPLICA_EVENT_REJECTED;
            break;
        case REPLICA_VERDICT_LOCKED:
            event.kind = REPLICA_EVENT_LOCKED;
            break;
        default:
            continue;
        }
        replica__session_tell(s, &event);
    }
    replica__session_touch(s);
}

/* So many rows at once, each of which may not be written by us, and none that may: it is not they
 * that are refused, but we.  A bundle counts once: all of it is refused for one of its members. */
#define EVERYTHING 10

static bool refuses_everything(const struct replica__session *s)
{
    if (s->told_apart || s->judged.units < EVERYTHING)
        return false;
    for (size_t i = 0; i < s->judged.n; i++) {
        const struct replica__verdict *v = &s->verdicts.verdicts[i];

        if (v->verdict != REPLICA_VERDICT_REFUSED || v->code != 403)
            return false;
    }
    return true;
}

static void pause_refused(struct replica__session *s)
{
    const char *reason = s->verdicts.verdicts[0].reason;
    replica_error error = { .offset = -1 };

    replica__error_set(&error, REPLICA_EHTTP, 403, "403: the server refuses every document%s%s",
                       reason ? ": " : "", reason ? reason : "");
    s->dirty = true;
    replica__session_halt_refused(s, &error);
}

static bool was_overwritten(const struct replica__session *s)
{
    for (size_t i = 0; i < s->judged.n; i++) {
        const struct replica__verdict *v = &s->verdicts.verdicts[i];

        if (v->verdict == REPLICA_VERDICT_ALREADY && !v->sequence)
            return true;
    }
    return false;
}

/* What was taken when it went out before, and overwritten since, may be what we do not see any
 * more; no page tells, if that lies behind us, and a comparison while it was not known to be taken
 * did not ask.  Noted before the verdict is: so it comes, whatever happens. */
static int compare_overwritten(struct replica__session *s, replica_error *err)
{
    int r = s->features & REPLICA_REMOTE_VIEWS && s->o.pull && was_overwritten(s)
                ? replica__reconcile_side_note(s, s->feed, "overwritten", err)
                : 0;

    s->feeds[s->feed].wanted |= r > 0;
    return r;
}

void replica__push_apply_verdicts(struct replica__session *s)
{
    replica_error error = { .offset = -1 };
    int r;

    if (refuses_everything(s)) {
        pause_refused(s);
        return;
    }
    recognise_own(s);
    r = compare_overwritten(s, &error);
    if (r < 0) {
        replica__push_fail(s, &error);
        return;
    }
    r = replica__push_apply(s->repl, s->feed, &s->judged, s->verdicts.verdicts,
                            s->verdicts.incarnation, replica__push_moved_checkpoint(s), &error);
    if (r < 0) {
        replica__push_fail(s, &error);
        return;
    }
    tell_judged(s);
    replica__push_page_free(&s->judged);
    replica__push_free_answer(&s->verdicts);
    s->has_verdicts = false;
    if (s->told_apart && replica__push_reject_suspects(s) < 0)
        return;
    if (s->halved)
        s->push_rows = s->halved; /* it was not meant for everything: the rest is searched */
    else if (!s->searching)
        s->push_rows = s->push_most;
    s->halved = 0;
}

void replica__push_side_answer(struct replica__session *s, const replica_remote_verdicts *answer)
{
    replica_error error = { .offset = -1 };

    if (s->has_verdicts) /* two answers in one turn: the first page's come first */
        replica__push_apply_verdicts(s);
    if (s->state != PUSHING)
        return;
    if (copy_answer(s, answer, &s->verdicts, &error) < 0) {
        replica__push_fail(s, &error);
        return;
    }
    replica__session_succeeded(s);
    s->has_verdicts = true;
    s->judged = s->sent;
    s->sent = (struct replica__push_page){ 0 };
    if (s->has_ready)
        replica__push_send_ready(s); /* the server has work while we write what it said */
}

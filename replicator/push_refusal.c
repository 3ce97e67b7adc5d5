/* Refusals of whole pages.
 *
 * A server without verdicts by row can only refuse a page: it is halved until the row is found.
 * While nothing was taken the first row is asked about alone: when three in succession are refused
 * so, the refusal is meant for everything: pushing pauses, and nothing is rejected. */
#include "replicator/push_side.h"

#include <stdio.h>

void replica__push_drop_suspects(struct replica__session *s)
{
    for (size_t i = 0; i < s->suspect_count; i++)
        replica__push_page_free(&s->suspects[i].page);
    s->suspect_count = 0;
}

void replica__push_tell_rejected(struct replica__session *s, const struct replica__push_row *row,
                                 int code, const char *reason)
{
    replica__session_tell(s, &(replica_sync_event){ .kind = REPLICA_EVENT_REJECTED,
                                                    .collection =
                                                        replica_collection_name(row->coll),
                                                    .id = row->id,
                                                    .code = code,
                                                    .reason = reason });
}

/* Give the row of a page of its own a verdict, or the rows that go as one. */
static int judge_alone(struct replica__session *s, const struct replica__push_page *page,
                       size_t feed, int verdict, int code, const char *reason)
{
    REPLICA_FREE struct replica__verdict *v = replica__alloc_zero(page->n, sizeof *v);
    replica_error error = { .offset = -1 };
    int r = v ? 0 : replica__enomem(&error);

    for (size_t i = 0; v && i < page->n; i++)
        v[i] = (struct replica__verdict){ .verdict = verdict, .code = code, .reason = reason };
    if (r >= 0)
        r = replica__push_apply(s->repl, feed, page, v, NULL, NULL, &error);
    if (r < 0) {
        replica__push_fail(s, &error);
        return r;
    }
    for (size_t i = 0; verdict == REPLICA_VERDICT_REFUSED && i < page->n; i++)
        replica__push_tell_rejected(s, &page->rows[i], code, reason);
    return 0;
}

/* It is known that others are taken: the suspects were refused for what they are. */
int replica__push_reject_suspects(struct replica__session *s)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < s->suspect_count; i++) {
        struct suspect *suspect = &s->suspects[i];

        r = judge_alone(s, &suspect->page, suspect->feed, REPLICA_VERDICT_REFUSED, suspect->code,
                        suspect->reason);
    }
    replica__push_drop_suspects(s);
    return r;
}

/* A single row was refused, and no other was taken yet. */
static void suspect_row(struct replica__session *s, const replica_error *error)
{
    struct suspect *suspect = &s->suspects[s->suspect_count];

    if (++s->refusals == SUSPECTS) {
        s->refusals = 0;
        replica__session_log(s, REPLICA_LOG_WARNING,
                             "the server refuses every document: pushing pauses");
        s->dirty = true;
        replica__session_halt_refused(s, error);
        return;
    }
    if (judge_alone(s, &s->sent, s->feed, REPLICA_VERDICT_LATER, 0, NULL) < 0)
        return;
    *suspect = (struct suspect){ .page = s->sent, .feed = s->feed, .code = error->detail };
    snprintf(suspect->reason, sizeof suspect->reason, "%.*s", (int)sizeof suspect->reason - 1,
             error->message);
    s->sent = (struct replica__push_page){ 0 };
    s->suspect_count++;
}

static void refused_alone(struct replica__session *s, const replica_error *error)
{
    s->searching = false;
    s->halved = 0;
    if (!s->told_apart && error->code != REPLICA_ELIMIT) {
        suspect_row(s, error);
        return;
    }
    if (error->code == REPLICA_ELIMIT)
        s->push_most = s->o.rows; /* it was this row, and not the page */
    s->push_rows = s->push_most;
    if (judge_alone(s, &s->sent, s->feed, REPLICA_VERDICT_REFUSED, error->detail,
                    error->message) >= 0)
        replica__push_page_free(&s->sent);
}

static void search(struct replica__session *s, bool too_large)
{
    s->push_rows = s->sent.n / 2;
    if (too_large) {
        s->push_most = s->push_rows; /* what was too large once is too large again */
        return;
    }
    s->searching = true;
    if (s->told_apart)
        return;
    s->halved = s->push_rows;
    s->push_rows = 1;
}

void replica__push_side_failed(struct replica__session *s, const replica_error *error,
                               int64_t retry_ms)
{
    bool refusal = error->code == REPLICA_EHTTP && (error->detail == 403 || error->detail == 422);
    bool too_large = error->code == REPLICA_ELIMIT;

    if (!refusal && !too_large) {
        s->dirty = true;
        replica__session_failed(s, error, retry_ms);
        return;
    }
    s->busy++;
    if (s->sent.units > 1) {
        search(s, too_large);
        replica__session_log(s, REPLICA_LOG_INFO, "a push of %zu rows was %s: %zu go next",
                             s->sent.n, too_large ? "too large" : "refused", s->push_rows);
        replica__push_begin_anew(s);
    } else {
        refused_alone(s, error);
        if (s->state == PUSHING && s->has_ready)
            replica__push_send_ready(s);
    }
    s->busy--;
}

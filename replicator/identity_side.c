/* The server's identity: was it wiped, or restored to an earlier day?
 *
 * A server draws an incarnation each time it starts, and knows where those before it ended.  When a
 * page names another incarnation than the last one, or the checkpoint is not known any more, the
 * server is asked about the highest number of each incarnation that the clean markers hold, newest
 * first.  The first one that it knows tells what is common; documents above that are dirty again,
 * and go out as new. Until then no page of the new incarnation is applied: its numbers may be lower
 * than those known here, and would be taken for old. */
#include "replicator/session_state.h"

#include <stdio.h>

static int make_checkpoint(const struct replica__marker *m, char **ret)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;

    replica__buf_printf(&text, "{\"id\":\"%s\",\"lwt\":%lld}", m->incarnation,
                        (long long)m->sequence);
    *ret = replica__buf_take(&text, NULL);
    return *ret ? 0 : REPLICA_ENOMEM;
}

static void fail(struct replica__session *s, int r, replica_error *error)
{
    if (r == REPLICA_ENOMEM && !error->code)
        replica__enomem(error);
    replica__identity_stop(s);
    replica__session_failed(s, error, 0);
}

/* What lies above `common` is not on the server; the next pull begins there. */
static void settle_identity(struct replica__session *s, const char *incarnation, int64_t common)
{
    const struct replica__marker m = { .sequence = common };
    struct replica__marker at = m;
    replica_error error = { .offset = -1 };
    char *checkpoint = NULL;
    int r = 0;

    snprintf(at.incarnation, sizeof at.incarnation, "%s", incarnation);
    if (common > 0)
        r = make_checkpoint(&at, &checkpoint);
    if (r >= 0)
        r = replica__reconcile_side_after(s, s->feed, &error);
    if (r >= 0)
        r = replica__feed_lost(s->repl, s->feed, incarnation, common, checkpoint, &error);
    replica__free(checkpoint);
    if (r < 0) {
        fail(s, r, &error);
        return;
    }
    s->dirty = true;
    replica__identity_known(s);
}

/* Ask about the next marker; when there is none left, nothing is common. */
static void ask_next(struct replica__session *s)
{
    replica_error error = { .offset = -1 };
    char *checkpoint;
    int r;

    if (s->probe.next == s->probe.n) {
        if (s->probe.lost)
            settle_identity(s, "", 0);
        else
            replica__identity_known(s);
        return;
    }
    r = make_checkpoint(&s->probe.markers[s->probe.next], &checkpoint);
    if (r < 0) {
        fail(s, r, &error);
        return;
    }
    replica__free(s->asked_from);
    s->asked_from = checkpoint;
    replica__session_begin_call(s, &s->pull, CALL_PULL, s->feed);
}

void replica__identity_begin(struct replica__session *s, const char *incarnation, bool lost)
{
    replica_error error = { .offset = -1 };
    int n;

    replica__pull_side_stop(s);
    replica__push_side_stop(s);
    n = replica__replication_markers(s->repl, incarnation ? incarnation : "", s->probe.markers,
                                     REPLICA__MARKERS, &error);
    if (n < 0) {
        fail(s, n, &error);
        return;
    }
    replica__session_log(s, REPLICA_LOG_INFO, "the server has started anew: asking what it knows");
    s->probe.active = true;
    s->probe.lost = lost;
    s->probe.n = (size_t)n;
    s->probe.next = 0;
    snprintf(s->probe.incarnation, sizeof s->probe.incarnation, "%s",
             incarnation ? incarnation : "");
    ask_next(s);
}

/* The server knows this marker: what lies below it is common.  As the first one it is the highest
 * of all, and nothing was lost. */
void replica__identity_page(struct replica__session *s)
{
    const struct replica__marker *m = &s->probe.markers[s->probe.next];

    if (s->probe.next == 0 && !s->probe.lost)
        replica__identity_known(s);
    else
        settle_identity(s, m->incarnation, m->sequence);
}

void replica__identity_lost(struct replica__session *s, const char *incarnation, int64_t common)
{
    s->probe.lost = true;
    if (incarnation && *incarnation && common > 0) {
        settle_identity(s, incarnation, common);
        return;
    }
    s->probe.next++;
    ask_next(s);
}

void replica__identity_known(struct replica__session *s)
{
    snprintf(s->incarnation, sizeof s->incarnation, "%s", s->probe.incarnation);
    replica__identity_stop(s);
    for (size_t i = 0; i < s->feed_count; i++)
        s->feeds[i].wanted = true;
    replica__session_move(s, IDLE);
}

void replica__identity_stop(struct replica__session *s)
{
    s->probe.active = false;
}

bool replica__identity_is_new(const struct replica__session *s, const char *incarnation)
{
    return incarnation && *incarnation && s->incarnation[0] &&
           strcmp(s->incarnation, incarnation) != 0;
}

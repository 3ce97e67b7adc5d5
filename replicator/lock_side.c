/* Locks, between this file and its server.
 *
 * The rows of the file say what is to be asked (see libreplica/locks/session.c); one question is
 * out at a time.  A lock that the program took while the server was not reached is confirmed, or
 * lost, before anything is pushed. */
#include "base/json.h"
#include "replicator/session_state.h"

#include <stdio.h>

/* After a failure; for what is in no hurry. */
#define AGAIN_MS 1000
/* Changes of rows in one step. */
#define ROUNDS 100

static int64_t wall_ms(const struct replica__session *s)
{
    const struct replica__world *world = replica__db_world(s->db);

    return world->now_ms(world->ctx);
}

static bool is_online(const struct replica__session *s)
{
    return s->greeted && (s->state == IDLE || s->state == PULLING || s->state == PUSHING);
}

static bool has_locks(const struct replica__session *s)
{
    return (s->features & REPLICA_REMOTE_LOCKS) && s->remote.ask;
}

/* ---- answers --------------------------------------------------------------------- */

/* The question is over; the next one may go. */
static void settle(struct replica__session *s, const struct replica__lock_told *told)
{
    struct replica__lock_job job = s->lock_job;
    replica_error error = { .offset = -1 };
    int r;

    s->lock_job = (struct replica__lock_job){ .key = NULL };
    s->look_at_locks = true;
    r = replica__lock_answered(s->repl, &job, told, &error);
    replica__lock_job_free(&job);
    if (r < 0 && is_online(s))
        replica__session_failed(s, &error, 0);
}

static void read_name(struct replica__json_value v, char *to, size_t room)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;

    if (v.type == REPLICA_JSON_STRING)
        replica__json_unescape((struct replica__slice){ v.text.data + 1, v.text.len - 2 }, &text);
    snprintf(to, room, "%s", text.r == 0 && text.data ? text.data : "");
}

static void answered(struct replica__session *s, const char *json, size_t len)
{
    struct replica__json_value v = replica__json_value(json, len);
    struct replica__lock_told told = { .what = REPLICA__LOCK_REFUSED };
    int64_t left = 0;

    if (v.type == REPLICA_JSON_OBJECT) {
        replica__json_int(replica__json_member(v, "left", 4), &left);
        if (replica__json_int(replica__json_member(v, "fence", 5), &told.fence) && told.fence > 0)
            told.what = REPLICA__LOCK_GOT;
        read_name(replica__json_member(v, "locked", 6), told.name, sizeof told.name);
    }
    /* As of when it was asked: we must not think that we have it longer than the server does. */
    told.until = s->lock_asked + (left > 0 && left < s->lock_job.ttl ? left : s->lock_job.ttl);
    if (told.what == REPLICA__LOCK_REFUSED && left > 0)
        told.until = s->lock_asked + left;
    settle(s, &told);
}

static bool is_refusal(const replica_error *error)
{
    return error->code == REPLICA_ENOTSUP ||
           (error->code == REPLICA_EHTTP && error->detail >= 400 && error->detail < 500 &&
            error->detail != 408 && error->detail != 429);
}

static void failed(struct replica__session *s, const replica_error *error, int64_t retry_ms)
{
    struct replica__lock_told told = { .what = is_refusal(error) ? REPLICA__LOCK_HAS_NONE
                                                                 : REPLICA__LOCK_NO_ANSWER };
    bool provisional = s->lock_job.provisional;

    replica__session_log(s, REPLICA_LOG_INFO, "lock on '%.100s': %s (%s)", s->lock_job.key,
                         error->message, error->where);
    settle(s, &told);
    s->locks_at = replica__session_clock(s) + (retry_ms > AGAIN_MS ? retry_ms : AGAIN_MS);
    s->look_at_locks = false;
    if (told.what == REPLICA__LOCK_NO_ANSWER && is_online(s) &&
        (provisional || error->code == REPLICA_EAUTH))
        replica__session_failed(s, error, retry_ms);
}

/* ---- questions ------------------------------------------------------------------- */

static const struct asker takes = { "lock", answered, failed };
static const struct asker gives = { "unlock", answered, failed };

static void add_member(struct replica__buf *out, const char *name, const char *value)
{
    replica__buf_printf(out, "%c\"%s\":", out->len ? ',' : '{', name);
    replica__buf_json_string(out, value, strlen(value));
}

static void make_question(struct replica__session *s, const struct replica__lock_job *job,
                          struct replica__buf *out)
{
    add_member(out, "client", replica__replication_client(s->repl));
    add_member(out, "key", job->key);
    if (job->coll)
        replica__buf_printf(out, ",\"collection\":\"%s/%lld\"", replica_collection_name(job->coll),
                            (long long)replica__endpoint_at(s->repl, job->coll));
    if (job->deed != REPLICA__LOCK_DO_UNLOCK) {
        add_member(out, "name", job->name);
        replica__buf_printf(out, ",\"ttl\":%lld", (long long)job->ttl);
    }
    if (job->deed != REPLICA__LOCK_DO_ASK)
        replica__buf_printf(out, ",\"fence\":%lld", (long long)job->server_fence);
    replica__buf_char(out, '}');
}

static void ask(struct replica__session *s)
{
    const struct replica__lock_job *job = &s->lock_job;
    replica_error error = { .offset = -1 };
    REPLICA_BUF text = REPLICA_BUF_INIT;
    int r;

    if (!has_locks(s)) {
        settle(s, &(struct replica__lock_told){ .what = REPLICA__LOCK_HAS_NONE });
        return;
    }
    make_question(s, job, &text);
    s->lock_asked = wall_ms(s);
    r = text.r < 0 ? text.r
                   : replica__session_ask(s, &s->lock,
                                          job->deed == REPLICA__LOCK_DO_UNLOCK ? &gives : &takes,
                                          text.data, text.len);
    if (r < 0) {
        replica__error_set(&error, r, 0, "the remote could not start a request");
        failed(s, &error, 0);
    }
}

/* ---- stepping -------------------------------------------------------------------- */

/* 1: there is more to do at once. */
static int look(struct replica__session *s)
{
    struct replica__lock_job job;
    replica_error error = { .offset = -1 };
    int64_t wait = -1;
    int r = replica__lock_next(s->repl, is_online(s), &job, &wait, &error);

    s->look_at_locks = false;
    s->locks_at = wait > 0 ? replica__session_clock(s) + wait : 0;
    if (r < 0 && is_online(s))
        replica__session_failed(s, &error, 0);
    if (r <= 0)
        return r == 0 && wait == 0;
    s->lock_job = job;
    ask(s);
    return !s->lock.open && s->look_at_locks;
}

void replica__lock_side_step(struct replica__session *s)
{
    replica__session_watch_ask(s, &s->lock);
    if (s->lock.open || !replica__lease_held(s->repl) || (!is_online(s) && s->state != WAITING))
        return;
    if (!s->look_at_locks && (!s->locks_at || replica__session_clock(s) < s->locks_at))
        return;
    for (int i = 0; i < ROUNDS && look(s); i++)
        ;
}

int64_t replica__lock_side_next(const struct replica__session *s)
{
    if (s->lock.open)
        return s->lock.deadline;
    return is_online(s) || s->state == WAITING ? s->locks_at : 0;
}

bool replica__lock_side_holds(const struct replica__session *s)
{
    return s->lock.open && s->lock_job.provisional;
}

void replica__lock_side_stop(struct replica__session *s)
{
    replica__session_cancel_call(s, &s->lock);
    replica__lock_job_free(&s->lock_job);
    s->look_at_locks = true;
}

/* The public calls. */
#include "base/options.h"
#include "replicator/remote_http.h"
#include "replicator/sync_state.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define PAGE_ROWS 1000
#define PAGE_BYTES (4 * 1024 * 1024)

/* ---- life ------------------------------------------------------------------------ */

void replica__sync_ref(replica_sync *sync)
{
    atomic_fetch_add(&sync->refs, 1);
}

void replica__sync_unref(replica_sync *sync)
{
    if (!sync || atomic_fetch_sub(&sync->refs, 1) != 1)
        return;
    pthread_mutex_destroy(&sync->mutex);
    replica__trace_free(sync->trace);
    replica__free(sync->token);
    replica__free(sync->identifier);
    replica__free(sync);
}

/* On the program's thread: nothing runs, and no callback comes, after this. */
static void end(replica_sync *sync)
{
    if (!sync->db)
        return;
    sync->ended = true;
    replica__runner_stop(sync);
    replica__db_remove_guest(sync->db, &sync->guest);
    sync->db = NULL;
    pthread_mutex_lock(&sync->mutex);
    if (sync->status.state != REPLICA_SYNC_STOPPED)
        sync->status.in_sync = 0; /* from here on nobody looks */
    sync->status.state = REPLICA_SYNC_STOPPED;
    pthread_mutex_unlock(&sync->mutex);
    if (sync->o.destroy)
        sync->o.destroy(sync->o.ctx);
    sync->o.destroy = NULL;
}

static void closing(void *ctx)
{
    end(ctx);
}

void replica_sync_cancel(replica_sync *sync)
{
    if (!sync)
        return;
    end(sync);
    replica__sync_unref(sync);
}

/* ---- starting -------------------------------------------------------------------- */

static int check_collections(replica_db *db, const replica_sync_options *o, replica_error *err)
{
    if (!o->collections || o->collection_count == 0)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no collections");
    for (size_t i = 0; i < o->collection_count; i++) {
        if (!o->collections[i] || replica_collection_db(o->collections[i]) != db)
            return replica__error_set(err, REPLICA_EINVAL, 0,
                                      "collection %zu is not one of this database", i);
        for (size_t j = 0; j < i; j++) {
            if (o->collections[i] == o->collections[j])
                return replica__error_set(err, REPLICA_EINVAL, 0, "'%s' is given twice",
                                          replica_collection_name(o->collections[i]));
        }
    }
    return 0;
}

/* It goes along in URLs. */
#define FILTER_MOST 4096

static int check_filter(const char *filter, replica_error *err)
{
    size_t escaped = 0;

    for (const char *at = filter; *at; at++)
        escaped += isalnum((unsigned char)*at) || strchr("-._~", *at) ? 1 : 3;
    if (escaped <= FILTER_MOST)
        return 0;
    return replica__error_set(err, REPLICA_ELIMIT, 0,
                              "the filter takes %zu bytes of a URL, more than %d", escaped,
                              FILTER_MOST);
}

static int check_options(replica_db *db, const replica_sync_options *o, replica_error *err)
{
    const unsigned both = REPLICA_SYNC_PUSH_ONLY | REPLICA_SYNC_PULL_ONLY;
    int r;

    /* The two libraries share structs that no header promises. */
    if (strcmp(replica_version(), REPLICA_PROJECT_VERSION) != 0)
        return replica__error_set(err, REPLICA_EVERSION, 0, "libreplicator %s with libreplica %s",
                                  REPLICA_PROJECT_VERSION, replica_version());
    r = check_collections(db, o, err);
    if (r < 0)
        return r;
    if (!o->url == !o->remote)
        return replica__error_set(err, REPLICA_EINVAL, 0, "either a URL or a remote");
    if (o->remote && (!o->remote->hello || !o->remote->pull || !o->remote->push))
        return replica__error_set(err, REPLICA_EINVAL, 0, "a remote without hello, pull or push");
    if ((o->flags & both) == both || o->page_rows < 0 || o->page_bytes < 0)
        return replica__error_set(err, REPLICA_EINVAL, 0, "flags or limits that make no sense");
    if (replica__db_in_memory(db) && !(o->flags & REPLICA_SYNC_IN_LOOP))
        return replica__error_set(err, REPLICA_ENOTSUP, 0,
                                  "a database in memory replicates in the program's loop only");
    return o->filter ? check_filter(o->filter, err) : 0;
}

/* The end of a URL is the endpoint's version: "/12".  Where it begins, behind the slash. */
static size_t version_at(const char *url, size_t len)
{
    size_t at = len;

    while (at > 0 && url[at - 1] >= '0' && url[at - 1] <= '9')
        at--;
    return at > 0 && at < len && url[at - 1] == '/' ? at : len;
}

/* The URL without what is secret in it, and the collections.  With a collection that has versions
 * the endpoint's is given as 0, so that the replication is the same one after the next. */
static int make_identifier(const replica_sync_options *o, char **ret, replica_error *err)
{
    REPLICA_BUF name = REPLICA_BUF_INIT;
    const char *url = o->url ? o->url : "remote";
    const char *rest = strstr(url, "://");
    size_t len;

    if (rest) {
        const char *host = rest + 3;
        const char *at = host + strcspn(host, "/?#");

        while (at > host && at[-1] != '@')
            at--;
        replica__buf_add(&name, url, (size_t)(host - url));
        url = at > host ? at : host;
    }
    len = strcspn(url, "?#");
    if (o->url && replica_collection_version(o->collections[0]) > 0 && version_at(url, len) < len) {
        replica__buf_add(&name, url, version_at(url, len));
        replica__buf_char(&name, '0');
    } else {
        replica__buf_add(&name, url, len);
    }
    for (size_t i = 0; i < o->collection_count; i++) {
        replica__buf_char(&name, i == 0 ? ' ' : ',');
        replica__buf_str(&name, replica_collection_name(o->collections[i]));
    }
    *ret = replica__buf_take(&name, NULL);
    return *ret ? 0 : replica__enomem(err);
}

static int make_remote(replica_sync *sync, const replica_sync_options *o, replica_error *err)
{
    const struct replica__http_options http = {
        .url = o->url,
        .collection = replica_collection_name(o->collections[0]),
        .headers = o->headers,
        .rxdb_only = o->flags & REPLICA_SYNC_RXDB,
        .request_timeout_ms = o->request_timeout_ms,
        .token = o->token ? replica__tell_token : NULL,
        .trace = replica__tell_trace,
        .ctx = sync,
    };

    if (o->remote)
        return replica__options(o->remote, o->remote->size, &sync->remote, sizeof sync->remote,
                                err);
    sync->http = true;
    return replica__remote_http_new(&http, &sync->remote, err);
}

static int start(replica_sync *sync, replica_db *db, const replica_sync_options *o,
                 replica_error *err)
{
    const struct replica__session_options session = {
        .collections = o->collections,
        .count = o->collection_count,
        .keys = o->keys,
        .filter = o->filter,
        .push = !(o->flags & REPLICA_SYNC_PULL_ONLY),
        .pull = !(o->flags & REPLICA_SYNC_PUSH_ONLY),
        .live = !(o->flags & REPLICA_SYNC_ONCE),
        .may_downgrade = o->flags & REPLICA_SYNC_RXDB,
        .rows = o->page_rows ? (size_t)o->page_rows : PAGE_ROWS,
        .bytes = o->page_bytes ? o->page_bytes : PAGE_BYTES,
        .paused = o->flags & REPLICA_SYNC_PAUSED_AT_START,
    };
    int r = o->identifier ? 0 : make_identifier(o, &sync->identifier, err);

    if (r >= 0 && !(sync->trace = replica__trace_new()))
        r = replica__enomem(err);
    if (r >= 0 && o->identifier && !(sync->identifier = replica__strdup(o->identifier)))
        r = replica__enomem(err);
    if (r >= 0 && replica__db_has_guest(db, sync->identifier))
        r = replica__error_set(err, REPLICA_EINVAL, 0, "'%s' runs already", sync->identifier);
    if (r >= 0)
        r = make_remote(sync, o, err);
    if (r < 0)
        return r;
    sync->db = db;
    replica__tell_set_hooks(sync);
    r = replica__runner_start(sync, &session, err);
    if (r < 0) {
        bool had_session = sync->session != NULL;

        replica__runner_stop(sync);
        if (!had_session && sync->remote.destroy)
            sync->remote.destroy(sync->remote.ctx);
        sync->db = NULL;
    }
    return r;
}

/* It did not start: what was given is let go of all the same.  Once the session or start() has the
 * remote, it is theirs. */
static void let_go(replica_sync *sync, const replica_sync_options *o)
{
    replica_remote remote = { 0 };

    if ((!sync || !sync->remote.hello) && o->remote &&
        replica__options(o->remote, o->remote->size, &remote, sizeof remote, NULL) >= 0 &&
        remote.destroy)
        remote.destroy(remote.ctx);
    if (sync)
        replica__sync_unref(sync);
    if (o->destroy)
        o->destroy(o->ctx);
}

int replica_sync_start(replica_db *db, const replica_sync_options *opts, replica_sync **ret_sync,
                       replica_error *err)
{
    replica_sync_options o = { 0 };
    replica_sync *sync = NULL;
    int r = 0;

    if (!db || !opts || !ret_sync)
        r = replica__error_set(err, REPLICA_EINVAL, 0, "no database, options or place");
    if (r >= 0)
        r = replica__options(opts, opts->size, &o, sizeof o, err);
    if (r >= 0)
        r = check_options(db, &o, err);
    if (r >= 0 && !(sync = replica__alloc_zero(1, sizeof *sync)))
        r = replica__enomem(err);
    if (r >= 0) {
        atomic_init(&sync->refs, 1);
        pthread_mutex_init(&sync->mutex, NULL);
        sync->o = o;
        sync->guest.closing = closing;
        sync->status = (replica_sync_status){ .size = sizeof sync->status,
                                              .state = REPLICA_SYNC_STARTING,
                                              .pull_remaining = -1 };
        r = start(sync, db, &o, err);
    }
    if (r < 0) {
        let_go(sync, &o);
        return r;
    }
    *ret_sync = sync;
    return 0;
}

int replica_sync_remove(replica_db *db, const char *identifier, replica_error *err)
{
    if (!db || !identifier)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database, or no identifier");
    if (replica__db_has_guest(db, identifier))
        return replica__error_set(err, REPLICA_EBUSY, 0, "'%s' runs", identifier);
    return replica__replication_remove(db, identifier, err);
}

/* ---- commands -------------------------------------------------------------------- */

static int command(replica_sync *sync, unsigned which, replica_error *err)
{
    if (!sync)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no replication");
    if (!sync->db)
        return replica__error_set(err, REPLICA_ECLOSED, 0, "the replication has ended");
    if (which & (COMMAND_NOW | COMMAND_RESYNC)) /* what was in sync is to be looked at anew */
        replica__runner_look(sync, which);
    else
        replica__runner_command(sync, which);
    return 0;
}

int replica_sync_pause(replica_sync *sync, replica_error *err)
{
    return command(sync, COMMAND_PAUSE, err);
}

int replica_sync_resume(replica_sync *sync, replica_error *err)
{
    if (sync) { /* a wait from here on is not about what was in the way before */
        pthread_mutex_lock(&sync->mutex);
        sync->status.error = (replica_error){ .offset = -1 };
        pthread_mutex_unlock(&sync->mutex);
    }
    return command(sync, COMMAND_RESUME, err);
}

int replica_sync_now(replica_sync *sync, replica_error *err)
{
    return command(sync, COMMAND_NOW, err);
}

int replica_sync_resync(replica_sync *sync, replica_error *err)
{
    return command(sync, COMMAND_RESYNC, err);
}

/* ---- asking ---------------------------------------------------------------------- */

const char *replica_sync_identifier(replica_sync *sync)
{
    return sync ? sync->identifier : "";
}

void replica__sync_read_status(replica_sync *sync, replica_sync_status *ret)
{
    pthread_mutex_lock(&sync->mutex);
    *ret = sync->status;
    ret->retry_ms = replica__sync_retry_ms(sync);
    pthread_mutex_unlock(&sync->mutex);
}

/* What must be counted is counted when somebody asks. */
static int count_backlog(replica_sync *sync, replica_sync_status *status, replica_error *err)
{
    struct replica__backlog backlog;
    int r;

    if (!sync->db)
        return 0;
    r = replica__backlog_of(sync->db, sync->identifier, &backlog, err);
    if (r < 0)
        return r;
    status->push_remaining = backlog.dirty;
    status->unsettled = backlog.unsettled;
    status->rejected = backlog.aside;
    return 0;
}

int replica_sync_get_status(replica_sync *sync, replica_sync_status *ret_status,
                            replica_error *err)
{
    replica_sync_status status;
    size_t size;
    int r;

    if (!sync || !ret_status || ret_status->size < sizeof(size_t))
        return replica__error_set(err, REPLICA_EINVAL, 0, "no replication, or no place");
    replica__sync_read_status(sync, &status);
    r = count_backlog(sync, &status, err);
    if (r < 0)
        return r;
    size = ret_status->size < sizeof status ? ret_status->size : sizeof status;
    memcpy(ret_status, &status, size);
    ret_status->size = size;
    return 0;
}

/* ---- waiting --------------------------------------------------------------------- */

struct replica__sync_wait replica__sync_wait_for(replica_sync *sync, int timeout_ms)
{
    const struct replica__world *world = &replica__real_world;

    return (struct replica__sync_wait){ sync,
                          timeout_ms < 0 ? -1 : world->monotonic_ms(world->ctx) + timeout_ms };
}

int replica__sync_wait_some(struct replica__sync_wait *w, replica_error *err)
{
    const struct replica__world *world = &replica__real_world;
    int64_t left = 1000;
    int r;

    if (w->until >= 0) {
        left = w->until - world->monotonic_ms(world->ctx);
        if (left <= 0)
            return 0;
    }
    r = replica_db_wait(w->sync->db, left < 1000 ? (int)left : 1000, err);
    if (r >= 0 && w->sync->db && replica__db_close_wanted(w->sync->db)) /* by a callback */
        return replica__error_set(err, REPLICA_ECLOSED, 0, "the database is closing");
    return r < 0 ? r : 1;
}

int replica__sync_halted(const replica_sync_status *status, replica_error *err)
{
    if (status->state == REPLICA_SYNC_STOPPED)
        return replica__error_set(err, REPLICA_ECLOSED, 0, "the replication has ended");
    if (status->state != REPLICA_SYNC_PAUSED || status->error.code == 0)
        return 0;
    if (err)
        *err = status->error;
    return status->error.code;
}

int replica_sync_wait_in_sync(replica_sync *sync, int timeout_ms, replica_error *err)
{
    struct replica__sync_wait w;
    int r = 1;

    if (!sync)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no replication");
    w = replica__sync_wait_for(sync, timeout_ms);
    replica__sync_ref(sync); /* a callback may cancel it */
    while (r > 0) {
        replica_sync_status status;

        replica__sync_read_status(sync, &status);
        if (status.in_sync)
            break;
        r = replica__sync_halted(&status, err);
        if (r < 0)
            break;
        r = replica__sync_wait_some(&w, err);
    }
    replica__sync_unref(sync);
    return r;
}

int replica_sync_doc_state(replica_sync *sync, replica_collection *coll, const char *id,
                           int *ret_state, replica_error *err)
{
    if (!sync || !coll || !id || !ret_state)
        return replica__error_set(err, REPLICA_EINVAL, 0,
                                  "no replication, collection, id or place");
    if (!sync->db)
        return replica__error_set(err, REPLICA_ECLOSED, 0, "the replication has ended");
    return replica__doc_state(coll, id, sync->identifier, ret_state, err);
}

static int64_t stored_sequence(replica_collection *coll, const char *id)
{
    replica_doc *doc = NULL;
    int64_t sequence = 0;

    if (replica_get(coll, id, &doc, NULL) > 0)
        sequence = replica_doc_sequence(doc);
    replica_doc_unref(doc);
    return sequence;
}

/* 1: it is there, or another state took its place; 0: not yet. */
static int look_pushed(replica_sync *sync, replica_collection *coll, const char *id,
                       int64_t sequence, replica_error *err)
{
    int state;
    int r = replica_sync_doc_state(sync, coll, id, &state, err);

    if (r < 0)
        return r;
    if (state == REPLICA_DOC_REJECTED)
        return replica__error_set(err, REPLICA_EHTTP, 0, "'%s' was set aside", id);
    return state == REPLICA_DOC_IN_SYNC || stored_sequence(coll, id) != sequence;
}

int replica_sync_wait_pushed(replica_sync *sync, replica_collection *coll, const char *id,
                             int timeout_ms, replica_error *err)
{
    int64_t sequence;
    struct replica__sync_wait w;
    int r;

    if (!sync || !coll || !id)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no replication, collection or id");
    if (!sync->db)
        return replica__error_set(err, REPLICA_ECLOSED, 0, "the replication has ended");
    sequence = stored_sequence(coll, id);
    w = replica__sync_wait_for(sync, timeout_ms);
    replica__sync_ref(sync);
    do {
        replica_sync_status status;

        r = look_pushed(sync, coll, id, sequence, err);
        if (r != 0)
            break;
        replica__sync_read_status(sync, &status);
        r = replica__sync_halted(&status, err);
        if (r < 0)
            break;
        r = replica__sync_wait_some(&w, err);
    } while (r > 0);
    replica__sync_unref(sync);
    return r;
}

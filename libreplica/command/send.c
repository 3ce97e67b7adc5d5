/* The emitter's side of commands: sending one, and waiting for its result. */
#include "base/options.h"
#include "libreplica/command/event.h"
#include "libreplica/command/state.h"
#include "libreplica/document.h"

#include <stdio.h>
#include <string.h>

/* Whether a command that is waited for has expired is looked at so often. */
#define LOOK_MS 1000

/* ---- sending --------------------------------------------------------------------- */

/* The address, a slash, and what no other command has. */
static int make_id(const char *address, char ret_id[REPLICA_COMMAND_ID_SIZE], replica_error *err)
{
    char token[REPLICA__TOKEN_SIZE];
    int r = replica__token_draw(token);

    if (r < 0)
        return replica__error_set(err, r, 0, "the system has no random numbers");
    snprintf(ret_id, REPLICA_COMMAND_ID_SIZE, "%s/%s", address, token);
    return 0;
}

static int insert(replica_collection *coll, const char *id, const char *address,
                  struct replica__slice payload, int64_t expires_ms, replica_error *err)
{
    const struct replica__world *world = coll->db->world;
    REPLICA_BUF quoted_id = REPLICA_BUF_INIT;
    REPLICA_BUF quoted_address = REPLICA_BUF_INIT;
    REPLICA_BUF text = { .max = coll->db->limits.max_bytes };
    struct replica__command_state s = { .payload = payload, .sent = world->now_ms(world->ctx) };

    replica__buf_json_string(&quoted_id, id, strlen(id));
    replica__buf_json_string(&quoted_address, address, strlen(address));
    if (quoted_id.r < 0 || quoted_address.r < 0)
        return replica__enomem(err);
    s.id = (struct replica__slice){ quoted_id.data, quoted_id.len };
    s.address = (struct replica__slice){ quoted_address.data, quoted_address.len };
    s.expires = expires_ms ? s.sent + expires_ms : 0;
    replica__command_text(&s, &text);
    if (text.r < 0)
        return replica__error_set(err, text.r, 0, "a command of more than %zu bytes",
                                  coll->db->limits.max_bytes);
    return replica_put(coll, text.data, text.len, NULL, NULL, NULL, err);
}

int replica_command_send(replica_collection *coll, const char *address, const char *payload,
                         size_t len, const replica_command_options *opts,
                         char ret_id[REPLICA_COMMAND_ID_SIZE], replica_error *err)
{
    char id[REPLICA_COMMAND_ID_SIZE];
    replica_command_options o;
    int r;

    if (!coll)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no collection");
    r = replica__options(opts, opts ? opts->size : 0, &o, sizeof o, err);
    if (r >= 0 && o.expires_ms < 0)
        r = replica__error_set(err, REPLICA_EINVAL, 0, "a time below zero");
    if (r >= 0)
        r = replica__command_check(coll, err);
    if (r >= 0)
        r = replica__address_check(address, err);
    if (r >= 0)
        r = replica__payload_check(coll->db, &payload, &len, coll->db->limits.max_bytes, err);
    if (r >= 0)
        r = make_id(address, id, err);
    if (r >= 0)
        r = insert(coll, id, address, (struct replica__slice){ payload, len }, o.expires_ms, err);
    if (r < 0)
        return r;
    if (ret_id)
        memcpy(ret_id, id, sizeof id);
    return 0;
}

/* ---- waiting --------------------------------------------------------------------- */

/* The result was seen by whom it was for: nobody needs the command any more.  That it cannot be
 * deleted harms nobody. */
static void take_away(replica_collection *coll, const struct replica__command_state *s)
{
    replica_delete(coll, replica_doc_id(s->doc), replica_doc_rev(s->doc), NULL, NULL);
}

static int tell_failure(const struct replica__command_state *s, replica_error *err)
{
    REPLICA_BUF reason = REPLICA_BUF_INIT;
    int r;

    if (s->reason_spelled.data)
        replica__json_unescape((struct replica__slice){ s->reason_spelled.data + 1,
                                                        s->reason_spelled.len - 2 },
                               &reason);
    r = replica__error_set(err, s->expired ? REPLICA_ETIMEOUT : REPLICA_EUSER, 0, "%s",
                           reason.data ? reason.data : "");
    replica__error_where(err, "%s", replica_doc_id(s->doc));
    return r;
}

/* 1 and the result; 0: not yet. */
static int look(replica_collection *coll, const char *id, replica_doc **ret_result,
                replica_error *err)
{
    REPLICA_COMMAND_STATE s = { .doc = NULL };
    int r = replica__command_find(coll, id, &s, err);

    if (r < 0)
        return r;
    if (r == 0) {
        r = replica__error_set(err, REPLICA_ECANCELLED, 0,
                               "there is no such command: it was deleted, or its result was taken");
        replica__error_where(err, "%s", id);
        return r;
    }
    if (s.step == REPLICA__COMMAND_WAITING && replica__command_is_expired(coll, &s)) {
        r = replica__command_give_up(coll, &s, "expired", true, err);
        if (r < 0)
            return r;
    }
    if (s.step == REPLICA__COMMAND_WAITING || s.step == REPLICA__COMMAND_CLAIMED)
        return 0;
    /* What is only written here the server may yet refuse. */
    r = replica__command_is_in_step(coll, &s, err);
    if (r <= 0)
        return r;
    if (s.step == REPLICA__COMMAND_FAILED) {
        r = tell_failure(&s, err);
    } else if (ret_result) {
        *ret_result = replica_doc_ref(s.doc);
    }
    take_away(coll, &s);
    return r;
}

static int64_t monotonic(const replica_db *db)
{
    return db->world->monotonic_ms(db->world->ctx);
}

static int wait_until(replica_collection *coll, const char *id, int64_t until,
                      replica_doc **ret_result, replica_error *err)
{
    replica_db *db = coll->db;
    int r;

    while ((r = look(coll, id, ret_result, err)) == 0) {
        int64_t left = until < 0 ? -1 : until - monotonic(db);

        if (until >= 0 && left <= 0)
            return 0;
        if (db->pump.close_wanted)
            return replica__error_set(err, REPLICA_ECLOSED, 0, "the database is closing");
        r = replica_db_wait(db, left < 0 || left > LOOK_MS ? LOOK_MS : (int)left, err);
        if (r < 0)
            return r;
    }
    return r;
}

int replica_command_wait(replica_collection *coll, const char *id, int timeout_ms,
                         replica_doc **ret_result, replica_error *err)
{
    replica_db *db;
    int64_t until;
    int r;

    if (!coll || !id)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no collection, or no id");
    db = coll->db;
    until = timeout_ms < 0 ? -1 : monotonic(db) + timeout_ms;
    db->pump.observers++; /* the commits of other processes matter */
    db->pump.dispatching++; /* a callback that closes it closes it behind us */
    replica__pump_watch(db);
    r = wait_until(coll, id, until, ret_result, err);
    db->pump.dispatching--;
    db->pump.observers--;
    if (db->pump.close_wanted && !db->pump.dispatching)
        replica_db_close(db);
    return r;
}

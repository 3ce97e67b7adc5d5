/* A command in the program's hands: what it is, and how it is answered.
 *
 * The acknowledgement is the last member of the bundle that the program filled, with the claim as
 * its base, and the bundle is firm: here and at the server all of it is written while the claim is
 * the newest state of the command, or nothing. */
#include "libreplica/command/event.h"
#include "libreplica/command/handle.h"

const char *replica_command_id(const replica_command *c)
{
    return replica_doc_id(c->state.doc);
}

const char *replica_command_address(const replica_command *c)
{
    return c->address.data ? c->address.data : "";
}

const char *replica_command_payload(const replica_command *c, size_t *ret_len)
{
    if (ret_len)
        *ret_len = c->payload.len;
    return c->payload.data;
}

int replica_command_attempt(const replica_command *c)
{
    return (int)c->state.attempt;
}

int64_t replica_command_fence(const replica_command *c)
{
    return c->state.attempt;
}

/* ---- the bundle ------------------------------------------------------------------ */

replica_bundle *replica_command_bundle(replica_command *c)
{
    if (!c->bundle && c->db)
        replica_bundle_begin(c->db, &c->bundle, NULL);
    return c->bundle;
}

/* Is it still the program's to answer?  0; else it is gone. */
static int still_ours(replica_command *c, replica_error *err)
{
    int r;

    if (!c->db) {
        replica__command_end(c);
        return replica__error_set(err, REPLICA_ECLOSED, 0, "the command's database is closed");
    }
    r = replica__command_look(c, err);
    if (r == 0) {
        replica__error_set(err, REPLICA_ECANCELLED, 0, "the lease went to another handler");
        replica__error_where(err, "%s/%s", c->coll->name, replica_command_id(c));
        replica__command_end(c);
        return REPLICA_ECANCELLED;
    }
    return r < 0 ? r : 0;
}

/* ---- answers --------------------------------------------------------------------- */

static int commit(replica_command *c, const struct replica__command_state *next,
                  replica_error *err)
{
    REPLICA_BUF text = { .max = c->db->limits.max_bytes };
    replica_bundle *bundle;
    int r = 0;

    if (!c->bundle)
        r = replica_bundle_begin(c->db, &c->bundle, err);
    replica__command_text(next, &text);
    if (r >= 0 && text.r < 0)
        r = replica__error_set(err, text.r, 0, "a command with its result of more than %zu bytes",
                               c->db->limits.max_bytes);
    if (r >= 0)
        r = replica_bundle_put(c->bundle, c->coll, text.data, text.len,
                               replica_doc_rev(c->state.doc), err);
    if (r >= 0)
        r = replica_bundle_set_firm(c->bundle, err);
    bundle = c->bundle;
    c->bundle = NULL;
    if (r < 0)
        replica_bundle_cancel(bundle);
    else
        r = replica_bundle_commit(bundle, NULL, err);
    return r < 0 ? r : 0;
}

int replica_command_done(replica_command *c, const char *result, size_t len, replica_error *err)
{
    struct replica__command_state next;
    int r;

    if (!c)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no command");
    if (c->db) {
        r = replica__payload_check(c->db, &result, &len, c->db->limits.max_bytes, err);
        if (r < 0)
            return r;
    }
    r = still_ours(c, err);
    if (r < 0)
        return r;
    next = c->state;
    next.step = REPLICA__COMMAND_DONE;
    next.result = (struct replica__slice){ result, len };
    r = commit(c, &next, err);
    if (r >= 0)
        replica__command_end(c);
    return r;
}

/* 1; 0: it was written meanwhile, perhaps by a beat of its own. */
static int put_failure(replica_command *c, const char *reason, int again, replica_error *err)
{
    struct replica__command_state next;
    int r = still_ours(c, err);

    if (r < 0)
        return r;
    next = c->state;
    next.step = again && !next.once ? REPLICA__COMMAND_WAITING : REPLICA__COMMAND_FAILED;
    next.reason = reason ? reason : "";
    return replica__command_put(c->coll, &c->state, &next, REPLICA__OVER_ANY, err);
}

int replica_command_fail(replica_command *c, const char *reason, int again, replica_error *err)
{
    int r = 0;

    if (!c)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no command");
    for (int round = 0; r == 0 && round < 3; round++)
        r = put_failure(c, reason, again, err);
    if (r == 0)
        return replica__error_set(err, REPLICA_EBUSY, 0, "the command is written all the time");
    if (r > 0)
        replica__command_end(c);
    return r < 0 ? r : 0;
}

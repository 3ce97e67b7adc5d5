#include "libreplica/command/state.h"

#include "libreplica/document.h"
#include "libreplica/purge.h"
#include "libreplica/row.h"
#include "libreplica/txn.h"
#include "libreplica/write.h"

#include <string.h>

static const char *const steps[] = {
    [REPLICA__COMMAND_WAITING] = "waiting",
    [REPLICA__COMMAND_CLAIMED] = "claimed",
    [REPLICA__COMMAND_DONE] = "done",
    [REPLICA__COMMAND_FAILED] = "failed",
};

/* ---- reading --------------------------------------------------------------------- */

static bool read_step(struct replica__json_value v, enum replica__command_step *ret)
{
    struct replica__slice spelled = { v.text.data + 1, v.text.len - 2 };

    if (v.type != REPLICA_JSON_STRING)
        return false;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (replica__json_string_is(spelled, steps[i], REPLICA_NUL)) {
            *ret = (enum replica__command_step)i;
            return true;
        }
    }
    return false;
}

/* A count or a time: outside of its bounds it counts as none. */
static int64_t read_int(struct replica__json_value v, int64_t most)
{
    int64_t n = 0;

    return replica__json_int(v, &n) && n >= 0 && n <= most ? n : 0;
}

static void read_name(struct replica__json_value v, char *ret, size_t room)
{
    if (v.type == REPLICA_JSON_STRING && v.text.len - 2 < room)
        sqlite3_snprintf((int)room, ret, "%.*s", (int)v.text.len - 2, v.text.data + 1);
}

struct member {
    const char *name;
    size_t place; /* of a struct replica__json_value */
};
struct members {
    struct replica__json_value id, address, payload, sent, expires, state, attempt, by, lease, beat,
        once, result, reason, expired;
};
#define MEMBER(name) { #name, offsetof(struct members, name) }
static const struct member members[] = {
    MEMBER(id),    MEMBER(address), MEMBER(payload), MEMBER(sent), MEMBER(expires),
    MEMBER(state), MEMBER(attempt), MEMBER(by),      MEMBER(lease), MEMBER(beat),
    MEMBER(once),  MEMBER(result),  MEMBER(reason),  MEMBER(expired),
};

static struct members read_members(replica_doc *doc)
{
    struct members found = { .id = { REPLICA_JSON_NONE, { NULL, 0 } } };
    size_t len;
    const char *json = replica_doc_json(doc, &len);
    struct replica__json_iter it = replica__json_iter(replica__json_value(json, len));

    while (replica__json_next(&it)) {
        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
            if (replica__json_string_is(it.name, members[i].name, REPLICA_NUL))
                *(struct replica__json_value *)(void *)((char *)&found + members[i].place) =
                    it.value;
        }
    }
    return found;
}

int replica__command_read(replica_doc *doc, struct replica__command_state *ret)
{
    struct replica__command_state s = { .doc = doc };
    struct members m;

    if (replica_doc_deleted(doc))
        return 0;
    m = read_members(doc);
    if (m.id.type != REPLICA_JSON_STRING || m.address.type != REPLICA_JSON_STRING ||
        !read_step(m.state, &s.step))
        return 0;
    s.id = m.id.text;
    s.address = m.address.text;
    s.payload = m.payload.text;
    s.result = m.result.text;
    s.reason_spelled = m.reason.type == REPLICA_JSON_STRING ? m.reason.text : s.reason_spelled;
    s.sent = read_int(m.sent, INT64_MAX);
    s.expires = read_int(m.expires, INT64_MAX);
    s.attempt = read_int(m.attempt, INT32_MAX);
    s.lease = read_int(m.lease, REPLICA__LEASE_MOST);
    if (s.lease < REPLICA__LEASE_LEAST)
        s.lease = REPLICA__LEASE_MS;
    s.beat = read_int(m.beat, INT64_MAX - 1);
    s.once = m.once.type == REPLICA_JSON_TRUE;
    s.expired = m.expired.type == REPLICA_JSON_TRUE;
    read_name(m.by, s.by, sizeof(s.by));
    replica_doc_ref(doc);
    *ret = s;
    return 1;
}

void replica__command_clear(struct replica__command_state *state)
{
    state->doc = replica_doc_unref(state->doc);
}

int replica__command_find(replica_collection *coll, const char *id,
                          struct replica__command_state *ret, replica_error *err)
{
    REPLICA_DOC doc = NULL;
    int r = replica_get(coll, id, &doc, err);

    return r <= 0 ? r : replica__command_read(doc, ret);
}

/* ---- writing --------------------------------------------------------------------- */

static void add_value(struct replica__buf *out, const char *name, struct replica__slice value)
{
    replica__buf_printf(out, ",\"%s\":", name);
    if (value.data)
        replica__buf_add(out, value.data, value.len);
    else
        replica__buf_str(out, "null");
}

static void add_int(struct replica__buf *out, const char *name, int64_t n)
{
    replica__buf_printf(out, ",\"%s\":%lld", name, (long long)n);
}

static void add_claim(const struct replica__command_state *s, struct replica__buf *out)
{
    replica__buf_str(out, ",\"by\":");
    replica__buf_json_string(out, s->by, strlen(s->by));
    add_int(out, "lease", s->lease);
    add_int(out, "beat", s->beat);
    if (s->once)
        replica__buf_str(out, ",\"once\":true");
}

static void add_reason(const struct replica__command_state *s, struct replica__buf *out)
{
    if (s->reason) {
        replica__buf_str(out, ",\"reason\":");
        replica__buf_json_string(out, s->reason, strlen(s->reason));
    } else {
        add_value(out, "reason", s->reason_spelled);
    }
    if (s->expired)
        replica__buf_str(out, ",\"expired\":true");
}

void replica__command_text(const struct replica__command_state *s, struct replica__buf *out)
{
    replica__buf_str(out, "{\"id\":");
    replica__buf_add(out, s->id.data, s->id.len);
    add_value(out, "address", s->address);
    add_value(out, "payload", s->payload);
    add_int(out, "sent", s->sent);
    if (s->expires)
        add_int(out, "expires", s->expires);
    replica__buf_printf(out, ",\"state\":\"%s\"", steps[s->step]);
    add_int(out, "attempt", s->attempt);
    if (s->step == REPLICA__COMMAND_CLAIMED)
        add_claim(s, out);
    else if (s->step == REPLICA__COMMAND_DONE)
        add_value(out, "result", s->result);
    else if (s->step == REPLICA__COMMAND_FAILED)
        add_reason(s, out);
    replica__buf_char(out, '}');
}

int replica__command_is_in_step(replica_collection *coll, const struct replica__command_state *s,
                                replica_error *err)
{
    const char *id = replica_doc_id(s->doc);
    REPLICA_READ read = NULL;
    REPLICA_STMT stmt = NULL;
    struct replica__row row;
    int r = replica__read_begin(coll->db, &read, err);

    if (r >= 0)
        r = replica__row_find(coll, id, strlen(id), &stmt, &row, err);
    if (r <= 0 || row.seq != replica_doc_sequence(s->doc))
        return r < 0 ? r : 0;
    return replica__doc_passed(coll->db, &row, 0, err);
}

static int write_row(replica_collection *coll, const struct replica__row *row,
                     const struct replica__command_state *next, replica_doc **ret_doc,
                     replica_error *err)
{
    REPLICA_BUF text = { .max = coll->db->limits.max_bytes };
    struct replica__written written;
    struct replica__write w = { .coll = coll, .id = row->id, .id_len = row->id_len };
    int r;

    replica__command_text(next, &text);
    if (text.r < 0)
        return replica__error_set(err, text.r, 0, "a command of more than %zu bytes",
                                  coll->db->limits.max_bytes);
    r = replica__json_check(text.data, text.len, &coll->db->limits, err);
    if (r < 0)
        return r;
    w.json = text.data;
    w.len = text.len;
    r = replica__write(coll->db, &w, row, &written, err);
    return r < 0 ? r : replica__written_doc(coll->db, &w, &written, ret_doc, err);
}

int replica__command_put(replica_collection *coll, struct replica__command_state *was,
                         struct replica__command_state *next, enum replica__command_over over,
                         replica_error *err)
{
    const char *id = replica_doc_id(was->doc);
    REPLICA_TXN txn = NULL;
    REPLICA_STMT stmt = NULL;
    REPLICA_DOC doc = NULL;
    struct replica__row row;
    int r = replica__txn_begin(coll->db, &txn, err);

    if (r >= 0)
        r = replica__row_find(coll, id, strlen(id), &stmt, &row, err);
    if (r <= 0 || row.seq != replica_doc_sequence(was->doc))
        return r < 0 ? r : 0;
    if (over != REPLICA__OVER_ANY && was->step == REPLICA__COMMAND_CLAIMED) {
        r = replica__doc_passed(coll->db, &row, 0, err);
        if (r > 0 && over == REPLICA__OVER_UNCONFIRMED)
            return 0;
        if (r == 0)
            next->attempt = was->attempt;
    }
    if (r >= 0)
        r = write_row(coll, &row, next, &doc, err);
    if (r >= 0) {
        replica__sql_reset(&stmt);
        r = replica__txn_commit(&txn, err);
    }
    if (r < 0) {
        replica__error_where(err, "%s/%s", coll->name, id);
        return r;
    }
    replica__command_clear(was);
    return replica__command_read(doc, was);
}

int replica__command_give_up(replica_collection *coll, struct replica__command_state *was,
                             const char *reason, bool expired, replica_error *err)
{
    struct replica__command_state next = *was; /* its texts are was's, which holds them */

    next.step = REPLICA__COMMAND_FAILED;
    next.reason = reason;
    next.expired = expired;
    return replica__command_put(coll, was, &next, REPLICA__OVER_ANY, err);
}

/* ---- the gate -------------------------------------------------------------------- */

bool replica__command_is_expired(const replica_collection *coll,
                                 const struct replica__command_state *s)
{
    const struct replica__world *world = coll->db->world;

    return s->expires && world->now_ms(world->ctx) >= s->expires;
}

int replica__command_check(const replica_collection *coll, replica_error *err)
{
    /* Merged, two claims would be one. */
    if (strcmp(coll->key, "id") != 0 || coll->schema || coll->handler.resolve || coll->rules)
        return replica__error_set(err, REPLICA_EINVAL, 0,
                                  "a collection of commands has the key \"id\", no schema, and"
                                  " neither rules nor a handler for conflicts");
    return 0;
}

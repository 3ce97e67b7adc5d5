/* What a replication notes down for people and for other processes: when it was last in sync, and
 * what it fails by. */
#include "base/buf.h"
#include "base/json.h"
#include "libreplica/replication/replication.h"
#include "libreplica/store.h"
#include "libreplica/txn.h"

#include <stdio.h>
#include <string.h>

/* ---- the error as JSON ------------------------------------------------------------ */

static void add_text(struct replica__buf *out, const char *name, const char *text)
{
    replica__buf_printf(out, ",\"%s\":", name);
    replica__buf_json_string(out, text, strlen(text));
}

static int show_error(const struct replica__note *note, struct replica__buf *out,
                      replica_error *err)
{
    replica__buf_printf(out, "{\"code\":\"%s\",\"detail\":%d,\"time\":%lld",
                        replica_error_name(note->error.code), note->error.detail,
                        (long long)note->error_ms);
    add_text(out, "message", note->error.message);
    add_text(out, "where", note->error.where);
    replica__buf_char(out, '}');
    return out->r < 0 ? replica__enomem(err) : 0;
}

static int code_of(struct replica__json_value name)
{
    for (int code = -1; strcmp(replica_error_name(code), "REPLICA_EUNKNOWN") != 0; code--) {
        const char *known = replica_error_name(code);
        size_t len = strlen(known);

        if (name.text.len == len + 2 && memcmp(name.text.data + 1, known, len) == 0)
            return code;
    }
    return REPLICA_EINVAL; /* of a later time */
}

static int read_text(struct replica__json_value v, char *to, size_t room, replica_error *err)
{
    const struct replica__slice spelled = { v.text.data + 1, v.text.len - 2 };
    REPLICA_BUF text = REPLICA_BUF_INIT;

    if (v.type != REPLICA_JSON_STRING)
        return 0;
    replica__json_unescape(spelled, &text);
    if (text.r < 0)
        return replica__enomem(err);
    if (text.data)
        snprintf(to, room, "%s", text.data);
    return 0;
}

int replica__note_read_error(const char *json, replica_error *ret, int64_t *ret_ms,
                             replica_error *err)
{
    struct replica__json_value v = replica__json_value(json, strlen(json));
    replica_error error = { .offset = -1 };
    int64_t number = 0;
    int r;

    error.code = code_of(replica__json_member(v, "code", REPLICA_NUL));
    if (replica__json_int(replica__json_member(v, "detail", REPLICA_NUL), &number))
        error.detail = (int)number;
    r = read_text(replica__json_member(v, "message", REPLICA_NUL), error.message,
                  sizeof error.message, err);
    if (r >= 0)
        r = read_text(replica__json_member(v, "where", REPLICA_NUL), error.where,
                      sizeof error.where, err);
    if (r < 0)
        return r;
    *ret_ms = 0;
    replica__json_int(replica__json_member(v, "time", REPLICA_NUL), ret_ms);
    *ret = error;
    return 0;
}

/* ---- the row --------------------------------------------------------------------- */

int replica__note_get(struct replica__replication *repl, struct replica__note *ret,
                      replica_error *err)
{
    struct replica__note note = { .error = { .offset = -1 } };
    REPLICA_STMT stmt = NULL;
    const char *json;
    int r = replica__sql_row(repl->db, REPLICA__SQL_NOTE_GET, &stmt, err, repl->number);

    if (r < 0)
        return r;
    note.synced_ms = sqlite3_column_int64(stmt, 0);
    note.synced_head = sqlite3_column_int64(stmt, 1);
    json = (const char *)sqlite3_column_text(stmt, 2);
    r = json ? replica__note_read_error(json, &note.error, &note.error_ms, err) : 0;
    if (r >= 0)
        *ret = note;
    return r;
}

int replica__note_put(struct replica__replication *repl, const struct replica__note *note,
                      replica_error *err)
{
    REPLICA_BUF json = REPLICA_BUF_INIT;
    REPLICA_TXN txn = NULL;
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = note->error.code ? show_error(note, &json, err) : 0;

    if (r >= 0)
        r = replica__lease_begin(repl, &txn, err);
    if (r >= 0)
        r = replica__sql_get(repl->db, REPLICA__SQL_NOTE_PUT, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, repl->number, &rc);
    replica__bind_int_or_null(stmt, 2, note->synced_ms, &rc);
    replica__bind_int_or_null(stmt, 3, note->synced_ms ? note->synced_head : 0, &rc);
    replica__bind_text(stmt, 4, json.data, json.data ? json.len : 0, &rc);
    r = replica__sql_step(repl->db, stmt, rc, err);
    replica__sql_reset(&stmt);
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

/* ---- conflicts that nobody here can settle ------------------------------------------ */

/* Is it written down already?  1, 0. */
static int is_left(struct replica__replication *repl, const int64_t left[2], replica_error *err)
{
    return replica__sql_run(repl->db, REPLICA__SQL_NOTE_IS_LEFT, err, left[0], repl->number,
                            left[1]);
}

int replica__unsettled_leave(struct replica__replication *repl, const int64_t (*left)[2], size_t n,
                             replica_error *err)
{
    REPLICA_TXN txn = NULL;
    int r = 1;

    for (size_t i = 0; r > 0 && i < n; i++)
        r = is_left(repl, left[i], err);
    if (r != 0)
        return r < 0 ? r : 0;
    r = replica__lease_begin(repl, &txn, err);
    for (size_t i = 0; r >= 0 && i < n; i++)
        r = replica__sql_run(repl->db, REPLICA__SQL_NOTE_LEAVE, err, left[i][0], repl->number,
                             left[i][1]);
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

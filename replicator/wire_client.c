/* What a client sends, in both dialects: paths and the bodies of pushes.
 *
 * Documents are copied as they are; a page is written into room that was reserved once. */
#include "replicator/wire.h"

#include <string.h>

/* Our dialect's flags of a row. */
enum { ROW_DELETED = 1, ROW_ASSUMED_DELETED = 2, ROW_ASSUMED_TEXT = 4, ROW_FIRM = 8 };

/* ---- paths ----------------------------------------------------------------------- */

static void add_percent(struct replica__buf *out, const char *s, size_t len)
{
    static const char hex[] = "0123456789ABCDEF";

    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || c == '-' || c == '_' || c == '.' || c == '~') {
            replica__buf_char(out, (char)c);
        } else {
            replica__buf_char(out, '%');
            replica__buf_char(out, hex[c >> 4]);
            replica__buf_char(out, hex[c & 15]);
        }
    }
}

static void add_endpoint(struct replica__buf *out, const replica_remote_collection *c)
{
    add_percent(out, c->name, strlen(c->name));
    replica__buf_char(out, '/');
    replica__buf_int(out, c->version);
}

static void add_parameter(struct replica__buf *out, struct replica__slice name,
                          struct replica__json_value value)
{
    REPLICA_BUF plain = REPLICA_BUF_INIT;

    if (value.type == REPLICA_JSON_OBJECT || value.type == REPLICA_JSON_ARRAY
        || value.type == REPLICA_JSON_NULL || value.type == REPLICA_JSON_NONE)
        return;
    replica__json_unescape(name, &plain);
    replica__buf_char(out, '&');
    add_percent(out, plain.data, plain.len);
    replica__buf_char(out, '=');
    if (value.type == REPLICA_JSON_STRING) {
        replica__buf_clear(&plain);
        replica__json_unescape((struct replica__slice){ value.text.data + 1, value.text.len - 2 },
                               &plain);
        add_percent(out, plain.data, plain.len);
    } else {
        add_percent(out, value.text.data, value.text.len); /* a number as it was spelled */
    }
    if (plain.r < 0 && out->r == 0)
        out->r = plain.r;
}

/* Every scalar member becomes a parameter: `lwt` and `id` first, as the stock client has them, then
 * whatever else this server puts there. */
static void add_checkpoint(struct replica__buf *out, const char *checkpoint)
{
    static const char beginning[] = "{\"lwt\":0,\"id\":\"\"}";
    static const char *const first[] = { "lwt", "id" };
    struct replica__json_value v;
    struct replica__json_iter it;

    if (!checkpoint || replica__json_check(checkpoint, strlen(checkpoint), NULL, NULL) < 0)
        checkpoint = beginning;
    v = replica__json_value(checkpoint, strlen(checkpoint));
    if (v.type != REPLICA_JSON_OBJECT)
        v = replica__json_value(beginning, strlen(beginning));
    for (size_t i = 0; i < 2; i++) {
        struct replica__slice name = { first[i], strlen(first[i]) };

        add_parameter(out, name, replica__json_member(v, name.data, name.len));
    }
    it = replica__json_iter(v);
    while (replica__json_next(&it)) {
        if (!replica__json_string_is(it.name, "lwt", 3)
            && !replica__json_string_is(it.name, "id", 2)
            && !replica__json_string_is(it.name, "limit", 5))
            add_parameter(out, it.name, it.value);
    }
}

static void rxdb_pull_path(const replica_pull_request *request, bool stream,
                           struct replica__buf *out)
{
    size_t query;

    replica__buf_char(out, '/');
    add_endpoint(out, &request->collections[0]);
    if (stream) {
        replica__buf_str(out, "/pullStream");
        return;
    }
    replica__buf_str(out, "/pull");
    query = out->len;
    add_checkpoint(out, request->checkpoint);
    replica__buf_str(out, "&limit=");
    replica__buf_int(out, request->rows);
    if (out->r == 0)
        out->data[query] = '?';
}

/* Who opens a stream, and which events it is to bring. */
static void add_listener(struct replica__buf *out, const replica_pull_request *request)
{
    if (request->client) {
        replica__buf_str(out, "&client=");
        add_percent(out, request->client, strlen(request->client));
    }
    for (size_t i = 0; request->listen && request->listen[i]; i++) {
        replica__buf_str(out, "&listen=");
        add_percent(out, request->listen[i], strlen(request->listen[i]));
    }
}

void replica__wire_pull_path(enum replica__dialect dialect, const replica_pull_request *request,
                             bool stream, struct replica__buf *out)
{
    size_t query;

    if (dialect == REPLICA__DIALECT_RXDB) {
        rxdb_pull_path(request, stream, out);
        return;
    }
    replica__buf_str(out, stream ? "/_replica/1/stream" : "/_replica/1/pull");
    query = out->len;
    for (size_t i = 0; i < request->count; i++) {
        replica__buf_str(out, "&c=");
        add_endpoint(out, &request->collections[i]);
    }
    add_checkpoint(out, request->checkpoint);
    if (request->keys) {
        replica__buf_str(out, "&keys=");
        add_percent(out, request->keys, strlen(request->keys));
    }
    if (request->filter) {
        replica__buf_str(out, "&filter=");
        add_percent(out, request->filter, strlen(request->filter));
    }
    if (request->fresh) {
        replica__buf_str(out, "&fresh=");
        replica__buf_int(out, request->fresh < 0 ? 0 : request->fresh);
    }
    if (!stream) {
        replica__buf_str(out, "&rows=");
        replica__buf_int(out, request->rows);
        replica__buf_str(out, "&bytes=");
        replica__buf_int(out, request->bytes);
    } else {
        add_listener(out, request);
    }
    if (out->r == 0)
        out->data[query] = '?';
}

void replica__wire_documents_body(const replica_pull_request *request, struct replica__buf *out)
{
    const replica_remote_collection *c = &request->collections[0];

    replica__buf_printf(out, "{\"collection\":\"%s/%d\",\"ids\":[", c->name, c->version);
    for (size_t i = 0; i < request->id_count; i++) {
        if (i > 0)
            replica__buf_char(out, ',');
        replica__buf_json_string(out, request->ids[i], strlen(request->ids[i]));
    }
    replica__buf_char(out, ']');
    if (request->keys) {
        replica__buf_str(out, ",\"keys\":");
        replica__buf_json_string(out, request->keys, strlen(request->keys));
    }
    if (request->filter) {
        replica__buf_str(out, ",\"filter\":");
        replica__buf_str(out, request->filter);
    }
    replica__buf_char(out, '}');
}

void replica__wire_push_path(enum replica__dialect dialect, const replica_push_request *request,
                             struct replica__buf *out)
{
    if (dialect == REPLICA__DIALECT_REPLICA) {
        replica__buf_str(out, "/_replica/1/push");
        return;
    }
    replica__buf_char(out, '/');
    add_endpoint(out, &request->collections[0]);
    replica__buf_str(out, "/push");
}

/* ---- the body of a push ---------------------------------------------------------- */

/* Room for all rows at once, so that none of them moves the page. */
static void reserve(const replica_push_request *request, struct replica__buf *out)
{
    enum { AROUND_A_ROW = 160 };
    size_t bytes = 1024;

    for (size_t i = 0; i < request->row_count; i++)
        bytes += request->rows[i].len + request->rows[i].assumed_len + AROUND_A_ROW;
    replica__buf_reserve(out, bytes);
}

#define ADD(out, literal) replica__buf_add(out, literal, sizeof(literal) - 1)

/* The document with `"_deleted"` as its last member. */
static void add_state(struct replica__buf *out, const char *json, size_t len, bool deleted)
{
    size_t body = len; /* up to the closing bracket */
    size_t last;

    while (body > 0 && json[body - 1] != '}')
        body--;
    body -= body > 0;
    for (last = body; last > 0 && memchr(" \t\r\n", json[last - 1], 4); last--)
        ;
    replica__buf_add(out, json, body);
    if (last > 0 && json[last - 1] != '{')
        ADD(out, ",");
    if (deleted)
        ADD(out, "\"_deleted\":true}");
    else
        ADD(out, "\"_deleted\":false}");
}

static void rxdb_push_body(const replica_push_request *request, struct replica__buf *out)
{
    ADD(out, "[");
    for (size_t i = 0; i < request->row_count; i++) {
        const replica_remote_row *row = &request->rows[i];

        if (i > 0)
            ADD(out, ",");
        ADD(out, "{");
        if (row->assumed) {
            ADD(out, "\"assumedMasterState\":");
            add_state(out, row->assumed, row->assumed_len, row->assumed_deleted);
            ADD(out, ",");
        }
        ADD(out, "\"newDocumentState\":");
        add_state(out, row->json, row->len, row->deleted);
        ADD(out, "}");
    }
    ADD(out, "]");
}

/* The number says it shorter than the text. */
static bool by_number(const replica_remote_row *row)
{
    return row->assumed_incarnation && row->assumed_sequence > 0;
}

static bool by_text(const replica_remote_row *row)
{
    return row->assumed && !by_number(row);
}

static void add_string_or_null(struct replica__buf *out, const char *s)
{
    if (s)
        replica__buf_json_string(out, s, strlen(s));
    else
        ADD(out, "null");
}

static bool same_incarnation(const replica_remote_row *a, const replica_remote_row *b)
{
    return a->assumed_incarnation == b->assumed_incarnation
        || strcmp(a->assumed_incarnation, b->assumed_incarnation) == 0;
}

/* Rows of one incarnation mostly come in a run, and each run gets an entry of its own: the list may
 * name one twice, and needs no look-up. */
static void add_incarnations(const replica_push_request *request, struct replica__buf *out)
{
    const replica_remote_row *last = NULL;

    ADD(out, ",\"incarnations\":[");
    for (size_t i = 0; i < request->row_count; i++) {
        const replica_remote_row *row = &request->rows[i];

        if (!by_number(row) || (last && same_incarnation(last, row)))
            continue;
        if (last)
            ADD(out, ",");
        add_string_or_null(out, row->assumed_incarnation);
        last = row;
    }
    ADD(out, "]");
}

static void add_meta(const replica_push_request *request, struct replica__buf *out)
{
    const replica_remote_row *last = NULL;
    int64_t incarnation = -1;

    ADD(out, ",\"meta\":[");
    for (size_t i = 0; i < request->row_count; i++) {
        const replica_remote_row *row = &request->rows[i];

        if (by_number(row) && !(last && same_incarnation(last, row))) {
            incarnation++;
            last = row;
        }
        if (i > 0)
            ADD(out, ",");
        ADD(out, "[");
        replica__buf_int(out, (int64_t)row->collection);
        ADD(out, ",");
        add_string_or_null(out, row->operation);
        ADD(out, ",");
        replica__buf_int(out, row->stamp);
        ADD(out, ",");
        replica__buf_int(out, (row->deleted ? ROW_DELETED : 0)
                                  | (row->assumed_deleted ? ROW_ASSUMED_DELETED : 0)
                                  | (by_text(row) ? ROW_ASSUMED_TEXT : 0)
                                  | (row->firm ? ROW_FIRM : 0));
        ADD(out, ",");
        replica__buf_int(out, by_number(row) ? incarnation : -1);
        ADD(out, ",");
        replica__buf_int(out, by_number(row) ? row->assumed_sequence : 0);
        ADD(out, ",");
        add_string_or_null(out, row->bundle);
        if (row->fence > 0) {
            ADD(out, ",");
            replica__buf_int(out, row->fence);
        }
        ADD(out, "]");
    }
    ADD(out, "]");
}

static void add_texts(const replica_push_request *request, struct replica__buf *out)
{
    bool any = false;

    ADD(out, ",\"documents\":[");
    for (size_t i = 0; i < request->row_count; i++) {
        if (i > 0)
            ADD(out, ",");
        replica__buf_add(out, request->rows[i].json, request->rows[i].len);
        any = any || by_text(&request->rows[i]);
    }
    ADD(out, "]");
    if (!any)
        return;
    ADD(out, ",\"assumed\":[");
    for (size_t i = 0; i < request->row_count; i++) {
        const replica_remote_row *row = &request->rows[i];

        if (i > 0)
            ADD(out, ",");
        if (by_text(row))
            replica__buf_add(out, row->assumed, row->assumed_len);
        else
            ADD(out, "null");
    }
    ADD(out, "]");
}

void replica__wire_push_body(enum replica__dialect dialect, const replica_push_request *request,
                             struct replica__buf *out)
{
    reserve(request, out);
    if (dialect == REPLICA__DIALECT_RXDB) {
        rxdb_push_body(request, out);
        return;
    }
    ADD(out, "{\"collections\":[");
    for (size_t i = 0; i < request->count; i++) {
        replica__buf_printf(out, "%s\"%s/%d\"", i ? "," : "", request->collections[i].name,
                            request->collections[i].version);
    }
    ADD(out, "],\"checkpoint\":");
    replica__buf_str(out, request->checkpoint ? request->checkpoint : "{\"id\":\"\",\"lwt\":0}");
    if (request->client) {
        ADD(out, ",\"client\":");
        replica__buf_json_string(out, request->client, strlen(request->client));
    }
    add_incarnations(request, out);
    add_meta(request, out);
    add_texts(request, out);
    ADD(out, "}");
}

/* Reading a push, on the server's side, in both dialects.
 *
 * Documents are found, not looked into: the caller scans each row and judges it alone. */
#include "replicator/wire.h"

#include "base/alloc.h"
#include "base/error.h"
#include "replicator/wire_skip.h"

#include <string.h>

enum { ROW_DELETED = 1, ROW_ASSUMED_DELETED = 2, ROW_ASSUMED_TEXT = 4, ROW_FIRM = 8 };

/* What is needed while a body is read. */
struct reader {
    struct replica__wire_in in;
    struct replica__wire_push push;
    size_t room;         /* of push.rows */
    size_t max_rows;
    size_t max_document; /* 0: no limit */
    size_t documents, assumed;
    bool meta_seen, documents_seen, assumed_seen;
    struct replica__slice meta;
    struct replica__slice *incarnations;
    size_t incarnation_count;
};

static void reader_free(struct reader *rd)
{
    replica__wire_push_free(&rd->push);
    replica__free(rd->incarnations);
}

/* The n-th row, which must be the next new one or there already. */
static int row_at(struct reader *rd, size_t n, struct replica__wire_row **ret_row)
{
    if (n == rd->max_rows)
        return replica__error_at(rd->in.err, REPLICA_ELIMIT, rd->in.at - rd->in.start,
                                 "more than %zu rows", rd->max_rows);
    if (n == rd->room) {
        size_t room = rd->room ? rd->room * 2 : 128;
        struct replica__wire_row *rows = replica__realloc(rd->push.rows, room, sizeof(*rows));

        if (!rows)
            return replica__enomem(rd->in.err);
        rd->push.rows = rows;
        rd->room = room;
    }
    if (n == rd->push.n) {
        memset(&rd->push.rows[n], 0, sizeof(rd->push.rows[n]));
        rd->push.n++;
    }
    *ret_row = &rd->push.rows[n];
    return 0;
}

static int read_state(struct reader *rd, struct replica__slice *ret_text)
{
    struct replica__slice text;
    int r = replica__wire_value(&rd->in, &text);

    if (r < 0)
        return r;
    if (text.data[0] != '{')
        return replica__wire_fail(&rd->in, text.data, "a document must be an object");
    if (rd->max_document && text.len > rd->max_document)
        return replica__error_at(rd->in.err, REPLICA_ELIMIT, text.data - rd->in.start,
                                 "a document of %zu bytes; at most %zu are taken", text.len,
                                 rd->max_document);
    *ret_text = text;
    return 0;
}

/* ---- RxDB's dialect -------------------------------------------------------------- */

static int read_rxdb_row(struct reader *rd, struct replica__wire_row *row)
{
    struct replica__slice name, skipped;
    const char *start;
    bool first = true;
    int r;

    if (!replica__wire_take(&rd->in, '{'))
        return replica__wire_fail(&rd->in, NULL, "a row must be an object");
    start = rd->in.at - 1;
    while ((r = replica__wire_member(&rd->in, &first, &name)) > 0) {
        if (replica__wire_name_is(name, "newDocumentState"))
            r = read_state(rd, &row->document);
        else if (replica__wire_name_is(name, "assumedMasterState"))
            r = replica__wire_null(&rd->in) ? 0 : read_state(rd, &row->assumed);
        else
            r = replica__wire_value(&rd->in, &skipped);
        if (r < 0)
            return r;
    }
    if (r == 0 && row->document.len == 0)
        return replica__wire_fail(&rd->in, start, "a row without newDocumentState");
    return r;
}

static int read_rxdb(struct reader *rd)
{
    struct replica__wire_row *row;
    bool first = true;
    int r;

    if (!replica__wire_take(&rd->in, '['))
        return replica__wire_fail(&rd->in, NULL, "a push must be an array of rows");
    while ((r = replica__wire_element(&rd->in, &first)) > 0) {
        r = row_at(rd, rd->push.n, &row);
        if (r == 0)
            r = read_rxdb_row(rd, row);
        if (r < 0)
            return r;
    }
    return r;
}

/* ---- our dialect ----------------------------------------------------------------- */

static int read_collections(struct reader *rd)
{
    const size_t max = sizeof(rd->push.collections) / sizeof(rd->push.collections[0]);
    bool first = true;
    int r;

    if (!replica__wire_take(&rd->in, '['))
        return replica__wire_fail(&rd->in, NULL, "collections must be an array");
    while ((r = replica__wire_element(&rd->in, &first)) > 0) {
        if (rd->push.collection_count == max)
            return replica__error_at(rd->in.err, REPLICA_ELIMIT, rd->in.at - rd->in.start,
                                     "more than %zu collections", max);
        r = replica__wire_plain(&rd->in, &rd->push.collections[rd->push.collection_count]);
        if (r < 0)
            return r;
        rd->push.collection_count++;
    }
    return r;
}

static int read_incarnations(struct reader *rd)
{
    bool first = true;
    size_t room = 0;
    int r;

    if (rd->incarnations || !replica__wire_take(&rd->in, '['))
        return replica__wire_fail(&rd->in, NULL, "incarnations must be one array");
    while ((r = replica__wire_element(&rd->in, &first)) > 0) {
        if (rd->incarnation_count == rd->max_rows)
            return replica__error_at(rd->in.err, REPLICA_ELIMIT, rd->in.at - rd->in.start,
                                     "more than %zu incarnations", rd->max_rows);
        if (rd->incarnation_count == room) {
            struct replica__slice *more;

            room = room ? room * 2 : 16;
            more = replica__realloc(rd->incarnations, room, sizeof(*more));
            if (!more)
                return replica__enomem(rd->in.err);
            rd->incarnations = more;
        }
        r = replica__wire_plain(&rd->in, &rd->incarnations[rd->incarnation_count]);
        if (r < 0)
            return r;
        rd->incarnation_count++;
    }
    return r;
}

static int read_documents(struct reader *rd)
{
    struct replica__wire_row *row;
    bool first = true;
    int r;

    if (rd->documents_seen || !replica__wire_take(&rd->in, '['))
        return replica__wire_fail(&rd->in, NULL, "documents must be one array");
    rd->documents_seen = true;
    while ((r = replica__wire_element(&rd->in, &first)) > 0) {
        r = row_at(rd, rd->documents, &row);
        if (r == 0)
            r = read_state(rd, &row->document);
        if (r < 0)
            return r;
        rd->documents++;
    }
    return r;
}

static int read_assumed(struct reader *rd)
{
    struct replica__wire_row *row;
    bool first = true;
    int r;

    if (rd->assumed_seen || !replica__wire_take(&rd->in, '['))
        return replica__wire_fail(&rd->in, NULL, "assumed must be one array");
    rd->assumed_seen = true;
    while ((r = replica__wire_element(&rd->in, &first)) > 0) {
        r = row_at(rd, rd->assumed, &row);
        if (r == 0)
            r = replica__wire_null(&rd->in) ? 0 : read_state(rd, &row->assumed);
        if (r < 0)
            return r;
        rd->assumed++;
    }
    return r;
}

static int plain_or_null(struct replica__wire_in *in, struct replica__slice *ret_text)
{
    return replica__wire_null(in) ? 0 : replica__wire_plain(in, ret_text);
}

/* What an entry of meta says, which the row does not hold in this form. */
struct entry {
    int64_t collection, flags, incarnation;
};

/* [c,"operation",stamp,flags,i,n,"bundle"|null,fence?] */
static int read_entry(struct replica__wire_in *in, struct replica__wire_row *row,
                      struct entry *ret_entry)
{
    struct entry e = { -1, 0, -1 };
    struct replica__slice skipped;
    bool first = true;
    int r;

    if (!replica__wire_take(in, '['))
        return replica__wire_fail(in, NULL, "an entry of meta must be an array");
    for (int i = 0; (r = replica__wire_element(in, &first)) > 0; i++) {
        switch (i) {
        case 0: r = replica__wire_int(in, &e.collection); break;
        case 1: r = plain_or_null(in, &row->operation); break;
        case 2: r = replica__wire_int(in, &row->stamp); break;
        case 3: r = replica__wire_int(in, &e.flags); break;
        case 4: r = replica__wire_int(in, &e.incarnation); break;
        case 5: r = replica__wire_int(in, &row->assumed_sequence); break;
        case 6: r = plain_or_null(in, &row->bundle); break;
        case 7: r = replica__wire_int(in, &row->fence); break;
        default: r = replica__wire_value(in, &skipped); break;
        }
        if (r < 0)
            return r;
    }
    *ret_entry = e;
    return r;
}

/* Put what an entry says together with the rest of the body. */
static int settle_entry(struct reader *rd, const struct entry *e, const char *where,
                        struct replica__wire_row *row)
{
    if (e->collection < 0 || (uint64_t)e->collection >= rd->push.collection_count)
        return replica__wire_fail(&rd->in, where, "a collection that is not listed");
    if (e->incarnation < -1
        || (e->incarnation >= 0 && (uint64_t)e->incarnation >= rd->incarnation_count))
        return replica__wire_fail(&rd->in, where, "an incarnation that is not listed");
    if (e->incarnation >= 0 ? row->assumed_sequence < 1 : row->assumed_sequence != 0)
        return replica__wire_fail(&rd->in, where, "an assumed state with half a number");
    if (((e->flags & ROW_ASSUMED_TEXT) != 0) != (row->assumed.len > 0))
        return replica__wire_fail(&rd->in, where, "flag 4 and the assumed text do not agree");
    row->collection = (size_t)e->collection;
    row->deleted = (e->flags & ROW_DELETED) != 0;
    row->assumed_deleted = (e->flags & ROW_ASSUMED_DELETED) != 0;
    row->firm = (e->flags & ROW_FIRM) != 0;
    if (e->incarnation >= 0)
        row->assumed_incarnation = rd->incarnations[e->incarnation];
    return 0;
}

static int read_meta(struct reader *rd)
{
    struct replica__wire_in in = replica__wire_part(&rd->in, rd->meta);
    struct entry e = { 0, 0, 0 };
    bool first = true;
    size_t n = 0;
    int r;

    if (!replica__wire_take(&in, '['))
        return replica__wire_fail(&in, NULL, "meta must be an array");
    while ((r = replica__wire_element(&in, &first)) > 0) {
        const char *where = in.at;

        if (n == rd->push.n)
            return replica__wire_fail(&in, NULL, "more entries of meta than documents");
        r = read_entry(&in, &rd->push.rows[n], &e);
        if (r == 0)
            r = settle_entry(rd, &e, where, &rd->push.rows[n]);
        if (r < 0)
            return r;
        n++;
    }
    if (r == 0 && n < rd->push.n)
        return replica__wire_fail(&in, NULL, "fewer entries of meta than documents");
    return r;
}

static int read_member(struct reader *rd, struct replica__slice name)
{
    struct replica__slice text;

    if (replica__wire_name_is(name, "documents"))
        return read_documents(rd);
    if (replica__wire_name_is(name, "assumed"))
        return replica__wire_null(&rd->in) ? 0 : read_assumed(rd);
    if (replica__wire_name_is(name, "collections"))
        return read_collections(rd);
    if (replica__wire_name_is(name, "client"))
        return plain_or_null(&rd->in, &rd->push.client);
    if (replica__wire_name_is(name, "incarnations"))
        return read_incarnations(rd);
    if (replica__wire_name_is(name, "checkpoint"))
        return replica__wire_null(&rd->in)
            ? 0 : replica__wire_checkpoint(&rd->in, &text, &rd->push.checkpoint_id,
                                           &rd->push.checkpoint_lwt);
    if (replica__wire_name_is(name, "meta")) {
        rd->meta_seen = true;
        return replica__wire_value(&rd->in, &rd->meta);
    }
    return replica__wire_value(&rd->in, &text);
}

static int read_ours(struct reader *rd)
{
    struct replica__slice name;
    bool first = true;
    int r;

    if (!replica__wire_take(&rd->in, '{'))
        return replica__wire_fail(&rd->in, NULL, "a push must be an object");
    while ((r = replica__wire_member(&rd->in, &first, &name)) > 0) {
        r = read_member(rd, name);
        if (r < 0)
            return r;
    }
    if (r < 0)
        return r;
    if (!rd->meta_seen || !rd->documents_seen)
        return replica__wire_fail(&rd->in, rd->in.start, "a push without meta and documents");
    if (rd->documents != rd->push.n || (rd->assumed_seen && rd->assumed != rd->push.n))
        return replica__wire_fail(&rd->in, rd->in.start, "assumed and documents differ in number");
    return read_meta(rd);
}

/* ---- both ------------------------------------------------------------------------ */

int replica__wire_read_push(enum replica__dialect dialect, const char *body, size_t len,
                            size_t max_rows, const struct replica__json_limits *limits,
                            struct replica__wire_push *ret, replica_error *err)
{
    __attribute__((cleanup(reader_free))) struct reader rd = {
        .in = { body, body, body + len, REPLICA_EJSON, err },
        .push = { .checkpoint_id = { "", 0 } },
        .max_rows = max_rows,
        .max_document = limits ? limits->max_bytes : 0,
    };
    int r = dialect == REPLICA__DIALECT_RXDB ? read_rxdb(&rd) : read_ours(&rd);

    if (r == 0)
        r = replica__wire_end(&rd.in);
    if (r < 0)
        return r;
    *ret = rd.push;
    rd.push.rows = NULL; /* are the caller's now */
    return 0;
}

void replica__wire_push_free(struct replica__wire_push *push)
{
    replica__free(push->rows);
    push->rows = NULL;
    push->n = 0;
}

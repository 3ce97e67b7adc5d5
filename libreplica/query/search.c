/* Full-text search: a cursor over the best matches of a text index.
 *
 * The matches stay those of one moment: on a connection of its own while the cursor is open, and
 * read at once in a database in memory, which has one connection. */
#include "libreplica/query.h"

#include "libreplica/cursor.h"
#include "libreplica/index/text.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/query/reader.h"
#include "libreplica/txn.h"

#include <string.h>

/* Documents, and bytes, that are read at a time. */
#define BATCH 64
#define BATCH_BYTES (256 * 1024)
/* Words of a snippet. */
#define SNIPPET 16

struct hit {
    replica_doc *doc; /* the cursor's */
    double rank;
    char *snippet;
};

struct search {
    struct replica__source source;
    replica_collection *coll;
    int64_t index;
    char *words;
    int64_t limit;
    struct replica__reader *reader; /* NULL: not begun */
    sqlite3_stmt *stmt;
    size_t at, given; /* matches that the statement has passed, and that full batches had */
    struct hit *hits; /* of the batch */
    size_t n, room;
};

/* ---- words ----------------------------------------------------------------------- */

/* FTS5 knows columns c0, c1, ...; a field is named by its path. */
static int add_field(const struct replica__index *index, const char *name, size_t len,
                     struct replica__buf *out, replica_error *err)
{
    for (size_t i = 0; i < index->n; i++) {
        if (strlen(index->field_names[i]) == len &&
            memcmp(index->field_names[i], name, len) == 0) {
            replica__buf_printf(out, "c%zu", i);
            return 0;
        }
    }
    return replica__error_set(err, REPLICA_EINVAL, 0, "index '%s' has no field '%.*s'",
                              index->name, (int)(len < 100 ? len : 100), name);
}

static size_t blanks(const char *at)
{
    return strspn(at, " \t\r\n\f\v");
}

/* Behind a string in quotes, or at the end. */
static size_t quoted_length(const char *at)
{
    size_t n = 1;

    while (at[n] && (at[n] != '"' || at[n + 1] == '"'))
        n += at[n] == '"' ? 2 : 1;
    return at[n] ? n + 1 : n;
}

static void unquote(const char *at, size_t len, struct replica__buf *out)
{
    for (size_t i = 1; i + 1 < len; i++) {
        replica__buf_char(out, at[i]);
        i += at[i] == '"';
    }
}

/* The words with columns for fields.  A field is what has a colon behind it, or braces around it;
 * in braces a colon follows. */
static int map_words(const struct replica__index *index, const char *words,
                     struct replica__buf *out, replica_error *err)
{
    bool braces = false;
    int r = 0;

    for (const char *at = words; r >= 0 && *at;) {
        bool quoted = *at == '"';
        size_t len = quoted ? quoted_length(at) : strcspn(at, " \t\r\n\f\v\"(){}:^+*,");

        if (!quoted && *at == '-') /* "not in this column" */
            len = 0;
        if (len == 0) {
            braces = *at == '{' || (braces && *at != '}');
            replica__buf_char(out, *at++);
            continue;
        }
        if (!braces && at[len + blanks(at + len)] != ':') {
            replica__buf_add(out, at, len);
        } else if (quoted) {
            REPLICA_BUF name = REPLICA_BUF_INIT;

            unquote(at, len, &name);
            r = add_field(index, name.data ? name.data : "", name.len, out, err);
        } else {
            r = add_field(index, at, len, out, err);
        }
        at += len;
    }
    return r < 0 ? r : out->r < 0 ? replica__enomem(err) : 0;
}

/* ---- the statement --------------------------------------------------------------- */

#define DOC_COLUMNS \
    "d.number, d.coll, d.id, d.seq, d.height, d.opening, d.flags, d.stamp, d.writer, d.wseq," \
    " d.bundle, d.version, d.body"

/* What FTS5 finds wrong is the caller's query. */
static int failed(sqlite3 *sqlite, int rc, replica_error *err)
{
    if ((rc & 0xff) == SQLITE_ERROR)
        return replica__error_set(err, REPLICA_EINVAL, rc, "%s", sqlite3_errmsg(sqlite));
    return replica__sql_error_of(sqlite, rc, err);
}

static int prepare(sqlite3 *sqlite, char *sql, const struct search *s, sqlite3_stmt **ret,
                   replica_error *err)
{
    int rc = sql ? sqlite3_prepare_v2(sqlite, sql, -1, ret, NULL) : SQLITE_NOMEM;

    sqlite3_free(sql);
    if (rc == SQLITE_ERROR) /* the statement is ours: only its table can be missing */
        return replica__error_set(err, REPLICA_EINVAL, rc, "the text index of '%s' was dropped",
                                  s->coll->name);
    if (rc != SQLITE_OK)
        return failed(sqlite, rc, err);
    replica__bind_text(*ret, 1, s->words, REPLICA_NUL, &rc);
    if (sqlite3_bind_parameter_count(*ret) > 1)
        replica__bind_int(*ret, 2, s->limit, &rc);
    return rc == SQLITE_OK ? 0 : failed(sqlite, rc, err);
}

/* FTS5 reads the words when it begins to search. */
static int try_words(const struct search *s, replica_error *err)
{
    sqlite3 *sqlite = s->coll->db->sqlite;
    sqlite3_stmt *stmt = NULL;
    int r = prepare(sqlite,
                    sqlite3_mprintf("SELECT rowid FROM text_%lld WHERE text_%lld MATCH ?1 LIMIT 1",
                                    (long long)s->index, (long long)s->index),
                    s, &stmt, err);

    if (r >= 0) {
        int rc = sqlite3_step(stmt);

        r = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : failed(sqlite, rc, err);
    }
    sqlite3_finalize(stmt);
    return r;
}

static int begin(struct search *s, replica_error *err)
{
    replica_db *db = s->coll->db;
    long long n = (long long)s->index;
    int r = db->memory ? replica__reader_main(db, &s->reader, err)
                       : replica__reader_open(db, &s->reader, err);

    if (r < 0)
        return r;
    return prepare(s->reader->sqlite,
                   sqlite3_mprintf("SELECT " DOC_COLUMNS ", text_%lld.rank,"
                                   " snippet(text_%lld, -1, char(2), char(3), '\xE2\x80\xA6', %d)"
                                   " FROM text_%lld CROSS JOIN doc d ON d.number = text_%lld.rowid"
                                   " WHERE text_%lld MATCH ?1 AND d.version >= %d"
                                   " ORDER BY text_%lld.rank LIMIT ?2",
                                   n, n, SNIPPET, n, n, n, replica__migrate_lowest(s->coll), n),
                   s, &s->stmt, err);
}

static void end(struct search *s)
{
    sqlite3_finalize(s->stmt);
    s->stmt = NULL;
    s->at = 0;
    replica__reader_close(s->reader);
    s->reader = NULL;
}

/* ---- the source ------------------------------------------------------------------ */

static void drop_hits(struct search *s)
{
    for (size_t i = 0; i < s->n; i++)
        replica__free(s->hits[i].snippet);
    s->n = 0;
}

static void free_search(struct replica__source *self)
{
    struct search *s = (struct search *)self;

    end(s);
    drop_hits(s);
    replica__free(s->hits);
    replica__free(s->words);
    replica__free(s);
}

/* Room for the hit comes first: what is added to the cursor has one. */
static int add_hit(struct search *s, replica_cursor *cursor, replica_error *err)
{
    const char *snippet = (const char *)sqlite3_column_text(s->stmt, 14);
    struct replica__row row;
    replica_doc *doc = NULL;
    struct hit *hit;
    int r = replica__row_read(s->coll->db, s->stmt, &row, err);

    if (r >= 0)
        r = replica__migrate_shows(s->coll, &row, err);
    if (r < 0)
        return r;
    /* FTS5 always has both, the rank below zero, unless it had no memory for them. */
    if (!snippet || !(sqlite3_column_double(s->stmt, 13) < 0))
        return replica__enomem(err);
    if (s->n == s->room) {
        size_t room = s->room ? s->room * 2 : BATCH;
        struct hit *grown = replica__realloc(s->hits, room, sizeof *grown);

        if (!grown)
            return replica__enomem(err);
        s->hits = grown;
        s->room = room;
    }
    hit = &s->hits[s->n];
    *hit = (struct hit){ .rank = -sqlite3_column_double(s->stmt, 13),
                         .snippet = replica__strdup(snippet) };
    if (!hit->snippet)
        return replica__enomem(err);
    s->n++;
    r = replica__row_doc(s->coll->db, s->coll->name, &row, &doc, err);
    hit->doc = doc;
    return r < 0 ? r : replica__cursor_add(cursor, doc, err);
}

/* 1: full; 0: that was all. */
static int read_hits(struct search *s, replica_cursor *cursor, replica_error *err)
{
    while (s->coll->db->memory || !replica__cursor_is_full(cursor)) {
        int rc = sqlite3_step(s->stmt);
        int r = 0;

        if (rc == SQLITE_DONE)
            return 0;
        if (rc != SQLITE_ROW)
            return failed(s->reader->sqlite, rc, err);
        if (s->at++ >= s->given)
            r = add_hit(s, cursor, err);
        if (r < 0)
            return r;
    }
    return 1;
}

/* After a failure the search begins anew, behind what was given. */
static int fill(struct replica__source *self, replica_cursor *cursor, replica_error *err)
{
    struct search *s = (struct search *)self;
    int r = s->stmt ? 0 : begin(s, err);

    drop_hits(s);
    if (r >= 0)
        r = read_hits(s, cursor, err);
    if (r < 0) {
        drop_hits(s);
        end(s);
        return r;
    }
    s->given = s->at;
    if (r == 0) /* its moment is no longer needed */
        end(s);
    return r;
}

/* ---- the program's side ---------------------------------------------------------- */

static int find_index(replica_collection *coll, const char *name,
                      const struct replica__index **ret, replica_error *err)
{
    struct replica__index *index = NULL;
    const struct replica__index *found = NULL;
    int r = replica__txn_know(coll->db, err);

    if (r >= 0)
        r = replica__indexes_of(coll, &index, err);
    if (r < 0)
        return r;
    for (; index; index = index->next) {
        if (!(index->flags & REPLICA_INDEX_TEXT) || (name && strcmp(index->name, name) != 0))
            continue;
        if (found)
            return replica__error_set(err, REPLICA_EINVAL, 0,
                                      "'%s' has several text indexes: one must be named",
                                      coll->name);
        found = index;
    }
    if (!found)
        return replica__error_set(err, REPLICA_EINVAL, 0, "'%s' has no text index%s%.100s",
                                  coll->name, name ? " called " : "", name ? name : "");
    if (found->built != INT64_MAX)
        return replica__error_set(err, REPLICA_EBUSY, 0, "index '%s' is not built yet",
                                  found->name);
    *ret = found;
    return 0;
}

static int search_new(replica_collection *coll, const char *name, const char *words, int64_t limit,
                      struct search **ret, replica_error *err)
{
    const struct replica__index *index = NULL;
    struct search *s;
    REPLICA_BUF text = REPLICA_BUF_INIT;
    int r = find_index(coll, name, &index, err);

    if (r >= 0)
        r = map_words(index, words, &text, err);
    if (r < 0)
        return r;
    s = replica__alloc_zero(1, sizeof *s);
    if (!s)
        return replica__enomem(err);
    s->source = (struct replica__source){ .fill = fill, .free = free_search };
    s->coll = coll;
    s->index = index->number;
    s->limit = limit;
    s->words = replica__strdup(text.data ? text.data : "");
    r = s->words ? try_words(s, err) : replica__enomem(err);
    if (r < 0) {
        free_search(&s->source);
        return r;
    }
    *ret = s;
    return 0;
}

int replica_search(replica_collection *coll, const char *index, const char *words, int64_t limit,
                   replica_cursor **ret_cursor, replica_error *err)
{
    struct search *s = NULL;
    int r;

    if (!coll || !words || !ret_cursor)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no collection, words, or place");
    r = replica__migrate_before_query(coll, err);
    if (r >= 0)
        r = search_new(coll, index, words, limit, &s, err);
    if (r < 0) {
        replica__error_where(err, "%s", coll->name);
        return r;
    }
    return replica__cursor_open(coll, &s->source, BATCH, BATCH_BYTES, ret_cursor, err);
}

static const struct hit *last_hit(const replica_cursor *cursor)
{
    struct search *s = (struct search *)replica__cursor_source(cursor, fill);
    replica_doc *last = replica__cursor_last(cursor);

    for (size_t i = 0; s && last && i < s->n; i++) {
        if (s->hits[i].doc == last)
            return &s->hits[i];
    }
    return NULL;
}

double replica_cursor_rank(const replica_cursor *cursor)
{
    const struct hit *hit = last_hit(cursor);

    return hit ? hit->rank : 0;
}

const char *replica_cursor_snippet(const replica_cursor *cursor)
{
    const struct hit *hit = last_hit(cursor);

    return hit ? hit->snippet : "";
}

/* Queries: what is there, in which order, how it is found, and what becomes of it.
 *
 * A query is JSON text as RxDB users write it:
 *
 *     {"selector": {"country": "DE", "visits": {"$gt": 100}}, "sort": [{"name": "asc"}],
 *      "skip": 0, "limit": 100, "fields": ["name"], "index": ["country"]}
 *
 * Every part may be left out; {} finds all.  The answers are those of mingo, the library that RxDB
 * uses; docs/queries.md lists the operators, and where we differ on purpose: numbers compare by
 * their exact value.  The primary key decides where the sort leaves a tie, and without a sort it is
 * the order.  An unknown operator or part is REPLICA_EINVAL; where says which, offset where.
 *
 * A query on a collection that still migrates migrates what is left first. */
#ifndef LIBREPLICA_QUERY_H
#define LIBREPLICA_QUERY_H

#include <libreplica/libreplica.h>

REPLICA_BEGIN

typedef struct replica_live replica_live; /* a query that is kept up to date */

/* Is it a selector, the "selector" of a query?  0; REPLICA_EINVAL, REPLICA_EJSON, REPLICA_ELIMIT:
 * it is none. */
REPLICA_API int replica_selector_check(const char *selector, size_t len, replica_error *err);

/* ---- asking ---------------------------------------------------------------------- */

/* The matching documents, in order.  The cursor sees the database as it was at the first
 * replica_cursor_next(), whatever is written meanwhile, and keeps no writer waiting; an open one
 * lets the WAL file grow.  With "fields" a document's text is those fields and its key.
 * replica_cursor_next(): REPLICA_ELIMIT: 64 cursors are in the middle of long answers, or a regular
 * expression took too long.  REPLICA_EBUSY: the index that "index" names is not built. */
REPLICA_API int replica_find(replica_collection *coll, const char *query, size_t len,
                             replica_cursor **ret_cursor, replica_error *err);
/* How many match; "skip" and "limit" count, "sort" and "fields" do not. */
REPLICA_API int replica_count(replica_collection *coll, const char *query, size_t len,
                              int64_t *ret_count, replica_error *err);
/* Delete, or merge-patch (RFC 7396), all that match; each document as replica_delete() and
 * replica_patch() would, in transactions that keep others waiting less than 20 ms.  A document that
 * was changed meanwhile is looked at again.  ret_count: how many, also when the call fails. */
REPLICA_API int replica_delete_many(replica_collection *coll, const char *query, size_t len,
                                    int64_t *ret_count, replica_error *err);
REPLICA_API int replica_update_many(replica_collection *coll, const char *query, size_t len,
                                    const char *patch, size_t patch_len, int64_t *ret_count,
                                    replica_error *err);

/* How a query would be answered. */
typedef struct replica_plan {
    char index[256];   /* the index that is used; "" for the primary key */
    int full_scan;     /* every document is looked at: an index would help */
    int sorts;         /* results are collected and sorted: an index that ends with the sort's
                        * fields would help */
    int exact;         /* the index alone decides; no document is looked at that is not wanted */
    char text[1024];   /* for people, with advice */
} replica_plan;
REPLICA_API int replica_explain(replica_collection *coll, const char *query, size_t len,
                                replica_plan *ret_plan, replica_error *err);

/* ---- indexes --------------------------------------------------------------------- */

typedef struct replica_index_options {
    size_t size;
    const char *name;          /* NULL: its fields with a comma between */
    const char *const *fields; /* paths: "name", "address.city" */
    size_t n;
    const char *where;         /* partial: only documents that match this selector; NULL: all */
    unsigned flags;            /* REPLICA_INDEX_... */
} replica_index_options;
#define REPLICA_INDEX_OPTIONS_INIT { sizeof(replica_index_options), NULL, NULL, 0, NULL, 0 }
#define REPLICA_INDEX_UNIQUE (1u << 0) /* two live documents with the same fields are refused with
                                        * REPLICA_ECONFLICT; those without one of the fields do not
                                        * count */
#define REPLICA_INDEX_TEXT   (1u << 1) /* full text, for replica_search() */

/* Create it; it is kept in step from now on, and built in the background: in dispatch, or by
 * replica_index_wait().  Queries use it once it is built.  1: created; 0: there is one of that name
 * that is the same.  REPLICA_EINVAL: the same name, but not the same index.  REPLICA_ELIMIT: the
 * collection has 64.  An index of the collection's schema comes and goes with the schema. */
REPLICA_API int replica_index_create(replica_collection *coll, const replica_index_options *opts,
                                     replica_error *err);
REPLICA_API int replica_index_drop(replica_collection *coll, const char *name,
                                   replica_error *err); /* 1, 0: there is none */
/* Build all that is not built, in this call.  REPLICA_ECONFLICT: two documents for a unique one;
 * it stays unbuilt, where names one of them. */
REPLICA_API int replica_index_wait(replica_collection *coll, replica_error *err);

typedef struct replica_index_entry {
    const char *name;
    const char *const *fields;
    size_t n;
    const char *where; /* or NULL */
    unsigned flags;
    int from_schema;
    int ready;         /* built */
} replica_index_entry;
/* fn for each, in the order of names; stops when fn returns other than 0, and returns that. */
REPLICA_API int replica_indexes(replica_collection *coll,
                                int (*fn)(void *ctx, const replica_index_entry *entry), void *ctx,
                                replica_error *err);

/* ---- full text ------------------------------------------------------------------- */

/* Words in the fields of a text index (NULL: the collection's only one), best match first.  words
 * is FTS5's query language: word, "a phrase", pre*, AND, OR, NOT, field:word (a field is
 * named by its path).  REPLICA_EINVAL: it is none, or there is no such index.  REPLICA_EBUSY: it is
 * not built yet. */
REPLICA_API int replica_search(replica_collection *coll, const char *index, const char *words,
                               int64_t limit, replica_cursor **ret_cursor, replica_error *err);
/* Of the document that such a cursor gave last: its rank (higher is better), and the piece of its
 * text that matches best, each word that was found between U+0002 and U+0003; an ellipsis stands
 * where text was left out.  Borrowed until the next call. */
REPLICA_API double replica_cursor_rank(const replica_cursor *cursor);
REPLICA_API const char *replica_cursor_snippet(const replica_cursor *cursor);

/* ---- live queries ---------------------------------------------------------------- */

enum {
    REPLICA_LIVE_ADDED = 1,
    REPLICA_LIVE_CHANGED = 2, /* in its place */
    REPLICA_LIVE_MOVED = 3,   /* changed, and with another place */
    REPLICA_LIVE_REMOVED = 4  /* no longer matches, deleted, or outside the limit */
};
/* A difference.  Applied one after the other to the result before them, they give the result
 * after: a document is taken out at `from`, then put in at `to`. */
typedef struct replica_live_change {
    int what;
    replica_doc *doc; /* REMOVED: as it was in the result.  Borrowed */
    size_t from;      /* its place before this difference; not for ADDED */
    size_t to;        /* its place after it; not for REMOVED */
} replica_live_change;
/* All differences of one or more commits.  The first call has the whole result as ADDED, and comes
 * even if it is empty; live gives the result as it is now.  err: the query could not be answered
 * (n is 0); it is tried again with the next commit. */
typedef void (*replica_live_fn)(void *ctx, replica_live *live, const replica_live_change *changes,
                                size_t n, const replica_error *err);

/* Keep the answer up to date: fn in dispatch, after commits of this handle, of replications and of
 * other processes.  destroy is called once, after the last fn, and also when this call fails. */
REPLICA_API int replica_live_start(replica_collection *coll, const char *query, size_t len,
                                   replica_live_fn fn, void *ctx, replica_destroy_fn destroy,
                                   replica_live **ret_live, replica_error *err);
REPLICA_API size_t replica_live_count(const replica_live *live);
REPLICA_API replica_doc *replica_live_at(const replica_live *live, size_t place); /* borrowed */
REPLICA_API void replica_live_cancel(replica_live *live); /* fn is not called again; NULL is fine */

/* ---- SQL ------------------------------------------------------------------------- */

/* A column of a row; text also for numbers.  NULL: SQL's NULL. */
typedef struct replica_sql_value {
    const char *text;
    size_t len;
    int type; /* REPLICA_SQL_... */
} replica_sql_value;
enum {
    REPLICA_SQL_NULL = 0,
    REPLICA_SQL_INTEGER = 1,
    REPLICA_SQL_REAL = 2,
    REPLICA_SQL_TEXT = 3,
    REPLICA_SQL_BLOB = 4
};
/* Ask in SQL (SQLite's), read-only, over one view for each collection, of its name: columns id,
 * rev, doc (the text) and seq, a row for each live document.  field(doc, 'address.city') is the
 * value at a path, exact: a text, an integer, a real, 1 and 0 for true and false, NULL for null and
 * for nothing; the JSON text of an array, an object, or a number that neither integer nor real can
 * hold.  The statement's parameters ?1.. are values (JSON texts: "5", "\"a\"").  It sees what is
 * committed when it begins; fn may use the database.  fn for each row; stops when it returns other
 * than 0, and returns that.  names and values live for the call.  REPLICA_EINVAL: no such
 * statement, more than one, or one that would write.
 * SQL does not tell upper from lower case in names: of collections whose names differ in nothing
 * else, none has a view; nor has one whose name begins with "sqlite_". */
REPLICA_API int replica_sql(replica_db *db, const char *statement, const char *const *params,
                            size_t param_count,
                            int (*fn)(void *ctx, size_t n, const char *const *names,
                                      const replica_sql_value *values),
                            void *ctx, replica_error *err);

REPLICA_END

#endif

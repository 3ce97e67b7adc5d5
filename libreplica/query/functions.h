/* SQL functions of ours: they look into documents as queries do, where SQLite's own JSON functions
 * would round integers, cut strings and miss escaped names.
 *
 *     field(doc, 'a.b')            the value at a path, exact
 *     replica_words(doc, 'a.b')    all texts and numbers that a query sees there: full-text search
 *     replica_match(selector, doc) 1 or 0: partial indexes
 *
 * They are deterministic, and harmless in a view or an index. */
#ifndef LIBREPLICA_FUNCTIONS_H
#define LIBREPLICA_FUNCTIONS_H

#include "libreplica/query/key.h"

#include <sqlite3.h>

/* Add them to a connection.  SQLite's code. */
int replica__functions_add(sqlite3 *sqlite);

/* A JSON value as one of SQL: an integer that fits, a real that means the same number, the text of
 * a string, 1 and 0 for true and false, NULL for null and nothing; the JSON text of all else. */
enum replica__sql_kind {
    REPLICA__AS_NULL,
    REPLICA__AS_INTEGER,
    REPLICA__AS_REAL,
    REPLICA__AS_TEXT
};
struct replica__sql_of_json {
    enum replica__sql_kind kind;
    int64_t integer;
    double real;
    struct replica__slice text; /* into the value, or into out */
};
/* out: room for strings that must be unescaped; out->r tells of a failure. */
struct replica__sql_of_json replica__json_to_sql(struct replica__json_value v,
                                                 struct replica__buf *out);

/* The shortest decimal that means x, a JSON number where x is finite; locales do not matter. */
#define REPLICA__REAL_SIZE 40
size_t replica__real_write(double x, char room[REPLICA__REAL_SIZE]);

/* Append the texts and numbers at a path, a line for each. */
void replica__words_add(const struct replica__path *path, const char *json, size_t len,
                        struct replica__buf *out);

#endif

/* The same work with nothing around it: what raw SQLite, libcurl and libmicrohttpd cost.
 *
 * One table, prepared statements, slices of text that are never parsed into a tree.  No revisions,
 * no conflicts, no states: this is the ceiling that ours is measured against, not a store. */
#ifndef TESTS_BENCH_BARE_H
#define TESTS_BENCH_BARE_H

#include "base/buf.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BARE_BEGIN, BARE_COMMIT, BARE_PUT, BARE_GET, BARE_UPDATE, BARE_PAGE, BARE_STATEMENTS };

struct bare_table {
    sqlite3 *db;
    sqlite3_stmt *stmts[BARE_STATEMENTS];
    int64_t seq;
};

void bare_open(struct bare_table *t, const char *path, bool full_sync);
void bare_close(struct bare_table *t);
void bare_begin(struct bare_table *t);
void bare_commit(struct bare_table *t);
/* Insert, or replace what is there, with the next sequence number. */
void bare_put(struct bare_table *t, const char *id, size_t id_len, const char *text, size_t len);
/* The text is valid until the next call. */
bool bare_get(struct bare_table *t, const char *id, size_t id_len, const char **ret_text,
              size_t *ret_len);
void bare_update(struct bare_table *t, const char *id, size_t id_len, const char *text, size_t len);
/* Append up to limit documents from after a sequence number as [{...},{...}]; the last number. */
int64_t bare_page(struct bare_table *t, int64_t after, int limit, struct replica__buf *out,
                  int *ret_count);
/* Put every document of [{...},{...}] in one transaction; how many. */
int bare_take_page(struct bare_table *t, const char *text, size_t len);

int bare_serve(const char *path);
int bare_client(int argc, char **argv);

#endif

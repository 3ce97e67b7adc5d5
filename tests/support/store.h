/* An open database for a test, as a value that cleans up behind itself:
 *
 *     STORE s = store_empty();
 *
 *     store_put(&s, "{\"id\":\"a\"}");
 *     CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\"}");
 *
 * The file is called test.db and lies in the test's folder; the collection is "notes".  What can go
 * wrong in here ends the test.  Pages that come from a server and verdicts are written down as
 * short structs; the server's incarnation is "inc" unless said otherwise. */
#ifndef TESTS_SUPPORT_STORE_H
#define TESTS_SUPPORT_STORE_H

#include "libreplica/store.h"
#include "replicator/remote.h"
#include "replicator/replicator.h"

struct store {
    replica_db *db;
    replica_collection *coll;
    const char *path;
    struct replica__replication *repl; /* store_replicate() */
    replica_doc *shown;                /* what was handed out last */
};
void store_close(struct store *s);
#define STORE __attribute__((cleanup(store_close))) struct store

struct store store_empty(void);
struct store store_memory(void);
struct store store_with(const char *json);
/* A handle of its own on a file; opts may be NULL. */
struct store store_open(const char *path, const replica_db_options *opts);
void store_reopen(struct store *s); /* the replication, too, if there was one */

void store_put(struct store *s, const char *json); /* whatever is there */
void store_delete(struct store *s, const char *id);
/* NULL if it is absent or deleted.  The text lives until the next call. */
const char *store_json(struct store *s, const char *id);
const char *store_rev(struct store *s, const char *id);
/* Have every statement prepared, which is most of what allocates. */
void store_prepare(replica_db *db);
/* replica_check() finds nothing. */
void store_sound(struct store *s);

/* Ask the file itself, through a connection of its own. */
int64_t store_sql_int(struct store *s, const char *sql);
void store_sql(struct store *s, const char *sql);
/* How often these bytes, at most 64, stand in "test.db" and its WAL. */
int store_words(const char *word);
/* Bytes of the database file and its WAL. */
int64_t store_size(struct store *s);

/* ---- replication ----------------------------------------------------------------- */

/* Open the replication called name over "notes", with one feed. */
void store_replicate(struct store *s, const char *name);
struct store store_replicated(void); /* store_empty(), as "r1" */

struct come {
    const char *json;
    int64_t sequence;
    bool deleted;
    const char *writer;
    int64_t stamp;
    int problem; /* instead of a text that can be scanned */
    int outcome; /* out */
};
/* Pull a page; gives the result. */
int store_pull(struct store *s, const char *checkpoint, struct come *docs, size_t n);
int store_pull_as(struct store *s, const char *incarnation, const char *checkpoint,
                  struct come *docs, size_t n);
/* Pull one document that must be applied; gives its outcome. */
int store_pull_one(struct store *s, const char *json, int64_t sequence);
/* Pull the news that a document is no more to be seen, or left the filter: REPLICA__GONE_...; gives
 * the outcome. */
int store_pull_gone(struct store *s, const char *id, int64_t sequence, int why);
void store_scan(struct store *s, const struct come *c, struct replica__pulled *ret);

#define PAGE __attribute__((cleanup(replica__push_page_free))) struct replica__push_page
/* The next page, of at most 100 rows; gives how many it has. */
int store_push(struct store *s, struct replica__push_page *page);
/* The same after replica__push_again(). */
int store_push_again(struct store *s, struct replica__push_page *page);
/* The page's only verdict, or one for all its rows.  real: of a conflict. */
int store_judge(struct store *s, const struct replica__push_page *page, int verdict,
                int64_t sequence, const char *real);
/* Push all there is and let it be taken, from this sequence number on. */
void store_push_all(struct store *s, int64_t sequence);
/* Pull one document and so have it clean. */
void store_clean(struct store *s, const char *json, int64_t sequence);

/* The first question; there must be one. */
#define QUESTION __attribute__((cleanup(store_question_free))) struct replica__unsettled
struct replica__unsettled store_question(struct store *s);
void store_question_free(struct replica__unsettled *u);
/* Answer it; gives whether it was written. */
bool store_settle(struct store *s, const struct replica__unsettled *u, int how, const char *json,
                  const char *rule);
int store_state(struct store *s, const char *id); /* REPLICA_DOC_... for "r1" */

#endif

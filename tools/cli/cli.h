/* What the commands share: options, exit codes, opening, printing.
 *
 * A command is one file with one `int cmd_x(int argc, char **argv)`; argv[0] is its name.  It says
 * in a table what it takes, and returns one of the exit codes below. */
#ifndef TOOLS_CLI_H
#define TOOLS_CLI_H

#include "base/buf.h"
#include "libreplica/libreplica.h"

#include <stdbool.h>
#include <stdio.h>

/* ---- exit codes ------------------------------------------------------------------ */

/* The manual (docs/man/replica.1) lists these; scripts rely on them. */
enum {
    CLI_OK = 0,
    CLI_NO = 1,          /* what was asked for is not there, was not reached, or has findings */
    CLI_USAGE = 2,
    CLI_UNREACHED = 3,   /* no server answers */
    CLI_CREDENTIALS = 4, /* missing, or refused */
    CLI_VERSION = 5,     /* of the schema, or of the file */
    CLI_CONFLICT = 6,    /* another revision is stored, or another one holds the lock */
    CLI_INPUT = 7,       /* text that is no document */
    CLI_STORAGE = 8,     /* I/O, full, corrupt, busy, read-only, out of memory */
    CLI_REFUSED = 9      /* the server answers, and does not serve us */
};

int cli_exit_code(int code); /* of a REPLICA_E code */

/* ---- options --------------------------------------------------------------------- */

enum cli_kind {
    CLI_FLAG = 1, /* bool * */
    CLI_TEXT,     /* const char ** */
    CLI_NUMBER,   /* int64_t *, not negative */
    CLI_LIST      /* struct cli_list *, may be given again */
};

#define CLI_LIST_MAX 64
struct cli_list {
    const char *items[CLI_LIST_MAX];
    size_t count;
};

struct cli_option {
    const char *name; /* without the dashes; NULL ends a table */
    enum cli_kind kind;
    bool required;
    void *to;
    const char *arg;  /* what the help calls its value; NULL for a flag */
    const char *help;
};
#define CLI_OPTION_DB(to) { "db", CLI_TEXT, true, to, "FILE", "the database" }
#define CLI_OPTION_COLLECTION(to) \
    { "collection", CLI_TEXT, true, to, "NAME", "the collection" }
#define CLI_OPTION_SCHEMA(to) \
    { "schema", CLI_TEXT, false, to, "FILE", "the collection's schema, with its key" }
#define CLI_OPTION_JSON(to) { "json", CLI_FLAG, false, to, NULL, "print JSON Lines" }

struct cli_command {
    const char *args;  /* "ID JSON", for the help */
    const char *about; /* the help's paragraph */
    int min, max;      /* number of arguments */
    const struct cli_option *options;
};

/* Fill what the options point to, and move the arguments to argv[1...].  Returns how many there
 * are, or < 0: the command ends with *ret_exit (the help was asked for, or the usage is wrong). */
int cli_parse(const struct cli_command *command, int argc, char **argv, int *ret_exit);

/* The arguments of a command about numbered entries: "list", or "retry 3".  0, or an exit code. */
int cli_entry(int count, char **argv, const char *alone, const char **ret_action,
              int64_t *ret_number);

/* The same about several: "retry 3 4"; the numbers may be left out.  There is room for all that the
 * command takes. */
int cli_numbers(int count, char **argv, const char **ret_action, int64_t *ret_numbers,
                size_t *ret_count);

/* ---- errors ---------------------------------------------------------------------- */

/* "replica put: ..." on standard error. */
void cli_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same about line `line` of `source` (a file's name, "argument"; line 0: it has no lines). */
void cli_complain_at(const char *source, int64_t line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int cli_usage(const char *format, ...) __attribute__((format(printf, 1, 2))); /* CLI_USAGE */
/* Say what err says, and return the exit code for it. */
int cli_failed(const replica_error *err);
/* The text that err is about came from there: "notes.jsonl:17: byte 23: expected ':'". */
int cli_bad_text(const char *source, int64_t line, const replica_error *err);
void cli_name(const char *command); /* what cli_complain() starts with */
/* Flush standard output; its failure is a failure of the command. */
int cli_finish(int exit_code);

/* ---- opening --------------------------------------------------------------------- */

/* A database and one of its collections, closed at the end of the scope. */
struct cli_store {
    replica_db *db;
    replica_collection *coll;
};
#define CLI_STORE_INIT { NULL, NULL }
void cli_close(struct cli_store *store);
#define CLI_STORE __attribute__((cleanup(cli_close))) struct cli_store

/* 0, or an exit code; the complaint is made.  flags: REPLICA_DB_... */
int cli_open(struct cli_store *store, const char *path, unsigned flags);
/* The same, with a collection that must be there. */
int cli_open_collection(struct cli_store *store, const char *path, unsigned flags,
                        const char *collection);
/* The same, but the file and the collection are created where they are absent.  key NULL: that of
 * the stored collection, else "id".  schema: text, which has the key and the version; or NULL. */
int cli_create_collection(struct cli_store *store, const char *path, const char *collection,
                          const char *key, const char *schema);
int cli_wrong_key(const char *path, replica_collection *coll, const char *key); /* complains */
/* 1, 0, or < 0 */
int cli_has_collection(replica_db *db, const char *collection, replica_error *err);

static inline void cli_unref(replica_doc **doc)
{
    *doc = replica_doc_unref(*doc);
}
#define CLI_DOC __attribute__((cleanup(cli_unref))) replica_doc *
static inline void cli_cursor_close(replica_cursor **cursor)
{
    replica_cursor_close(*cursor);
}
#define CLI_CURSOR __attribute__((cleanup(cli_cursor_close))) replica_cursor *

/* ---- input and output ------------------------------------------------------------ */

/* The text of an argument, or of standard input where it is "-" or NULL.  0, or an exit code. */
int cli_text(const char *arg, struct replica__buf *ret_text, const char **ret_source);

/* The text of a file: a schema's.  path "-": standard input; NULL: none, and *ret_text is NULL.  It
 * lives as long as buf.  0, or an exit code. */
int cli_file(const char *path, struct replica__buf *buf, const char **ret_text);
/* Rules for conflicts: JSON, a bare name, or @FILE of one of these.  NULL: none.  The same. */
int cli_rules(const char *arg, struct replica__buf *buf, const char **ret_json);
/* Complain about rules that nobody understands, and return the exit code. */
int cli_bad_rules(const replica_error *err);

/* A document's text on one line: line breaks, which are white space in JSON, become spaces; every
 * other byte is kept. */
void cli_print_line(const char *json, size_t len);
/* A JSON string, an object's member; the text of a document as a member (null without one). */
void cli_print_json(const char *json); /* within a line */
void cli_print_string(const char *text);
void cli_print_member(const char *name, const char *text); /* ,"name":"text" */
void cli_print_doc(const char *name, replica_doc *doc);    /* ,"name":{...} */
void cli_print_number(const char *name, int64_t number);   /* ,"name":1 */
/* {"seq":1,"id":"a","rev":"1-...","deleted":false}, with "doc" if asked for; one line. */
void cli_print_change(replica_doc *doc, bool with_doc);
/* For people: what another one wrote must not steer their terminal, nor begin a line.  Control
 * characters are printed as \u001b. */
void cli_print_plain(const char *text, size_t len);
void cli_write_plain(FILE *to, const char *text, size_t len);
/* Milliseconds since 1970 as 2026-01-31T12:00:00Z; room for CLI_TIME bytes. */
#define CLI_TIME 32
const char *cli_time(int64_t ms, char *room);

/* A number that grows, on a terminal only: "imported 12000".  Silent otherwise. */
void cli_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cli_progress_end(void);

/* ---- signals --------------------------------------------------------------------- */

/* From here on SIGINT and SIGTERM end the command's waiting instead of the process. */
void cli_catch_signals(void);
bool cli_interrupted(void);
/* Poll the database once and dispatch, for at most timeout_ms (-1: forever) or until a signal
 * comes.  < 0 failed. */
int cli_wait(replica_db *db, int timeout_ms, replica_error *err);

/* ---- the commands ---------------------------------------------------------------- */

int cmd_changes(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_conflicts(int argc, char **argv);
int cmd_delete(int argc, char **argv);
int cmd_emit(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_find(int argc, char **argv);
int cmd_get(int argc, char **argv);
int cmd_history(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_index(int argc, char **argv);
int cmd_listen(int argc, char **argv);
int cmd_lock(int argc, char **argv);
int cmd_locks(int argc, char **argv);
int cmd_ls(int argc, char **argv);
int cmd_merge(int argc, char **argv);
int cmd_patch(int argc, char **argv);
int cmd_purge(int argc, char **argv);
int cmd_put(int argc, char **argv);
int cmd_rejected(int argc, char **argv);
int cmd_schema(int argc, char **argv);
int cmd_search(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_sql(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_sync(int argc, char **argv);
int cmd_unlock(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_watch(int argc, char **argv);

#endif

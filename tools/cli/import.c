/* replica import: documents from JSON Lines, two passes over the input.
 *
 * The first pass looks at every line and writes nothing, so that a bad line anywhere leaves the
 * database as it was.  The second one writes in batches.  What only the store can tell (an id that
 * stands in two lines, one that somebody else wrote meanwhile) ends the import behind its batch,
 * and the complaint says how many documents were imported.  Memory is one batch, or one line. */
#include "tools/cli/cli.h"
#include "tools/cli/lines.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH_ROWS 1000
#define BATCH_BYTES ((size_t)4 << 20)
#define DOCUMENT_MAX ((size_t)16 << 20) /* the library's limit, */
#define LINE_MAX (DOCUMENT_MAX + 65536) /* and some white space around it */
#define KEY_MAX 1024                    /* bytes; the library's limit */

struct import {
    struct lines in;
    const char *key;          /* the collection's */
    replica_collection *coll; /* NULL: nothing is stored yet */
    replica_collection *judge; /* has the schema that documents must keep to; NULL: there is none */
    struct replica__buf text; /* the lines of one batch, one after the other */
    struct replica__buf ids;  /* first pass: their ids, each with a NUL */
    size_t starts[BATCH_ROWS + 1];
    size_t id_starts[BATCH_ROWS];
    int64_t numbers[BATCH_ROWS]; /* of the lines in the input */
    size_t count;
    bool upsert;
    int64_t imported;
};

static void import_free(struct import *i)
{
    lines_close(&i->in);
    replica__buf_free(&i->text);
    replica__buf_free(&i->ids);
}

/* Fill one batch.  1; 0: there is nothing left; < 0: -exit code. */
static int read_batch(struct import *i)
{
    int r = 1;

    replica__buf_clear(&i->text);
    i->count = 0;
    while (i->count < BATCH_ROWS && i->text.len < BATCH_BYTES) {
        i->starts[i->count] = i->text.len;
        r = lines_next(&i->in, &i->text);
        if (r <= 0)
            break;
        i->numbers[i->count++] = i->in.number;
        i->starts[i->count] = i->text.len;
    }
    return r < 0 ? r : i->count > 0;
}

static int percent(const struct import *i)
{
    return i->in.bytes > 0 ? (int)(i->in.done * 100 / i->in.bytes) : 100;
}

/* ---- the first pass -------------------------------------------------------------- */

static int refuse(struct import *i, size_t row, const char *why)
{
    cli_complain_at(i->in.source, i->numbers[row], "%s", why);
    return -CLI_INPUT;
}

/* Does it keep to the schema?  A bundle looks at what it is given, and stores nothing. */
static int judge_line(struct import *i, size_t row)
{
    replica_db *db = replica_collection_db(i->judge);
    replica_bundle *bundle = NULL;
    replica_error err = { .offset = -1 };
    int r = replica_bundle_begin(db, &bundle, &err);

    if (r >= 0)
        r = replica_bundle_put(bundle, i->judge, i->text.data + i->starts[row],
                               i->starts[row + 1] - i->starts[row],
                               i->upsert ? REPLICA_ANY_REV : NULL, &err);
    replica_bundle_cancel(bundle);
    return r < 0 ? -cli_bad_text(i->in.source, i->numbers[row], &err) : 0;
}

static int check_line(struct import *i, size_t row)
{
    static const struct replica__json_limits limits = { DOCUMENT_MAX, 0 };
    const char *line = i->text.data + i->starts[row];
    size_t len = i->starts[row + 1] - i->starts[row];
    struct replica__json_doc doc;
    replica_error err = { 0 };
    size_t pos = 0;
    char why[256];

    if (replica__json_scan(line, len, &pos, i->key, &limits, &doc, &err) < 0)
        return -cli_bad_text(i->in.source, i->numbers[row], &err);
    while (pos < len && strchr(" \t\r", line[pos]) && line[pos])
        pos++;
    if (pos < len) {
        snprintf(why, sizeof(why), "byte %zu: more text behind the document", pos + 1);
        return refuse(i, row, why);
    }
    i->id_starts[row] = i->ids.len;
    if (i->judge && !doc.key.data) { /* the schema may make it; the store will see it */
        replica__buf_char(&i->ids, '\0');
        return judge_line(i, row);
    }
    if (!doc.key.data) {
        snprintf(why, sizeof(why), "there is no key: a string called '%s'", i->key);
        return refuse(i, row, why);
    }
    if (doc.reserved)
        return refuse(i, row, "names that start with '_' are reserved");
    replica__json_unescape(doc.key, &i->ids);
    if (i->ids.len == i->id_starts[row] || i->ids.len - i->id_starts[row] > KEY_MAX ||
        memchr(i->ids.data + i->id_starts[row], '\0', i->ids.len - i->id_starts[row]))
        return refuse(i, row, "the key is empty, too long, or contains U+0000");
    replica__buf_char(&i->ids, '\0');
    return i->judge ? judge_line(i, row) : 0;
}

/* No id of the batch may be stored. */
static int check_ids(struct import *i)
{
    const char *ids[BATCH_ROWS];
    replica_doc *docs[BATCH_ROWS] = { NULL };
    replica_error err = { 0 };
    char why[320];
    int r, found;

    for (size_t row = 0; row < i->count; row++)
        ids[row] = i->ids.data + i->id_starts[row];
    found = r = replica_get_many(i->coll, ids, i->count, docs, &err);
    if (r < 0)
        return -cli_failed(&err);
    for (size_t row = 0; row < i->count; row++) {
        if (docs[row] && r == found) {
            snprintf(why, sizeof(why), "'%.200s' is stored already", ids[row]);
            refuse(i, row, why);
            r = -CLI_CONFLICT;
        }
        replica_doc_unref(docs[row]);
    }
    return r < 0 ? r : 0;
}

static int check_input(struct import *i)
{
    int r;

    while ((r = read_batch(i)) > 0) {
        replica__buf_clear(&i->ids);
        for (size_t row = 0; row < i->count && r > 0; row++)
            r = check_line(i, row) < 0 ? -CLI_INPUT : 1;
        if (r > 0 && i->ids.r < 0) {
            cli_complain("out of memory");
            r = -CLI_STORAGE;
        }
        if (r > 0 && i->coll && !i->upsert)
            r = check_ids(i);
        if (r < 0)
            return r;
        cli_progress("checked %d %%", percent(i));
    }
    return r;
}

/* ---- the second pass ------------------------------------------------------------- */

/* Name the rows that the store refused. */
static int report_rows(struct import *i, const replica_bulk_row *rows, const replica_error *first)
{
    int worst = 0;
    bool said = false;

    for (size_t row = 0; row < i->count; row++) {
        replica_error err = { .code = rows[row].code, .offset = -1 };

        if (rows[row].code == 0) {
            i->imported++;
            continue;
        }
        if (rows[row].code == REPLICA_ECANCELLED)
            continue;
        if (!said && first->code == err.code)
            err = *first;
        else
            err.offset = rows[row].offset;
        said = true;
        worst = cli_bad_text(i->in.source, i->numbers[row], &err);
    }
    return worst;
}

static int write_batch(struct import *i)
{
    replica_bulk_row rows[BATCH_ROWS];
    replica_error err = { 0 };
    int r, worst;

    memset(rows, 0, sizeof(rows));
    for (size_t row = 0; row < i->count; row++) {
        rows[row].json = i->text.data + i->starts[row];
        rows[row].len = i->starts[row + 1] - i->starts[row];
        rows[row].base_rev = i->upsert ? REPLICA_ANY_REV : NULL;
        rows[row].code = REPLICA_ECANCELLED;
    }
    r = replica_bulk(i->coll, rows, i->count, &err);
    worst = report_rows(i, rows, &err);
    if (r < 0)
        return -cli_failed(&err);
    return -worst;
}

static int write_input(struct import *i)
{
    int r;

    lines_rewind(&i->in);
    while ((r = read_batch(i)) > 0) {
        r = write_batch(i);
        if (r < 0)
            break;
        cli_progress("imported %lld (%d %%)", (long long)i->imported, percent(i));
    }
    if (r < 0)
        cli_complain("stopped; %lld documents were imported", (long long)i->imported);
    return r;
}

/* The collection as it is before the import, if it is. */
static int open_stored(struct import *i, struct cli_store *store, const char *path,
                       const char *collection, const char *key)
{
    replica_error err = { 0 };
    int r;

    if (access(path, F_OK) != 0)
        return 0;
    r = cli_open(store, path, REPLICA_DB_READ_ONLY);
    if (r)
        return r;
    r = cli_has_collection(store->db, collection, &err);
    if (r > 0)
        r = replica_db_collection(store->db, collection, NULL, &i->coll, &err);
    if (r < 0)
        return cli_failed(&err);
    if (!i->coll)
        return 0;
    if (key && strcmp(key, replica_collection_key(i->coll)) != 0)
        return cli_wrong_key(path, i->coll, key);
    i->key = replica_collection_key(i->coll);
    return 0;
}

/* What the first pass asks: the stored collection, or one in memory with the schema given. */
static int open_judge(struct import *i, struct cli_store *store, const char *collection,
                      const char *key, const char *schema)
{
    int r;

    if (!schema) {
        i->judge = i->coll && replica_collection_schema(i->coll) ? i->coll : NULL;
        return 0;
    }
    r = cli_create_collection(store, ":memory:", collection, key, schema);
    if (r == 0) {
        i->judge = store->coll;
        i->key = replica_collection_key(store->coll);
    }
    return r;
}

static int import(struct import *i, const char *path, const char *collection, const char *key,
                  const char *schema)
{
    CLI_STORE before = CLI_STORE_INIT;
    CLI_STORE judge = CLI_STORE_INIT;
    CLI_STORE store = CLI_STORE_INIT;
    int r;

    i->key = key ? key : "id";
    r = open_stored(i, &before, path, collection, key);
    if (r == 0)
        r = open_judge(i, &judge, collection, key, schema);
    if (r)
        return r;
    r = check_input(i);
    if (r < 0) {
        cli_complain("nothing was imported");
        return -r;
    }
    r = cli_create_collection(&store, path, collection, key, schema);
    if (r)
        return r;
    i->coll = store.coll;
    return -write_input(i);
}

int cmd_import(int argc, char **argv)
{
    const char *db = NULL, *collection = NULL, *key = NULL, *schema_file = NULL, *schema = NULL;
    REPLICA_BUF schema_text = REPLICA_BUF_INIT;
    bool upsert = false;
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        CLI_OPTION_COLLECTION(&collection),
        { "key", CLI_TEXT, false, &key, "FIELD", "the primary key of a new collection (id)" },
        CLI_OPTION_SCHEMA(&schema_file),
        { "upsert", CLI_FLAG, false, &upsert, NULL, "replace documents that are stored already" },
        { 0 },
    };
    const struct cli_command command = {
        "[FILE|-]",
        "Store the documents of a JSON Lines file, or of standard input.  All lines are looked at\n"
        "first: if one is bad, or its id is stored already, nothing is imported.",
        0, 1, options,
    };
    struct import *i;
    int r, n;

    n = cli_parse(&command, argc, argv, &r);
    if (n < 0)
        return r;
    r = cli_file(schema_file, &schema_text, &schema);
    if (r)
        return r;
    i = calloc(1, sizeof(*i));
    if (!i) {
        cli_complain("out of memory");
        return CLI_STORAGE;
    }
    i->upsert = upsert;
    r = lines_open(&i->in, n ? argv[1] : NULL, LINE_MAX);
    if (r == 0)
        r = import(i, db, collection, key, schema);
    import_free(i);
    free(i);
    return cli_finish(r);
}

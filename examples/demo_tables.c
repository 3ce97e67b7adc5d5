/* The code tables: their names and keys, and the way from a file to documents.
 *
 * A file is one JSON object with one array, {"639-3": [{...}, ...]}.  Its rows are found by their
 * brackets; whether each is well-formed is looked at by the store, which takes nothing else. */
#include "examples/demo_tables.h"
#include "examples/merge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (64L * 1024 * 1024) /* the largest one has 1 MiB */

const struct table tables[TABLES] = {
    { "languages", "alpha_3", "iso_639-3.json" },
    { "languages-639-2", "alpha_3", "iso_639-2.json" },
    { "language-families", "alpha_3", "iso_639-5.json" },
    { "countries", "alpha_2", "iso_3166-1.json" },
    { "former-countries", "alpha_4", "iso_3166-3.json" },
    { "subdivisions", "code", "iso_3166-2.json" },
    { "scripts", "numeric", "iso_15924.json" },
    { "currencies", "alpha_3", "iso_4217.json" },
};

int table_open(const struct table *table, replica_db *db, replica_collection **ret_coll,
               replica_error *err)
{
    static const char *const counters[] = { "visits", NULL };
    replica_conflict_handler handler = REPLICA_CONFLICT_HANDLER_INIT;
    replica_collection_options opts = REPLICA_COLLECTION_OPTIONS_INIT;

    merge_handler(strcmp(table->name, "countries") == 0 ? counters : NULL, &handler);
    opts.key = table->key;
    opts.handler = &handler;
    return replica_db_collection(db, table->name, &opts, ret_coll, err);
}

/* ---- reading --------------------------------------------------------------------- */

static int failed(const char *path, const char *why, replica_error *err)
{
    *err = (replica_error){ .code = REPLICA_EIO, .detail = errno, .offset = -1 };
    snprintf(err->message, sizeof(err->message), "%.300s: %.100s", path, why);
    return err->code;
}

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    long size = -1;

    if (file && fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    if (size >= 0 && size <= FILE_MAX)
        text = malloc((size_t)size + 1);
    if (text) {
        rewind(file);
        text[fread(text, 1, (size_t)size, file)] = '\0';
    }
    if (file)
        fclose(file);
    return text;
}

/* Cut one row out, leaving out the white space between its tokens, and return what follows it.
 * NULL: it has no end. */
static char *cut_row(char *from)
{
    char *to = from;
    int depth = 0, in_string = 0;

    for (; *from; from++) {
        if (!in_string && strchr(" \t\r\n", *from))
            continue;
        *to++ = *from;
        if (in_string && *from == '\\' && from[1])
            *to++ = *++from;
        else if (*from == '"')
            in_string = !in_string;
        else if (!in_string)
            depth += (*from == '{') - (*from == '}');
        if (depth == 0) {
            from++;
            if (to < from)
                *to = '\0';
            return from;
        }
    }
    return NULL;
}

static int add_row(struct rows *rows, const char *json)
{
    if (rows->count % 1024 == 0) {
        const char **more = realloc(rows->json, (rows->count + 1024) * sizeof(*more));

        if (!more)
            return -1;
        rows->json = more;
    }
    rows->json[rows->count++] = json;
    return 0;
}

int rows_read(const struct table *table, const char *folder, struct rows *ret_rows,
              replica_error *err)
{
    struct rows rows = { 0 };
    char path[512];
    char *at;
    int r = 0;

    snprintf(path, sizeof(path), "%s/%s", folder, table->file);
    rows.text = read_text(path);
    if (!rows.text)
        return failed(path, errno ? strerror(errno) : "too large", err);
    at = strchr(rows.text, '[');
    while (r == 0 && at && (at = strchr(at, '{')) != NULL) {
        const char *row = at;

        at = cut_row(at);
        r = at ? add_row(&rows, row) : -1;
        if (at && *at)
            *at++ = '\0'; /* a comma, or a bracket, or blank */
    }
    if (r < 0 || rows.count == 0) {
        rows_free(&rows);
        return failed(path, "not a table, or out of memory", err);
    }
    *ret_rows = rows;
    return 0;
}

void rows_free(struct rows *rows)
{
    free(rows->text);
    free(rows->json);
}

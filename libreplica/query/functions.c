#include "libreplica/query/functions.h"

#include "base/alloc.h"
#include "libreplica/keys.h"
#include "libreplica/query/mango.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- values ---------------------------------------------------------------------- */

size_t replica__real_write(double x, char room[REPLICA__REAL_SIZE])
{
    int len = 0;

    for (int digits = 15; digits <= 17; digits++) {
        struct replica__json_value v = { .type = REPLICA_JSON_NUMBER };
        bool whole = true;

        len = snprintf(room, REPLICA__REAL_SIZE - 2, "%.*g", digits, x);
        if (isinf(x) || isnan(x))
            return (size_t)len;
        for (int i = 0; i < len; i++) {
            if (!strchr("0123456789+-e", room[i]))
                room[i] = '.'; /* the locale's point */
            whole = whole && room[i] != '.' && room[i] != 'e';
        }
        v.text = (struct replica__slice){ room, (size_t)len };
        if (digits < 17 && replica__json_double(v) != x)
            continue;
        if (whole) {
            memcpy(room + len, ".0", 3);
            len += 2;
        }
        break;
    }
    return (size_t)len;
}

/* A double stands for a number if the shortest decimal that means the double is that number. */
static bool is_real(struct replica__json_value v, double *ret)
{
    char room[REPLICA__REAL_SIZE];
    double x = replica__json_double(v);
    size_t len = replica__real_write(x, room);

    *ret = x;
    return (room[len - 1] >= '0' && room[len - 1] <= '9') &&
           replica__json_number_compare(v.text, (struct replica__slice){ room, len }) == 0;
}

static struct replica__slice string_text(struct replica__json_value v, struct replica__buf *out)
{
    struct replica__slice spelled = { v.text.data + 1, v.text.len - 2 };

    if (!memchr(spelled.data, '\\', spelled.len))
        return spelled;
    replica__buf_clear(out);
    replica__buf_str(out, "");
    replica__json_unescape(spelled, out);
    return (struct replica__slice){ out->data, out->len };
}

struct replica__sql_of_json replica__json_to_sql(struct replica__json_value v,
                                                 struct replica__buf *out)
{
    struct replica__sql_of_json sql = { .kind = REPLICA__AS_NULL };

    switch (v.type) {
    case REPLICA_JSON_NONE:
    case REPLICA_JSON_NULL:
        break;
    case REPLICA_JSON_FALSE:
    case REPLICA_JSON_TRUE:
        sql.kind = REPLICA__AS_INTEGER;
        sql.integer = v.type == REPLICA_JSON_TRUE;
        break;
    case REPLICA_JSON_NUMBER:
        sql.text = v.text;
        sql.kind = replica__json_int(v, &sql.integer) ? REPLICA__AS_INTEGER
                   : is_real(v, &sql.real)            ? REPLICA__AS_REAL
                                                      : REPLICA__AS_TEXT;
        break;
    case REPLICA_JSON_STRING:
        sql.kind = REPLICA__AS_TEXT;
        sql.text = string_text(v, out);
        break;
    case REPLICA_JSON_ARRAY:
    case REPLICA_JSON_OBJECT:
        sql.kind = REPLICA__AS_TEXT;
        sql.text = v.text;
        break;
    }
    return sql;
}

static int add_word(void *ctx, struct replica__json_value v)
{
    struct replica__buf *out = ctx;

    if (v.type != REPLICA_JSON_STRING && v.type != REPLICA_JSON_NUMBER)
        return 0;
    if (out->len > 0)
        replica__buf_char(out, '\n');
    if (v.type == REPLICA_JSON_NUMBER)
        replica__buf_add(out, v.text.data, v.text.len);
    else
        replica__json_unescape((struct replica__slice){ v.text.data + 1, v.text.len - 2 }, out);
    return 0;
}

void replica__words_add(const struct replica__path *path, const char *json, size_t len,
                        struct replica__buf *out)
{
    replica__path_each(path, json, len, add_word, out);
}

/* ---- functions ------------------------------------------------------------------- */

static void fail(sqlite3_context *context, int r, const replica_error *err)
{
    if (r == REPLICA_ENOMEM)
        sqlite3_result_error_nomem(context);
    else if (r == REPLICA_ELIMIT)
        sqlite3_result_error_toobig(context);
    else
        sqlite3_result_error(context, err ? err->message : "it cannot be matched", -1);
}

static void free_path(void *p)
{
    replica__path_free(p);
    replica__free(p);
}

/* The path of argument `at`, parsed once for a statement. */
static const struct replica__path *path_of(sqlite3_context *context, sqlite3_value **args, int at)
{
    struct replica__path *path = sqlite3_get_auxdata(context, at);
    replica_error err = { 0 };
    const char *text;
    int r;

    if (path)
        return path;
    text = (const char *)sqlite3_value_text(args[at]);
    path = text ? replica__alloc_zero(1, sizeof *path) : NULL;
    if (!path) {
        sqlite3_result_error_nomem(context);
        return NULL;
    }
    r = replica__path_parse(text, (size_t)sqlite3_value_bytes(args[at]), path, &err);
    if (r < 0) {
        replica__free(path);
        fail(context, r, &err);
        return NULL;
    }
    sqlite3_set_auxdata(context, at, path, free_path);
    return sqlite3_get_auxdata(context, at); /* NULL: it was freed at once, without memory */
}

/* What passed the gate once may be looked into; what a statement made up has not. */
static bool is_json(sqlite3_context *context, const char *json, size_t len)
{
    static const struct replica__json_limits limits = { .max_bytes = 0, .max_depth = 1000 };
    replica_error err = { 0 };
    int r = json ? replica__json_check(json, len, &limits, &err) : REPLICA_ENOMEM;

    if (r < 0)
        fail(context, r, &err);
    return r >= 0;
}

static void field(sqlite3_context *context, int n, sqlite3_value **args)
{
    REPLICA_BUF out = REPLICA_BUF_INIT;
    struct replica__sql_of_json sql;
    const struct replica__path *path;
    const char *json;
    size_t len;

    if (sqlite3_value_type(args[0]) == SQLITE_NULL || sqlite3_value_type(args[1]) == SQLITE_NULL)
        return;
    path = path_of(context, args, 1);
    if (!path)
        return;
    json = (const char *)sqlite3_value_text(args[0]);
    len = (size_t)sqlite3_value_bytes(args[0]);
    if (!is_json(context, json, len))
        return;
    sql = replica__json_to_sql(replica__path_value(path, json, len, NULL), &out);
    if (out.r < 0)
        sqlite3_result_error_nomem(context);
    else if (sql.kind == REPLICA__AS_INTEGER)
        sqlite3_result_int64(context, sql.integer);
    else if (sql.kind == REPLICA__AS_REAL)
        sqlite3_result_double(context, sql.real);
    else if (sql.kind == REPLICA__AS_TEXT)
        sqlite3_result_text64(context, sql.text.data, sql.text.len, SQLITE_TRANSIENT, SQLITE_UTF8);
}

static void words(sqlite3_context *context, int n, sqlite3_value **args)
{
    REPLICA_BUF out = REPLICA_BUF_INIT;
    const struct replica__path *path = path_of(context, args, 1);
    const char *json;

    if (!path)
        return;
    json = (const char *)sqlite3_value_text(args[0]);
    if (!is_json(context, json, (size_t)sqlite3_value_bytes(args[0])))
        return;
    replica__words_add(path, json, (size_t)sqlite3_value_bytes(args[0]), &out);
    if (out.r < 0)
        sqlite3_result_error_nomem(context);
    else
        sqlite3_result_text64(context, out.data ? out.data : "", out.len, SQLITE_TRANSIENT,
                              SQLITE_UTF8);
}

static void free_selector(void *p)
{
    replica__selector_free(p);
}

static struct replica__selector *selector_of(sqlite3_context *context, sqlite3_value **args)
{
    struct replica__selector *selector = sqlite3_get_auxdata(context, 0);
    const char *text = selector ? NULL : (const char *)sqlite3_value_text(args[0]);
    replica_error err = { 0 };
    int r;

    if (selector || !text)
        return selector;
    r = replica__selector_parse(text, (size_t)sqlite3_value_bytes(args[0]), &selector, &err);
    if (r < 0) {
        fail(context, r, &err);
        return NULL;
    }
    sqlite3_set_auxdata(context, 0, selector, free_selector);
    return sqlite3_get_auxdata(context, 0);
}

static void match(sqlite3_context *context, int n, sqlite3_value **args)
{
    struct replica__selector *selector = selector_of(context, args);
    const char *json = selector ? (const char *)sqlite3_value_text(args[1]) : NULL;
    int r;

    if (!selector || !is_json(context, json, (size_t)sqlite3_value_bytes(args[1])))
        return;
    r = replica__selector_match(selector, json, (size_t)sqlite3_value_bytes(args[1]));
    if (r < 0 && r != REPLICA_ELIMIT) /* what cannot be matched in time is in no index */
        fail(context, r, NULL);
    else
        sqlite3_result_int(context, r > 0);
}

/* Is the key one that the pattern matches?  Without a pattern, all are. */
static void in_keys(sqlite3_context *context, int n, sqlite3_value **args)
{
    const char *pattern = (const char *)sqlite3_value_text(args[0]);
    const char *key = (const char *)sqlite3_value_text(args[1]);

    sqlite3_result_int(context, !pattern || (key && replica_key_matches(pattern, key)));
}

int replica__functions_add(sqlite3 *sqlite)
{
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    int rc = sqlite3_create_function(sqlite, "field", 2, flags, NULL, field, NULL, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_create_function(sqlite, "replica_words", 2, flags, NULL, words, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function(sqlite, "replica_match", 2, flags, NULL, match, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function(sqlite, "replica_in_keys", 2, flags, NULL, in_keys, NULL,
                                     NULL);
    return rc;
}

/* Which indexes a collection has: created and dropped by the program, or as its schema says. */
#include "libreplica/index/index.h"

#include "base/options.h"
#include "libreplica/index/text.h"
#include "libreplica/txn.h"
#include "schema/collection.h"

#include <string.h>

#define MAX_INDEXES 64
#define MAX_NAME 255 /* as replica_plan shows it */
#define PUBLIC_FLAGS (REPLICA_INDEX_UNIQUE | REPLICA_INDEX_TEXT)

struct definition {
    struct replica__buf name;
    struct replica__buf fields; /* as JSON */
    const char *const *paths;
    size_t n;
    const char *where;
    unsigned flags;
};

static void definition_free(struct definition *d)
{
    replica__buf_free(&d->name);
    replica__buf_free(&d->fields);
}
#define DEFINITION __attribute__((cleanup(definition_free))) struct definition

static int define(struct definition *d, const char *name, replica_error *err)
{
    for (size_t i = 0; i < d->n; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(d->paths[i], d->paths[k]) == 0)
                return replica__error_set(err, REPLICA_EINVAL, 0, "field '%.200s' twice",
                                          d->paths[i]);
        }
    }
    replica__buf_char(&d->fields, '[');
    for (size_t i = 0; i < d->n; i++) {
        if (i > 0)
            replica__buf_char(&d->fields, ',');
        replica__buf_json_string(&d->fields, d->paths[i], strlen(d->paths[i]));
        if (!name && i > 0)
            replica__buf_char(&d->name, ',');
        if (!name)
            replica__buf_str(&d->name, d->paths[i]);
    }
    replica__buf_char(&d->fields, ']');
    if (name)
        replica__buf_str(&d->name, name);
    if (d->fields.r < 0 || d->name.r < 0)
        return replica__enomem(err);
    if (d->name.len > MAX_NAME || d->name.len == 0)
        return replica__error_set(err, REPLICA_EINVAL, 0,
                                  "an index's name has 1 to %d bytes, not %zu", MAX_NAME,
                                  d->name.len);
    return 0;
}

/* ---- in a transaction ------------------------------------------------------------ */

static struct replica__index *named(struct replica__index *first, const char *name)
{
    while (first && strcmp(first->name, name) != 0)
        first = first->next;
    return first;
}

static bool same_selector(const char *a, const char *b)
{
    if (!a || !b)
        return !a && !b;
    return replica__json_equal(a, strlen(a), b, strlen(b), 0) > 0;
}

static bool is_same(const struct replica__index *index, const struct definition *d)
{
    if (index->n != d->n || (index->flags & PUBLIC_FLAGS) != (d->flags & PUBLIC_FLAGS) ||
        !same_selector(index->where, d->where))
        return false;
    for (size_t i = 0; i < d->n; i++) {
        if (strcmp(index->field_names[i], d->paths[i]) != 0)
            return false;
    }
    return true;
}

static int create_text(replica_collection *coll, int64_t number, replica_error *err)
{
    struct replica__index *index = NULL;
    int64_t of = 0;
    int r = replica__index_read(coll->db, number, &index, &of, err);

    if (r > 0)
        r = replica__index_text_create(coll->db, of, index, err);
    replica__indexes_free(index);
    return r;
}

static int add(replica_collection *coll, const struct definition *d, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(coll->db, REPLICA__SQL_INDEX_ADD, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, coll->number, &rc);
    replica__bind_text(stmt, 2, d->name.data, d->name.len, &rc);
    replica__bind_text(stmt, 3, d->fields.data, d->fields.len, &rc);
    replica__bind_int(stmt, 4, d->flags, &rc);
    replica__bind_text(stmt, 5, d->where, REPLICA_NUL, &rc);
    r = replica__sql_step(coll->db, stmt, rc, err);
    if (r >= 0 && d->flags & REPLICA_INDEX_TEXT)
        r = create_text(coll, sqlite3_last_insert_rowid(coll->db->sqlite), err);
    return r;
}

static int drop(replica_db *db, const struct replica__index *index, replica_error *err)
{
    if (index->flags & REPLICA_INDEX_TEXT) {
        int r = replica__index_text_drop(db, index->number, err);

        if (r < 0)
            return r;
    }
    return replica__sql_run(db, REPLICA__SQL_INDEX_DROP, err, index->number);
}

static int commit(replica_db **txn, replica_error *err)
{
    replica_db *db = *txn;
    int r;

    replica__indexes_forget(db);
    r = replica__txn_commit(txn, err);
    if (r >= 0)
        replica__index_build_later(db);
    return r;
}

/* ---- the program's --------------------------------------------------------------- */

static int check(const replica_index_options *o, replica_error *err)
{
    if (o->n == 0 || o->n > REPLICA__INDEX_FIELDS || !o->fields)
        return replica__error_set(err, REPLICA_EINVAL, 0, "an index has 1 to %d fields, not %zu",
                                  REPLICA__INDEX_FIELDS, o->n);
    if (o->flags & ~PUBLIC_FLAGS || (o->flags & PUBLIC_FLAGS) == PUBLIC_FLAGS)
        return replica__error_set(err, REPLICA_EINVAL, 0,
                                  "an unknown flag, or full text that is unique");
    for (size_t i = 0; i < o->n; i++) {
        struct replica__path path = { 0 };
        int r = o->fields[i] ? replica__path_parse(o->fields[i], strlen(o->fields[i]), &path, err)
                             : replica__error_set(err, REPLICA_EINVAL, 0, "field %zu is NULL", i);

        if (r < 0)
            return r;
        replica__path_free(&path);
    }
    return 0;
}

static int check_where(const char *where, replica_error *err)
{
    struct replica__selector *selector = NULL;
    int r = where ? replica__selector_parse(where, strlen(where), &selector, err) : 0;

    replica__selector_free(selector);
    return r;
}

static int create(replica_collection *coll, const struct definition *d, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    struct replica__index *first = NULL, *known;
    size_t n = 0;
    int r = replica__txn_begin(coll->db, &txn, err);

    if (r >= 0)
        r = replica__indexes_of(coll, &first, err);
    if (r < 0)
        return r;
    for (struct replica__index *i = first; i; i = i->next)
        n++;
    known = named(first, d->name.data);
    if (known && is_same(known, d))
        return 0;
    if (known)
        return replica__error_set(err, REPLICA_EINVAL, 0, "there is another index called '%s'",
                                  d->name.data);
    if (n >= MAX_INDEXES)
        return replica__error_set(err, REPLICA_ELIMIT, 0, "'%s' has %d indexes already", coll->name,
                                  MAX_INDEXES);
    r = add(coll, d, err);
    if (r >= 0)
        r = commit(&txn, err);
    return r < 0 ? r : 1;
}

int replica_index_create(replica_collection *coll, const replica_index_options *opts,
                         replica_error *err)
{
    replica_index_options o = { 0 };
    DEFINITION d = { .name = REPLICA_BUF_INIT };
    int r;

    if (!coll || !opts)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no collection, or no options");
    r = replica__options(opts, opts->size, &o, sizeof o, err);
    if (r >= 0)
        r = check(&o, err);
    if (r >= 0)
        r = check_where(o.where, err);
    if (r >= 0) {
        d.paths = o.fields;
        d.n = o.n;
        d.where = o.where;
        d.flags = o.flags;
        r = define(&d, o.name, err);
    }
    if (r >= 0)
        r = create(coll, &d, err);
    if (r < 0)
        replica__error_where(err, "%s", coll->name);
    return r;
}

int replica_index_drop(replica_collection *coll, const char *name, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    struct replica__index *index = NULL;
    int r;

    if (!coll || !name)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no collection, or no name");
    r = replica__txn_begin(coll->db, &txn, err);
    if (r >= 0)
        r = replica__indexes_of(coll, &index, err);
    if (r < 0)
        return r;
    index = named(index, name);
    if (!index)
        return 0;
    r = drop(coll->db, index, err);
    if (r >= 0)
        r = commit(&txn, err);
    return r < 0 ? r : 1;
}

int replica_index_wait(replica_collection *coll, replica_error *err)
{
    bool again = true;
    int r;

    if (!coll)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no collection");
    do {
        r = replica__index_build(coll->db, coll, again, err);
        again = false;
    } while (r > 0);
    return r;
}

/* ---- the list -------------------------------------------------------------------- */

/* fn may use the database, and change the indexes: it gets copies. */
static int show(const struct replica__index *index,
                int (*fn)(void *ctx, const replica_index_entry *entry), void *ctx,
                replica_error *err)
{
    const char *fields[REPLICA__INDEX_FIELDS];
    REPLICA_FREE char *name = replica__strdup(index->name);
    REPLICA_FREE char *where = replica__strdup(index->where);
    REPLICA_BUF texts = REPLICA_BUF_INIT;
    size_t at = 0;

    for (size_t i = 0; i < index->n; i++)
        replica__buf_add(&texts, index->field_names[i], strlen(index->field_names[i]) + 1);
    if (!name || texts.r < 0 || (index->where && !where))
        return replica__enomem(err);
    for (size_t i = 0; i < index->n; i++) {
        fields[i] = texts.data + at;
        at += strlen(fields[i]) + 1;
    }
    return fn(ctx, &(replica_index_entry){
                       .name = name,
                       .fields = fields,
                       .n = index->n,
                       .where = where,
                       .flags = index->flags & PUBLIC_FLAGS,
                       .from_schema = (index->flags & REPLICA__INDEX_SCHEMA) != 0,
                       .ready = index->built == INT64_MAX,
                   });
}

int replica_indexes(replica_collection *coll,
                    int (*fn)(void *ctx, const replica_index_entry *entry), void *ctx,
                    replica_error *err)
{
    REPLICA_FREE char *last = NULL;
    int r = 0;

    if (!coll || !fn)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no collection, or no function");
    while (r == 0) {
        struct replica__index *index = NULL;

        r = replica__txn_know(coll->db, err);
        if (r >= 0)
            r = replica__indexes_of(coll, &index, err);
        while (r >= 0 && index && last && strcmp(index->name, last) <= 0)
            index = index->next;
        if (r < 0 || !index)
            return r;
        replica__free(last);
        last = replica__strdup(index->name);
        r = last ? show(index, fn, ctx, err) : replica__enomem(err);
    }
    return r;
}

/* ---- the schema's ---------------------------------------------------------------- */

/* As the schema writes it, but for the primary key at its end, which every index has. */
static int define_spec(const replica_collection *coll, const struct replica__index_spec *spec,
                       struct definition *d, replica_error *err)
{
    *d = (struct definition){ .paths = (const char *const *)spec->fields,
                              .n = spec->n,
                              .flags = REPLICA__INDEX_SCHEMA };
    if (d->n > 1 && strcmp(spec->fields[d->n - 1], coll->key) == 0)
        d->n--;
    if (d->n == 0 || d->n > REPLICA__INDEX_FIELDS)
        return replica__error_set(err, REPLICA_ENOTSUP, 0, "an index has 1 to %d fields, not %zu",
                                  REPLICA__INDEX_FIELDS, d->n);
    return define(d, NULL, err);
}

static int is_wanted(const replica_collection *coll,
                     const struct replica__collection_schema *schema, const char *name,
                     replica_error *err)
{
    int found = 0;

    for (size_t i = 0; found == 0 && schema && i < schema->index_count; i++) {
        DEFINITION d = { .name = REPLICA_BUF_INIT };
        int r = define_spec(coll, &schema->indexes[i], &d, err);

        if (r < 0)
            return r;
        found = strcmp(d.name.data, name) == 0;
    }
    return found;
}

/* Drop what is too much.  change false: only look.  Returns how many. */
static int drop_unwanted(replica_collection *coll, const struct replica__collection_schema *schema,
                         bool change, replica_error *err)
{
    struct replica__index *index = NULL;
    int n = 0;
    int r = replica__indexes_of(coll, &index, err);

    for (; r >= 0 && index; index = index->next) {
        if (!(index->flags & REPLICA__INDEX_SCHEMA))
            continue;
        r = is_wanted(coll, schema, index->name, err);
        if (r != 0)
            continue;
        n++;
        r = change ? drop(coll->db, index, err) : 0;
    }
    return r < 0 ? r : n;
}

static int add_missing(replica_collection *coll, const struct replica__collection_schema *schema,
                       bool change, replica_error *err)
{
    struct replica__index *first = NULL;
    int n = 0;
    int r = 0;

    for (size_t i = 0; r >= 0 && schema && i < schema->index_count; i++) {
        DEFINITION d = { .name = REPLICA_BUF_INIT };

        r = define_spec(coll, &schema->indexes[i], &d, err);
        if (r >= 0 && change) { /* it may be in the schema twice */
            replica__indexes_forget(coll->db);
            r = replica__txn_know(coll->db, err);
        }
        if (r >= 0)
            r = replica__indexes_of(coll, &first, err);
        if (r < 0 || named(first, d.name.data))
            continue;
        n++;
        r = change ? add(coll, &d, err) : 0;
    }
    return r < 0 ? r : n;
}

static int follow(replica_collection *coll, const struct replica__collection_schema *schema,
                  bool change, replica_error *err)
{
    int dropped = drop_unwanted(coll, schema, change, err);
    int added = dropped < 0 ? dropped : add_missing(coll, schema, change, err);

    return added < 0 ? added : dropped + added;
}

int replica__indexes_follow_schema(replica_collection *coll,
                                   const struct replica__collection_schema *schema,
                                   replica_error *err)
{
    REPLICA_TXN txn = NULL;
    int r = replica__txn_know(coll->db, err);

    if (r >= 0)
        r = follow(coll, schema, false, err);
    if (r <= 0 || coll->db->flags & REPLICA_DB_READ_ONLY)
        return r < 0 ? r : 0;
    r = replica__txn_begin(coll->db, &txn, err);
    if (r >= 0)
        r = follow(coll, schema, true, err);
    return r < 0 ? r : commit(&txn, err);
}

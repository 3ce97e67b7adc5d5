#include "libreplica/replication/master_whole.h"

#include <stdlib.h>
#include <string.h>

enum {
    FEW_DOCUMENTS = 1000,   /* that come for the sake of bundles whose states are not shown */
    FEW_BUNDLES = 8000,     /* that are looked at for that */
    MOST_DOCUMENTS = 100000 /* that come at all: as many as a bundle may have */
};

/* Places of texts or documents, found by their hash: 0 is none. */
struct slots {
    size_t *at;
    size_t room, n;
};

struct whole {
    replica_db *db;
    replica_collection *const *colls;
    size_t n;
    int64_t last;
    bool wide;              /* look at bundles whose states are not shown, too */
    bool too_many;          /* it was left before its end */
    struct replica__buf names; /* of bundles, each with a NUL; new ones go to the end */
    struct slots known_names;
    struct replica__buf found; /* names on the way */
    struct replica__feed_key *keys;
    size_t count, room;
    struct slots known_keys;
};

static void whole_free(struct whole *w)
{
    replica__buf_free(&w->names);
    replica__buf_free(&w->found);
    replica__free(w->known_names.at);
    replica__free(w->known_keys.at);
    replica__free(w->keys);
}

int replica__feed_key_compare(const void *a, const void *b)
{
    const struct replica__feed_key *x = a, *y = b;

    return (x->seq > y->seq) - (x->seq < y->seq);
}

/* ---- what is known --------------------------------------------------------------- */

static uint64_t hash_bytes(const void *data, size_t len)
{
    const unsigned char *bytes = data;
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash ^ hash >> 32;
}

static uint64_t hash_of(const struct whole *w, const struct slots *s, size_t place)
{
    if (s == &w->known_names)
        return hash_bytes(w->names.data + place, strlen(w->names.data + place));
    return hash_bytes(&w->keys[place].number, sizeof w->keys[place].number);
}

/* Room for one more; at most half of it is taken. */
static int grow(struct whole *w, struct slots *s, replica_error *err)
{
    struct slots more = { .room = s->room ? s->room * 2 : 64, .n = s->n };

    if (s->n * 2 < s->room)
        return 0;
    more.at = replica__alloc_zero(more.room, sizeof *more.at);
    if (!more.at)
        return replica__enomem(err);
    for (size_t i = 0; i < s->room; i++) {
        size_t slot;

        if (!s->at[i])
            continue;
        slot = hash_of(w, s, s->at[i] - 1) % more.room;
        while (more.at[slot])
            slot = (slot + 1) % more.room;
        more.at[slot] = s->at[i];
    }
    replica__free(s->at);
    *s = more;
    return 0;
}

/* 1: it is new, and will be followed; 0: it is known. */
static int add_name(struct whole *w, const char *name, replica_error *err)
{
    struct slots *s = &w->known_names;
    size_t len = strlen(name), slot;
    int r = grow(w, s, err);

    if (r < 0)
        return r;
    for (slot = hash_bytes(name, len) % s->room; s->at[slot]; slot = (slot + 1) % s->room)
        if (strcmp(w->names.data + s->at[slot] - 1, name) == 0)
            return 0;
    s->at[slot] = w->names.len + 1;
    s->n++;
    replica__buf_add(&w->names, name, len + 1);
    return w->names.r < 0 ? replica__enomem(err) : 1;
}

static int add_key(struct whole *w, const struct replica__feed_key *key, replica_error *err)
{
    struct slots *s = &w->known_keys;
    size_t slot;
    int r = grow(w, s, err);

    if (r < 0)
        return r;
    for (slot = hash_bytes(&key->number, sizeof key->number) % s->room; s->at[slot];
         slot = (slot + 1) % s->room)
        if (w->keys[s->at[slot] - 1].number == key->number)
            return 0;
    if (w->count == w->room) {
        size_t room = w->room ? w->room * 2 : 64;
        struct replica__feed_key *grown = replica__realloc(w->keys, room, sizeof *grown);

        if (!grown)
            return replica__enomem(err);
        w->keys = grown;
        w->room = room;
    }
    s->at[slot] = w->count + 1;
    s->n++;
    w->keys[w->count++] = *key;
    return 1;
}

/* ---- following ------------------------------------------------------------------- */

int replica__master_bundles_of(replica_db *db, int64_t number, int64_t most,
                               struct replica__buf *names, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_with(db, REPLICA__SQL_MEMBER_BUNDLES, &stmt, err, number, most);

    if (r < 0)
        return r;
    while ((r = replica__sql_step(db, stmt, SQLITE_OK, err)) > 0) {
        replica__buf_add(names, sqlite3_column_text(stmt, 0),
                         (size_t)sqlite3_column_bytes(stmt, 0) + 1);
        if (names->r < 0)
            return replica__enomem(err);
    }
    return r;
}

static int add_names(struct whole *w, const struct replica__buf *names, replica_error *err)
{
    int r = 0;

    for (size_t at = 0; r >= 0 && at < names->len; at += strlen(names->data + at) + 1)
        r = add_name(w, names->data + at, err);
    return r < 0 ? r : 0;
}

static int add_names_of(struct whole *w, int64_t number, replica_error *err)
{
    int r;

    replica__buf_clear(&w->found);
    r = replica__master_bundles_of(w->db, number, FEW_BUNDLES + 1, &w->found, err);
    return r < 0 ? r : add_names(w, &w->found, err);
}

/* The member that the statement stands on. */
static int add_member(struct whole *w, sqlite3_stmt *stmt, replica_error *err)
{
    struct replica__feed_key key = { .seq = sqlite3_column_int64(stmt, 0),
                                      .number = sqlite3_column_int64(stmt, 1) };
    int64_t coll = sqlite3_column_int64(stmt, 2);
    const char *bundle = (const char *)sqlite3_column_text(stmt, 3);
    int r;

    while (key.collection < w->n && w->colls[key.collection]->number != coll)
        key.collection++;
    if (key.collection == w->n)
        return 0; /* who does not see it does not see it older */
    r = add_key(w, &key, err);
    if (r > 0 && w->wide)
        r = add_names_of(w, key.number, err);
    else if (r > 0 && bundle)
        r = add_name(w, bundle, err);
    return r < 0 ? r : 0;
}

static bool is_enough(const struct whole *w)
{
    if (w->wide)
        return w->count > FEW_DOCUMENTS || w->known_names.n > FEW_BUNDLES;
    return w->count >= MOST_DOCUMENTS;
}

static int follow(struct whole *w, const char *name, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(w->db, REPLICA__SQL_MEMBER_BEHIND, &stmt, err);

    if (r < 0)
        return r;
    replica__bind_text(stmt, 1, name, REPLICA_NUL, &rc);
    replica__bind_int(stmt, 2, w->last, &rc);
    while (!is_enough(w) && (r = replica__sql_step(w->db, stmt, rc, err)) > 0) {
        r = add_member(w, stmt, err);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : 0;
}

static int follow_all(struct whole *w, replica_error *err)
{
    REPLICA_BUF name = REPLICA_BUF_INIT; /* the names move when others are added */
    int r = 0;

    for (size_t at = 0; r >= 0 && at < w->names.len && !is_enough(w); at += name.len) {
        replica__buf_clear(&name);
        replica__buf_add(&name, w->names.data + at, strlen(w->names.data + at) + 1);
        r = name.r < 0 ? replica__enomem(err) : follow(w, name.data, err);
    }
    w->too_many = is_enough(w);
    return r < 0 ? r : 0;
}

static int find(struct whole *w, const struct replica__feed_bundles *bundles, bool wide,
                replica_error *err)
{
    int r;

    *w = (struct whole){
        .db = w->db, .colls = w->colls, .n = w->n, .last = w->last, .wide = wide
    };
    r = add_names(w, &bundles->shown, err);
    if (r >= 0 && wide)
        r = add_names(w, &bundles->all, err);
    return r < 0 ? r : follow_all(w, err);
}

int replica__master_whole(replica_db *db, replica_collection *const *colls, size_t n,
                          const struct replica__feed_bundles *bundles, int64_t last,
                          struct replica__feed_key **ret_keys, size_t *ret_count,
                          replica_error *err)
{
    __attribute__((cleanup(whole_free))) struct whole w = {
        .db = db, .colls = colls, .n = n, .last = last
    };
    int r = find(&w, bundles, true, err);

    if (r >= 0 && w.too_many) {
        whole_free(&w);
        r = find(&w, bundles, false, err);
    }
    if (r < 0)
        return r;
    if (w.count > 0)
        qsort(w.keys, w.count, sizeof *w.keys, replica__feed_key_compare);
    *ret_keys = w.keys;
    *ret_count = w.count;
    w.keys = NULL; /* is the caller's now */
    return 0;
}

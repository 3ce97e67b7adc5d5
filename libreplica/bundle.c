/* Bundles: writes that commit or fail as one.
 *
 * A bundle collects copies of its writes and holds no lock; the commit writes them in one
 * transaction, each with the bundle's name: the token and number of its first write. */
#include "libreplica/bundle.h"

#include "libreplica/accept.h"
#include "libreplica/document.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/txn.h"
#include "libreplica/write.h"

#include <string.h>

struct member {
    replica_collection *coll;
    struct replica__buf text; /* the JSON; empty for a deletion */
    char *id;
    char *base_rev;
};

struct replica_bundle {
    replica_db *db; /* NULL: it has been closed */
    struct member *members;
    size_t n;
    bool firm;
    replica_bundle *next;
};

int replica_bundle_begin(replica_db *db, replica_bundle **ret_bundle, replica_error *err)
{
    replica_bundle *bundle;

    if (!db || !ret_bundle)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no database");
    bundle = replica__alloc_zero(1, sizeof *bundle);
    if (!bundle)
        return replica__enomem(err);
    bundle->db = db;
    bundle->next = db->bundles;
    db->bundles = bundle;
    *ret_bundle = bundle;
    return 0;
}

static int check(replica_bundle *bundle, replica_collection *coll, replica_error *err)
{
    if (!bundle || !coll)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no bundle, or no collection");
    if (!bundle->db)
        return replica__error_set(err, REPLICA_ECLOSED, 0, "the bundle's database is closed");
    if (coll->db != bundle->db)
        return replica__error_set(err, REPLICA_EINVAL, 0, "'%s' is of another database",
                                  coll->name);
    if (bundle->n >= (size_t)bundle->db->max_bundle)
        return replica__error_set(err, REPLICA_ELIMIT, 0, "a bundle has at most %d members",
                                  bundle->db->max_bundle);
    return 0;
}

static void member_free(struct member *m)
{
    replica__buf_free(&m->text);
    replica__free(m->id);
    replica__free(m->base_rev);
}

static int add(replica_bundle *bundle, struct member *m, bool has_rev, replica_error *err)
{
    struct member *grown = NULL;

    if (m->text.r == 0 && m->id && (!has_rev || m->base_rev))
        grown = replica__realloc(bundle->members, bundle->n + 1, sizeof *grown);
    if (!grown) {
        member_free(m);
        return replica__enomem(err);
    }
    bundle->members = grown;
    bundle->members[bundle->n++] = *m;
    return 0;
}

int replica_bundle_put(replica_bundle *bundle, replica_collection *coll, const char *json,
                       size_t len, const char *base_rev, replica_error *err)
{
    REPLICA_ACCEPTED a = { 0 };
    struct member m = { .coll = coll };
    int r = check(bundle, coll, err);

    if (r < 0)
        return r;
    if (!json)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no text");
    r = replica__accept_write(coll, NULL, json, len, base_rev, &a, err);
    if (r < 0)
        return r;
    replica__buf_add(&m.text, a.json, a.len);
    m.id = replica__strndup(a.id, a.id_len);
    m.base_rev = replica__strdup(base_rev);
    return add(bundle, &m, base_rev != NULL, err);
}

int replica_bundle_delete(replica_bundle *bundle, replica_collection *coll, const char *id,
                          const char *base_rev, replica_error *err)
{
    struct member m = { .coll = coll };
    int r = check(bundle, coll, err);

    if (r < 0)
        return r;
    if (!id || !base_rev)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no id, or no revision");
    m.id = replica__strdup(id);
    m.base_rev = replica__strdup(base_rev);
    return add(bundle, &m, true, err);
}

int replica_bundle_set_firm(replica_bundle *bundle, replica_error *err)
{
    if (!bundle)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no bundle");
    bundle->firm = true;
    return 0;
}

static int write_members(replica_bundle *bundle, replica_doc **ret_stored, replica_error *err)
{
    replica_db *db = bundle->db;
    char name[REPLICA__OPERATION_SIZE];

    replica__operation_write(name, db->token, db->head + 1);
    for (size_t i = 0; i < bundle->n; i++) {
        const struct member *m = &bundle->members[i];
        struct replica__written written;
        const struct replica__write w = {
            .coll = m->coll,
            .id = m->id,
            .id_len = strlen(m->id),
            .json = m->text.data,
            .len = m->text.len,
            .deleted = m->text.len == 0,
            .bundle = name,
            .firm = bundle->firm,
        };
        int r = replica__write_checked(db, &w, m->base_rev, &written, ret_stored, err);

        if (r < 0) {
            replica__error_where(err, "%s/%s", m->coll->name, m->id);
            return r;
        }
    }
    return 0;
}

static int check_pair(replica_db *db, const replica_collection *a, const replica_collection *b,
                      replica_error *err)
{
    int r = replica__sql_run(db, REPLICA__SQL_REPL_PARTED, err, a->number, b->number);

    if (r > 0)
        return replica__error_set(err, REPLICA_ENOTSUP, 0,
                                  "'%s' and '%s' replicate to different servers, and a bundle of"
                                  " both could not be kept together", a->name, b->name);
    return r;
}

/* The first of its members in this collection? */
static bool is_first(const replica_bundle *bundle, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (bundle->members[k].coll == bundle->members[i].coll)
            return false;
    }
    return true;
}

/* What goes to different servers cannot be taken or refused as one. */
static int check_servers(const replica_bundle *bundle, replica_error *err)
{
    int r = 0;

    for (size_t i = 1; r >= 0 && i < bundle->n; i++) {
        if (bundle->members[i].coll == bundle->members[i - 1].coll || !is_first(bundle, i))
            continue;
        for (size_t k = 0; r >= 0 && k < i; k++) {
            if (is_first(bundle, k))
                r = check_pair(bundle->db, bundle->members[k].coll, bundle->members[i].coll, err);
        }
    }
    return r;
}

/* The document that is in the way is shown in its collection's version. */
static void migrate_stored(const replica_bundle *bundle, replica_doc **stored)
{
    for (size_t i = 0; stored && *stored && i < bundle->n; i++) {
        const struct member *m = &bundle->members[i];

        if (strcmp(m->coll->name, replica_doc_collection(*stored)) == 0)
            replica__migrate_stored(m->coll, stored);
    }
}

int replica_bundle_commit(replica_bundle *bundle, replica_doc **ret_stored, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    int r;

    if (!bundle)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no bundle");
    if (!bundle->db) {
        replica_bundle_cancel(bundle);
        return replica__error_set(err, REPLICA_ECLOSED, 0, "the bundle's database is closed");
    }
    r = replica__txn_begin(bundle->db, &txn, err);
    if (r >= 0)
        r = check_servers(bundle, err);
    if (r >= 0)
        r = write_members(bundle, ret_stored, err);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r == REPLICA_ECONFLICT) {
        replica__txn_rollback(&txn);
        migrate_stored(bundle, ret_stored);
    }
    replica_bundle_cancel(bundle);
    return r;
}

void replica_bundle_cancel(replica_bundle *bundle)
{
    if (!bundle)
        return;
    if (bundle->db) {
        replica_bundle **at = &bundle->db->bundles;

        while (*at != bundle)
            at = &(*at)->next;
        *at = bundle->next;
    }
    for (size_t i = 0; i < bundle->n; i++)
        member_free(&bundle->members[i]);
    replica__free(bundle->members);
    replica__free(bundle);
}

void replica__bundles_orphan(replica_db *db)
{
    for (replica_bundle *b = db->bundles; b; b = b->next)
        b->db = NULL;
    db->bundles = NULL;
}

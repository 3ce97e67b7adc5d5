/* Writes of one document: put, upsert, delete, merge patch. */
#include "libreplica/accept.h"
#include "libreplica/document.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/text.h"
#include "libreplica/txn.h"
#include "libreplica/write.h"

#include <string.h>

static int invalid(replica_error *err, const char *what)
{
    return replica__error_set(err, REPLICA_EINVAL, 0, "%s", what);
}

int replica__put_as(replica_collection *coll, const char *id, const char *json, size_t len,
                    const char *base_rev, replica_doc **ret_doc, replica_doc **ret_stored,
                    replica_error *err)
{
    REPLICA_ACCEPTED a = { 0 };
    REPLICA_DOC doc = NULL;
    REPLICA_TXN txn = NULL;
    struct replica__written written;
    struct replica__write w;
    int r;

    r = replica__accept_write(coll, id, json, len, base_rev, &a, err);
    if (r < 0)
        return r;
    w = (struct replica__write){
        .coll = coll, .id = a.id, .id_len = a.id_len, .json = a.json, .len = a.len
    };
    r = replica__txn_begin(coll->db, &txn, err);
    if (r >= 0)
        r = replica__write_checked(coll->db, &w, base_rev, &written, ret_stored, err);
    if (r >= 0 && ret_doc)
        r = replica__written_doc(coll->db, &w, &written, &doc, err);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r == REPLICA_ECONFLICT) {
        replica__txn_rollback(&txn);
        replica__migrate_stored(coll, ret_stored);
    }
    if (r < 0)
        return r;
    if (ret_doc)
        *ret_doc = replica_doc_ref(doc);
    return 0;
}

int replica_put(replica_collection *coll, const char *json, size_t len, const char *base_rev,
                replica_doc **ret_doc, replica_doc **ret_stored, replica_error *err)
{
    if (!coll || !json)
        return invalid(err, "no collection, or no text");
    return replica__put_as(coll, NULL, json, len, base_rev, ret_doc, ret_stored, err);
}

int replica_upsert(replica_collection *coll, const char *json, size_t len, replica_doc **ret_doc,
                   replica_error *err)
{
    return replica_put(coll, json, len, REPLICA_ANY_REV, ret_doc, NULL, err);
}

int replica_delete(replica_collection *coll, const char *id, const char *base_rev,
                   replica_doc **ret_stored, replica_error *err)
{
    REPLICA_TXN txn = NULL;
    struct replica__written written;
    struct replica__write w;
    int r, deleted;

    if (!coll || !id || !base_rev)
        return invalid(err, "no collection, no id, or no revision");
    w = (struct replica__write){ .coll = coll, .id = id, .id_len = strlen(id), .deleted = true };
    r = replica__txn_begin(coll->db, &txn, err);
    if (r < 0)
        return r;
    deleted = replica__write_checked(coll->db, &w, base_rev, &written, ret_stored, err);
    if (deleted == REPLICA_ECONFLICT) {
        replica__txn_rollback(&txn);
        replica__migrate_stored(coll, ret_stored);
    }
    if (deleted <= 0)
        return deleted;
    r = replica__txn_commit(&txn, err);
    return r < 0 ? r : deleted;
}

/* One attempt: patch the stored revision, if it is base_rev.  1, 0: no such document. */
static int patch_once(replica_collection *coll, const char *id, const char *patch, size_t len,
                      const char *base_rev, replica_doc **ret_doc, replica_doc **ret_stored,
                      replica_error *err)
{
    REPLICA_BUF text = { .max = coll->db->limits.max_bytes + len };
    REPLICA_DOC doc = NULL;
    const char *json;
    size_t json_len;
    int r = replica_get(coll, id, &doc, err);

    if (r <= 0)
        return r;
    json = replica_doc_json(doc, &json_len);
    replica__json_merge_patch(json, json_len, patch, len, &text);
    if (text.r < 0)
        return replica__error_set(err, text.r, 0, "patching '%s'", id);
    if (strcmp(base_rev, REPLICA_ANY_REV) == 0)
        base_rev = replica_doc_rev(doc);
    r = replica__put_as(coll, id, text.data, text.len, base_rev, ret_doc, ret_stored, err);
    return r < 0 ? r : 1;
}

int replica_patch(replica_collection *coll, const char *id, const char *patch, size_t len,
                  const char *base_rev, replica_doc **ret_doc, replica_doc **ret_stored,
                  replica_error *err)
{
    bool again;
    int r;

    if (!coll || !id || !patch || !base_rev)
        return invalid(err, "no collection, id, patch or revision");
    if (len == REPLICA_NUL)
        len = strlen(patch);
    r = replica__accept_patch(coll, patch, len, err);
    if (r < 0) {
        replica__error_where(err, "%s/%s", coll->name, id);
        return r;
    }
    again = strcmp(base_rev, REPLICA_ANY_REV) == 0;
    for (int round = 0; round < REPLICA__ROUNDS; round++) {
        r = patch_once(coll, id, patch, len, base_rev, ret_doc, again ? NULL : ret_stored, err);
        if (r != REPLICA_ECONFLICT || !again || coll->db->taken)
            return r;
        replica__back_off(coll->db, round);
    }
    return r;
}

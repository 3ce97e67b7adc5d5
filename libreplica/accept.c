#include "libreplica/accept.h"

#include "libreplica/shape.h"

#include <string.h>

/* The limits of an id hold on both sides, so that what one accepts the other can store.  Offsets
 * count from text. */
static int accept_id(const replica_collection *coll, const struct replica__json_doc *doc,
                     const char *text, struct replica__accepted *a, replica_error *err)
{
    if (!doc->key.data)
        return replica__error_at(err, REPLICA_EJSON, doc->text.data - text,
                                 "no string field '%s', the primary key", coll->key);
    if (doc->key.len == 0)
        return replica__error_at(err, REPLICA_EJSON, doc->key.data - text,
                                 "the primary key '%s' is empty", coll->key);
    if (doc->key_escaped)
        replica__json_unescape(doc->key, &a->id_text);
    else
        replica__buf_add(&a->id_text, doc->key.data, doc->key.len);
    if (a->id_text.r < 0)
        return replica__error_set(err, a->id_text.r, 0, "primary key");
    if (a->id_text.len > coll->db->max_key)
        return replica__error_at(err, REPLICA_ELIMIT, doc->key.data - text,
                                 "a primary key of %zu bytes, more than %zu", a->id_text.len,
                                 coll->db->max_key);
    if (memchr(a->id_text.data, '\0', a->id_text.len))
        return replica__error_at(err, REPLICA_EJSON, doc->key.data - text,
                                 "U+0000 in the primary key");
    a->id = a->id_text.data;
    a->id_len = a->id_text.len;
    return 0;
}

int replica__accept_no_reserved(const char *text, size_t len, replica_error *err)
{
    struct replica__json_iter it = replica__json_iter(replica__json_value(text, len));

    while (replica__json_next(&it)) {
        struct replica__buf name = REPLICA_BUF_INIT;
        bool reserved;

        replica__json_unescape(it.name, &name);
        if (name.r < 0)
            return replica__enomem(err);
        reserved = name.len > 0 && name.data[0] == '_';
        replica__buf_free(&name);
        if (reserved)
            return replica__error_at(err, REPLICA_EJSON, it.name.data - text,
                                     "'%.*s': names with a leading underscore are reserved",
                                     (int)(it.name.len < 100 ? it.name.len : 100), it.name.data);
    }
    return 0;
}

/* The whole text is one document without reserved names. */
static int scan(const replica_collection *coll, const char *json, size_t len,
                struct replica__json_doc *ret, replica_error *err)
{
    size_t pos = 0;
    int r = replica__json_scan(json, len, &pos, coll->key, &coll->db->limits, ret, err);

    if (r < 0)
        return r;
    while (pos < len && strchr(" \t\r\n", json[pos]) && json[pos])
        pos++;
    if (pos < len)
        return replica__error_at(err, REPLICA_EJSON, (int64_t)pos, "text behind the object");
    return ret->reserved ? replica__accept_no_reserved(json, len, err) : 0;
}

/* Scan; then fill in what a document that may be new lacks, and scan that. */
static int scan_filled(const replica_collection *coll, const char *json, size_t len, bool fill,
                       struct replica__buf *filled, struct replica__json_doc *ret,
                       replica_error *err)
{
    int r = scan(coll, json, len, ret, err);

    if (r >= 0 && fill)
        r = replica__shape_fill(coll, ret->text.data, ret->text.len, filled, err);
    return r <= 0 ? r : scan(coll, filled->data, filled->len, ret, err);
}

int replica__accept_write(const replica_collection *coll, const char *id, const char *json,
                          size_t len, const char *base_rev, struct replica__accepted *ret,
                          replica_error *err)
{
    bool fill = coll->schema && (!base_rev || strcmp(base_rev, REPLICA_ANY_REV) == 0);
    struct replica__accepted a = { 0 };
    struct replica__json_doc doc;
    int r;

    if (len == REPLICA_NUL)
        len = strlen(json);
    r = scan_filled(coll, json, len, fill, &a.cut_text, &doc, err);
    if (r >= 0)
        r = accept_id(coll, &doc, a.cut_text.len ? a.cut_text.data : json, &a, err);
    if (r >= 0 && id && strcmp(a.id, id) != 0)
        r = replica__error_at(err, REPLICA_EJSON, 0, "the primary key changed from '%s' to '%s'",
                              id, a.id);
    if (r >= 0)
        r = replica__shape_check(coll, a.id, doc.text.data, doc.text.len, err);
    if (r < 0) {
        if (id || a.id)
            replica__error_where(err, "%s/%s", coll->name, id ? id : a.id);
        replica__error_where(err, "%s", coll->name);
        replica__accepted_free(&a);
        return r;
    }
    a.json = doc.text.data;
    a.len = doc.text.len;
    *ret = a;
    return 0;
}

int replica__accept_scanned(const replica_collection *coll, const struct replica__json_doc *doc,
                            struct replica__accepted *ret, replica_error *err)
{
    struct replica__accepted a = { 0 };
    int r = accept_id(coll, doc, doc->text.data, &a, err);

    a.json = doc->text.data;
    a.len = doc->text.len;
    a.deleted = doc->deleted;
    if (r >= 0 && doc->reserved) {
        replica__json_cut_reserved(doc, &a.cut_text);
        r = a.cut_text.r;
        if (r < 0)
            replica__error_set(err, r, 0, "cutting reserved names out");
        a.json = a.cut_text.data;
        a.len = a.cut_text.len;
    }
    if (r < 0) {
        replica__accepted_free(&a);
        return r;
    }
    *ret = a;
    return 0;
}

int replica__accept_patch(const replica_collection *coll, const char *patch, size_t len,
                          replica_error *err)
{
    int r = replica__json_check(patch, len, &coll->db->limits, err);

    if (r < 0)
        return r;
    if (replica__json_value(patch, len).type != REPLICA_JSON_OBJECT)
        return replica__error_at(err, REPLICA_EJSON, 0, "a merge patch is an object");
    return replica__accept_no_reserved(patch, len, err);
}

void replica__accepted_free(struct replica__accepted *a)
{
    replica__buf_free(&a->id_text);
    replica__buf_free(&a->cut_text);
}

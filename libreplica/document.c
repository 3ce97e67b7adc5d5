#include "libreplica/document.h"

#include "libreplica/revision.h"

#include <string.h>

struct replica_doc {
    atomic_int refs;
    bool deleted;
    int64_t sequence;
    int64_t stamp;
    int64_t version;
    const char *collection;
    const char *id;
    const char *rev;
    const char *writer;
    const char *bundle; /* or NULL */
    const char *json;
    size_t len;
    char texts[];
};

static char *add(char *to, const char **ret, const char *text, size_t len)
{
    *ret = to;
    if (len > 0)
        memcpy(to, text, len);
    to[len] = '\0';
    return to + len + 1;
}

/* The numbers of the new one are those of `like`.  writer NULL: the revision's own, which is its
 * end. */
static replica_doc *make(const replica_doc *like, const char *id, size_t id_len, const char *rev,
                         const char *writer, const char *json, size_t len)
{
    size_t collection_len = strlen(like->collection), rev_len = strlen(rev);
    size_t writer_len = writer ? strlen(writer) : 0;
    size_t bundle_len = like->bundle ? strlen(like->bundle) : 0;
    replica_doc *doc =
        replica__alloc(sizeof *doc + collection_len + id_len + rev_len + writer_len + bundle_len +
                       len + 6);
    char *at;

    if (!doc)
        return NULL;
    atomic_init(&doc->refs, 1);
    doc->deleted = like->deleted;
    doc->sequence = like->sequence;
    doc->stamp = like->stamp;
    doc->version = like->version;
    doc->len = len;
    at = add(doc->texts, &doc->collection, like->collection, collection_len);
    at = add(at, &doc->id, id, id_len);
    at = add(at, &doc->rev, rev, rev_len);
    if (writer)
        at = add(at, &doc->writer, writer, writer_len);
    else
        doc->writer = strchr(doc->rev, '-') + 1;
    doc->bundle = NULL;
    if (like->bundle)
        at = add(at, &doc->bundle, like->bundle, bundle_len);
    add(at, &doc->json, json, len);
    return doc;
}

replica_doc *replica__doc_make(const struct replica__doc_parts *p)
{
    char rev[REPLICA_REV_SIZE], writer[REPLICA__OPERATION_SIZE];
    const replica_doc like = { .deleted = p->deleted,
                               .sequence = p->sequence,
                               .stamp = p->stamp,
                               .version = p->version,
                               .collection = p->collection,
                               .bundle = p->bundle };

    rev[0] = writer[0] = '\0';
    if (p->sequence)
        replica__revision_write(rev, p->height, p->opening, p->sequence);
    if (p->writer)
        replica__operation_write(writer, p->writer, p->writer_seq);
    return make(&like, p->id, p->id_len, rev, p->writer || !p->sequence ? writer : NULL, p->json,
                p->len);
}

replica_doc *replica__doc_with_text(const replica_doc *doc, const char *json, size_t len,
                                    int64_t version)
{
    const replica_doc like = { .deleted = doc->deleted,
                               .sequence = doc->sequence,
                               .stamp = doc->stamp,
                               .version = version,
                               .collection = doc->collection,
                               .bundle = doc->bundle };

    return make(&like, doc->id, strlen(doc->id), doc->rev, doc->writer, json, len);
}

int64_t replica__doc_version(const replica_doc *doc)
{
    return doc->version;
}

const char *replica__doc_bundle(const replica_doc *doc)
{
    return doc->bundle;
}

replica_doc *replica_doc_ref(replica_doc *doc)
{
    if (doc)
        atomic_fetch_add_explicit(&doc->refs, 1, memory_order_relaxed);
    return doc;
}

replica_doc *replica_doc_unref(replica_doc *doc)
{
    if (doc && atomic_fetch_sub_explicit(&doc->refs, 1, memory_order_acq_rel) == 1)
        replica__free(doc);
    return NULL;
}

const char *replica_doc_id(replica_doc *doc)
{
    return doc ? doc->id : "";
}

const char *replica_doc_rev(replica_doc *doc)
{
    return doc ? doc->rev : "";
}

int replica_doc_deleted(replica_doc *doc)
{
    return doc && doc->deleted;
}

int64_t replica_doc_sequence(replica_doc *doc)
{
    return doc ? doc->sequence : 0;
}

const char *replica_doc_collection(replica_doc *doc)
{
    return doc ? doc->collection : "";
}

const char *replica_doc_json(replica_doc *doc, size_t *ret_len)
{
    if (ret_len)
        *ret_len = doc ? doc->len : 0;
    return doc ? doc->json : "";
}

int64_t replica_doc_time(replica_doc *doc)
{
    return doc ? doc->stamp >> 16 : 0;
}

int64_t replica__doc_stamp(const replica_doc *doc)
{
    return doc->stamp;
}

const char *replica_doc_writer(replica_doc *doc)
{
    return doc ? doc->writer : "";
}

int replica__doc_new(replica_collection *coll, const char *id, const char *json, size_t len,
                     bool deleted, replica_doc **ret_doc, replica_error *err)
{
    const struct replica__doc_parts parts = {
        .collection = coll->name,
        .id = id,
        .id_len = strlen(id),
        .json = json,
        .len = len,
        .deleted = deleted,
        .version = coll->version,
    };
    replica_doc *doc = replica__doc_make(&parts);

    if (!doc)
        return replica__enomem(err);
    *ret_doc = doc;
    return 0;
}

bool replica__states_equal(const replica_collection *coll, replica_doc *a, replica_doc *b)
{
    const replica_conflict_handler *handler = replica__collection_handler(coll);

    if (a->deleted != b->deleted)
        return false;
    if (handler->is_equal)
        return handler->is_equal(handler->ctx, a, b) != 0;
    if (a->len == b->len && memcmp(a->json, b->json, a->len) == 0)
        return true;
    /* Without memory to compare they count as different: that is met again, and loses nothing. */
    return replica__json_equal(a->json, a->len, b->json, b->len, 0) > 0;
}

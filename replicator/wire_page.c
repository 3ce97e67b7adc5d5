/* Reading a page: the answer to a pull, or the data of an event.
 *
 * The documents stay where they are in the body; only small things are copied, into one buffer that
 * never moves because it is reserved before the first copy. */
#include "replicator/wire.h"

#include "base/alloc.h"
#include "base/error.h"
#include "replicator/wire_skip.h"

#include <string.h>

/* Above the pages of both dialects (1,000 and 10,000 rows) with the largest bundle (100,000), so
 * that a server which ignores the limit is heard, and a body of 64 MiB of `{}` is not. */
enum { MAX_DOCUMENTS = 150000 };

/* The envelope's members, as they lie in the body. */
struct envelope {
    struct replica__slice meta; /* len 0: absent, here and below */
    struct replica__slice checkpoint, follows, head;
    int64_t remaining, now_ms;
    bool documents; /* seen */
    bool absent;    /* the collection is not there */
    size_t room;    /* of the array of documents */
};

static int add_document(struct replica__wire_in *in, struct envelope *e,
                        struct replica__wire_page *page)
{
    struct replica__slice text;
    replica_remote_doc *doc;
    int r = replica__wire_value(in, &text);

    if (r < 0)
        return r;
    if (page->page.count == MAX_DOCUMENTS)
        return replica__error_at(in->err, REPLICA_ELIMIT, in->at - in->start,
                                 "a page of more than %d documents", MAX_DOCUMENTS);
    if (page->page.count == e->room) {
        size_t room = e->room ? e->room * 2 : 256;
        replica_remote_doc *docs = replica__realloc(page->docs, room, sizeof(*docs));

        if (!docs)
            return replica__enomem(in->err);
        page->docs = docs;
        e->room = room;
    }
    doc = &page->docs[page->page.count++];
    memset(doc, 0, sizeof(*doc));
    doc->json = text.data;
    doc->len = text.len;
    return 0;
}

static int read_documents(struct replica__wire_in *in, struct envelope *e,
                          struct replica__wire_page *page)
{
    bool first = true;
    int r;

    if (e->documents)
        return replica__wire_fail(in, NULL, "a page with two arrays of documents");
    if (!replica__wire_take(in, '['))
        return replica__wire_fail(in, NULL, "documents must be an array");
    e->documents = true;
    while ((r = replica__wire_element(in, &first)) > 0) {
        r = add_document(in, e, page);
        if (r < 0)
            return r;
    }
    return r;
}

static int read_absent(struct replica__wire_in *in, struct envelope *e)
{
    struct replica__slice text;
    int r = replica__wire_value(in, &text);

    e->absent = r >= 0 && text.len == 4 && memcmp(text.data, "true", 4) == 0;
    return r;
}

static int read_member(struct replica__wire_in *in, struct replica__slice name, struct envelope *e,
                       struct replica__wire_page *page)
{
    struct replica__slice skipped;

    if (replica__wire_name_is(name, "documents"))
        return read_documents(in, e, page);
    if (replica__wire_null(in))
        return 0;
    if (replica__wire_name_is(name, "meta"))
        return replica__wire_value(in, &e->meta);
    if (replica__wire_name_is(name, "checkpoint"))
        return replica__wire_value(in, &e->checkpoint);
    if (replica__wire_name_is(name, "follows"))
        return replica__wire_value(in, &e->follows);
    if (replica__wire_name_is(name, "head"))
        return replica__wire_value(in, &e->head);
    if (replica__wire_name_is(name, "remaining"))
        return replica__wire_int(in, &e->remaining);
    if (replica__wire_name_is(name, "now"))
        return replica__wire_int(in, &e->now_ms);
    if (replica__wire_name_is(name, "absent"))
        return read_absent(in, e);
    return replica__wire_value(in, &skipped);
}

/* ids: so many documents were asked for by their keys; 0: a page was. */
static int read_envelope(struct replica__wire_in *in, struct envelope *e, size_t ids,
                         struct replica__wire_page *page)
{
    struct replica__slice name;
    bool first = true;
    int r;

    if (!replica__wire_take(in, '{'))
        return replica__wire_fail(in, NULL, "a page must be an object");
    while ((r = replica__wire_member(in, &first, &name)) > 0) {
        r = read_member(in, name, e, page);
        if (r < 0)
            return r;
    }
    if (r < 0)
        return r;
    if (!e->documents)
        return replica__wire_fail(in, in->start, "a page without documents");
    if (ids == 0 && e->checkpoint.len == 0 && page->page.count > 0)
        return replica__wire_fail(in, in->start, "documents without a checkpoint");
    if (ids > 0 && page->page.count > ids)
        return replica__wire_fail(in, in->start, "more documents than were asked for");
    return replica__wire_end(in);
}

/* Our dialect's flags of a document: deleted; there, but not for us any more. */
enum { DOC_DELETED = 1, DOC_REVOKED = 2, DOC_LEFT = 4 };

/* [c,seq,stamp,flags,"writer","bundle"|null], with more behind it some day.  Of documents that were
 * asked for by their keys a version may stand there. */
static int read_entry(struct replica__wire_in *in, const replica_pull_request *request,
                      replica_remote_doc *doc, struct replica__buf *texts)
{
    struct replica__slice skipped;
    const char *start;
    int64_t collection = 0, flags = 0, version = -1;
    bool first = true;
    int r;

    if (!replica__wire_take(in, '['))
        return replica__wire_fail(in, NULL, "an entry of meta must be an array");
    start = in->at;
    for (int i = 0; (r = replica__wire_element(in, &first)) > 0; i++) {
        switch (i) {
        case 0: r = replica__wire_int(in, &collection); break;
        case 1: r = replica__wire_int(in, &doc->sequence); break;
        case 2: r = replica__wire_int(in, &doc->stamp); break;
        case 3: r = replica__wire_int(in, &flags); break;
        case 4: r = replica__wire_text(in, texts, &doc->writer); break;
        case 5: r = replica__wire_text(in, texts, &doc->bundle); break;
        case 6: r = request->id_count > 0 ? replica__wire_int(in, &version)
                                          : replica__wire_value(in, &skipped); break;
        default: r = replica__wire_value(in, &skipped); break;
        }
        if (r < 0)
            return r;
    }
    if (r < 0)
        return r;
    if (collection < 0 || (uint64_t)collection >= request->count)
        return replica__wire_fail(in, start, "a collection that was not asked for");
    /* One that was asked for by its key, and is not there, has none. */
    if (doc->sequence < (request->id_count > 0 && flags & DOC_DELETED ? 0 : 1))
        return replica__wire_fail(in, start, "a document without a sequence number");
    doc->collection = request->collections[collection].name;
    if (version >= 0 && version < request->collections[collection].version)
        doc->older = request->collections[collection].version - (int)version;
    doc->deleted = (flags & DOC_DELETED) != 0;
    doc->gone = flags & DOC_REVOKED ? REPLICA_GONE_VIEW
        : flags & DOC_LEFT          ? REPLICA_GONE_FILTER
                                    : 0;
    return 0;
}

static int read_meta(struct replica__wire_in *whole, const struct envelope *e,
                     const replica_pull_request *request, struct replica__wire_page *page)
{
    struct replica__wire_in in = replica__wire_part(whole, e->meta);
    bool first = true;
    size_t i = 0;
    int r;

    if (page->page.count == 0 && e->meta.len == 0)
        return 0;
    if (!replica__wire_take(&in, '['))
        return replica__wire_fail(whole, e->meta.data ? e->meta.data : whole->start,
                                  "a page without meta");
    while ((r = replica__wire_element(&in, &first)) > 0) {
        if (i == page->page.count)
            return replica__wire_fail(&in, NULL, "more entries of meta than documents");
        r = read_entry(&in, request, &page->docs[i++], &page->texts);
        if (r < 0)
            return r;
    }
    if (r == 0 && i < page->page.count)
        return replica__wire_fail(&in, NULL, "fewer entries of meta than documents");
    return r;
}

static const char *copy(struct replica__buf *texts, struct replica__slice text)
{
    size_t start = texts->len;

    replica__buf_add(texts, text.data, text.len);
    replica__buf_char(texts, '\0');
    return texts->r < 0 ? NULL : texts->data + start;
}

/* Behind it may stand which documents their reader sees: "<incarnation>-<view>". */
static const char *copy_incarnation(struct replica__buf *texts, struct replica__slice id)
{
    const char *dash = id.len > 0 ? memchr(id.data, '-', id.len) : NULL;

    return copy(texts, dash ? (struct replica__slice){ id.data, (size_t)(dash - id.data) } : id);
}

/* Documents that were asked for by their keys stand nowhere; their numbers are of this head. */
static int read_documents_place(struct replica__wire_in *whole, const struct envelope *e,
                                struct replica__wire_page *page)
{
    struct replica__wire_in in = replica__wire_part(whole, e->head);
    struct replica__slice text, id;
    int r;

    if (e->head.len == 0)
        return replica__wire_fail(whole, whole->start, "documents without a head");
    r = replica__wire_checkpoint(&in, &text, &id, &page->page.head);
    if (r < 0)
        return r;
    page->page.incarnation = copy_incarnation(&page->texts, id);
    page->page.now_ms = e->now_ms;
    page->page.absent = e->absent && page->page.count == 0;
    return 0;
}

/* Where a page stands in our feed. */
static int read_places(struct replica__wire_in *whole, const struct envelope *e,
                       bool documents, struct replica__wire_page *page)
{
    struct replica__wire_in in = replica__wire_part(whole, e->checkpoint);
    struct replica__slice text, id, other_id;
    int64_t lwt, other;
    int r;

    if (documents)
        return read_documents_place(whole, e, page);
    if (e->checkpoint.len == 0)
        return replica__wire_fail(whole, whole->start, "a page without a checkpoint");
    r = replica__wire_checkpoint(&in, &text, &id, &lwt);
    if (r < 0)
        return r;
    page->page.checkpoint = copy(&page->texts, text);
    page->page.incarnation = copy_incarnation(&page->texts, id);
    if (e->follows.len > 0) {
        in = replica__wire_part(whole, e->follows);
        r = replica__wire_checkpoint(&in, &text, &other_id, &other);
        if (r < 0)
            return r;
        page->page.follows = copy(&page->texts, text);
    }
    if (e->head.len > 0) {
        in = replica__wire_part(whole, e->head);
        r = replica__wire_checkpoint(&in, &text, &other_id, &other);
        if (r < 0)
            return r;
        page->page.head = other;
        page->page.at_head = other == lwt && other_id.len == id.len
            && memcmp(other_id.data, id.data, id.len) == 0;
    }
    page->page.remaining = e->remaining;
    page->page.now_ms = e->now_ms;
    return 0;
}

static int read_rxdb(struct replica__wire_in *whole, const struct envelope *e,
                     const replica_pull_request *request, struct replica__wire_page *page)
{
    struct replica__wire_in in = replica__wire_part(whole, e->checkpoint);
    struct replica__slice text;
    int r;

    if (e->checkpoint.len > 0) {
        r = replica__wire_checkpoint(&in, &text, NULL, NULL);
        if (r < 0)
            return r;
        page->page.checkpoint = copy(&page->texts, text);
    }
    for (size_t i = 0; i < page->page.count; i++)
        page->docs[i].collection = request->collections[0].name;
    page->page.at_head = page->page.count == 0;
    return 0;
}

int replica__wire_read_page(enum replica__dialect dialect, const replica_pull_request *request,
                            const char *body, size_t len, struct replica__wire_page *ret,
                            replica_error *err)
{
    __attribute__((cleanup(replica__wire_page_free))) struct replica__wire_page page = {
        .page = REPLICA_REMOTE_PAGE_INIT, .texts = REPLICA_BUF_INIT,
    };
    struct replica__wire_in in = { body, body, body + len, REPLICA_EHTTP, err };
    struct envelope e = { .remaining = -1 };
    int r = read_envelope(&in, &e, request->id_count, &page);

    if (r < 0)
        return r;
    /* What a string means is not longer than its spelling with its quotes; a NUL for each other. */
    replica__buf_reserve(&page.texts,
                         e.meta.len + 2 * e.checkpoint.len + e.follows.len + e.head.len + 8);
    if (dialect == REPLICA__DIALECT_RXDB) {
        r = read_rxdb(&in, &e, request, &page);
    } else {
        r = read_meta(&in, &e, request, &page);
        if (r == 0)
            r = read_places(&in, &e, request->id_count > 0, &page);
    }
    if (r < 0)
        return r;
    if (page.texts.r < 0)
        return replica__enomem(err);
    page.page.docs = page.docs;
    *ret = page;
    memset(&page, 0, sizeof(page)); /* is the caller's now */
    return 0;
}

void replica__wire_page_free(struct replica__wire_page *page)
{
    replica__free(page->docs);
    replica__buf_free(&page->texts);
    page->docs = NULL;
}

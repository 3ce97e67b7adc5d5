/* Pages: documents go from the storage's slices into the body, and nowhere in between.
 *
 * The head is read before the collections are looked up: a collection that another process creates
 * meanwhile cannot have its documents passed over. */
#include "tools/server/page.h"

#include "base/error.h"
#include "tools/server/range.h"

#include <string.h>

/* ---- what both dialects share ---------------------------------------------------- */

void replica__page_add_state(const char *json, size_t len, bool deleted, struct replica__buf *out)
{
    size_t end = len - 1; /* of a text that passed the gate: it ends in '}' */

    while (json[end - 1] == ' ' || json[end - 1] == '\n' || json[end - 1] == '\t' ||
           json[end - 1] == '\r')
        end--;
    replica__buf_add(out, json, end);
    if (json[end - 1] != '{') /* no value ends in it: this object has members */
        replica__buf_char(out, ',');
    replica__buf_str(out, deleted ? "\"_deleted\":true" : "\"_deleted\":false");
    replica__buf_add(out, json + end, len - end);
}

const struct replica__storage_doc *replica__page_cut(const struct replica__view *view,
                                                     const struct replica__target *target,
                                                     const struct replica__storage_doc *doc,
                                                     struct replica__storage_doc *room,
                                                     struct replica__buf *cut)
{
    int r;

    if (doc->gone)
        return doc;
    replica__buf_clear(cut);
    r = replica__view_cut(view, target, doc->json, doc->len, cut);
    if (r <= 0)
        return r < 0 ? NULL : doc;
    *room = *doc;
    room->json = cut->data;
    room->len = cut->len;
    return room;
}

/* The collections that exist, and their places in the request. */
struct found {
    struct replica__storage_coll *colls[REPLICA__TARGETS_MAX];
    size_t place[REPLICA__TARGETS_MAX];
    size_t n;
};

static int find_all(struct replica__service *service, struct replica__page *page,
                    struct found *found, replica_error *err)
{
    found->n = 0;
    for (size_t i = 0; i < page->n; i++) {
        int r = replica__target_find(service, &page->targets[i], false, err);

        if (r != 0)
            return r;
        if (!page->targets[i].coll)
            continue;
        found->colls[found->n] = page->targets[i].coll;
        found->place[found->n++] = i;
    }
    return 0;
}

/* ---- reading one page ------------------------------------------------------------ */

struct reading {
    struct replica__page *page;
    const struct found *found;
    void (*add)(struct reading *r, const struct replica__storage_doc *doc);
    struct replica__buf *documents;
    struct replica__buf *meta;
    struct replica__buf cut; /* room for one text */
    size_t start;            /* of the page in documents */
};

static int emit(void *ctx, const struct replica__storage_doc *doc)
{
    struct reading *r = ctx;
    const struct replica__target *target = &r->page->targets[r->found->place[doc->collection]];
    struct replica__storage_doc room;

    doc = replica__page_cut(r->page->view, target, doc, &room, &r->cut);
    if (!doc)
        return REPLICA_ENOMEM;
    if (r->documents->len > r->start)
        replica__buf_char(r->documents, ',');
    if (!doc->again)
        r->page->documents++;
    r->add(r, doc);
    if (r->documents->r < 0)
        return r->documents->r;
    return r->documents->len - r->start > (doc->whole ? REPLICA__PAGE_MOST : r->page->bytes);
}

static int read_page(struct replica__service *service, struct reading *reading, int64_t head,
                     replica_error *err)
{
    struct replica__storage *s = service->storage;
    struct replica__page *page = reading->page;
    const struct found *found = reading->found;
    struct replica__view_eye eye;
    const struct replica__feed_options options = {
        .since = page->since,
        .until = found->n < page->n ? head : 0, /* one that is created now begins behind it */
        .rows = page->rows,
        .keys = page->view->keys,
        .eye = replica__view_eye(&eye, page->view, page->targets, found->place),
        .fresh = page->fresh,
    };
    int r;

    page->documents = 0;
    page->last = head;
    page->at_head = true;
    reading->start = reading->documents->len;
    if (found->n == 0)
        return 0;
    r = s->ops->read(s, found->colls, found->n, &options, emit, reading, &page->last, err);
    replica__buf_free(&reading->cut);
    if (r < 0)
        return r == REPLICA_ENOMEM ? replica__enomem(err) : r;
    page->at_head = r > 0;
    /* As of now, so that no purge came in between. */
    r = replica__range_missed(service, page->targets, page->n,
                              replica__page_knows(page->since, page->fresh), err);
    return r > 0 ? 409 : r;
}

/* ---- our dialect ----------------------------------------------------------------- */

static void add_text(struct replica__buf *out, const char *text)
{
    if (text)
        replica__buf_json_string(out, text, strlen(text));
    else
        replica__buf_str(out, "null");
}

static int flag_of_gone(int gone)
{
    return gone == REPLICA__GONE_VIEW ? 2 : 4;
}

/* Of what its reader may not see any more it is told that it is gone, and nothing of who wrote the
 * state that it may not see, when, and with what else. */
static void add_replica(struct reading *r, const struct replica__storage_doc *doc)
{
    struct replica__buf *meta = r->meta;
    bool told = doc->gone != REPLICA__GONE_VIEW;

    if (meta->len > 0)
        replica__buf_char(meta, ',');
    replica__buf_char(meta, '[');
    replica__buf_int(meta, (int64_t)r->found->place[doc->collection]);
    replica__buf_char(meta, ',');
    replica__buf_int(meta, doc->sequence);
    replica__buf_char(meta, ',');
    replica__buf_int(meta, told ? doc->stamp : 0);
    replica__buf_char(meta, ',');
    replica__buf_int(meta, doc->gone ? flag_of_gone(doc->gone) : doc->deleted);
    replica__buf_char(meta, ',');
    add_text(meta, told ? doc->writer : NULL);
    replica__buf_char(meta, ',');
    add_text(meta, told ? doc->bundle : NULL);
    replica__buf_char(meta, ']');
    replica__buf_add(r->documents, doc->json, doc->len);
}

static uint64_t colls_key(const struct found *found, const struct replica__page *page)
{
    uint64_t key = found->n ^ (uint64_t)page->fresh << 8 ^ replica__view_key(page->view);

    for (size_t i = 0; i < found->n; i++)
        key = (key ^ (uint64_t)(uintptr_t)found->colls[i]) * 0x100000001b3u;
    return key;
}

/* Documents behind the page.  Counting costs as much as they are many, so a client that reads page
 * after page is counted for once. */
static int count_rest(struct replica__service *service, const struct replica__page *page,
                      const struct found *found, int64_t head, int64_t *ret, replica_error *err)
{
    struct replica__storage *s = service->storage;
    struct replica__view_eye eye;
    const struct replica__feed_options behind = {
        .since = page->last,
        .keys = page->view->keys,
        .eye = replica__view_eye(&eye, page->view, page->targets, found->place),
        .fresh = page->fresh,
    };
    uint64_t key = colls_key(found, page);
    struct replica__counted *entry;
    int64_t count = -1;

    for (size_t i = 0; i < REPLICA__COUNTED && count < 0; i++) {
        entry = &service->counted[i];
        if (entry->key == key && entry->since == page->since && entry->head == head)
            count = entry->count - (int64_t)page->documents;
    }
    if (count < 0) {
        int r = s->ops->remaining(s, found->colls, found->n, &behind, &count, err);

        if (r < 0)
            return r;
    }
    *ret = count;
    if (count < 0) /* there are too many to be looked at */
        return 0;
    entry = &service->counted[service->next_counted++ % REPLICA__COUNTED];
    *entry = (struct replica__counted){ key, page->last, head, count };
    return 0;
}

/* What stands around the documents. */
static void add_page(struct replica__service *service, const struct replica__page *page,
                     int64_t head, int64_t remaining, struct replica__buf *meta,
                     struct replica__buf *documents, struct replica__buf *out)
{
    struct replica__place place;

    memcpy(place.id, service->incarnation, sizeof(place.id));
    memcpy(place.view, page->view->place, sizeof(place.view));
    replica__buf_reserve(out, meta->len + documents->len + 512);
    replica__buf_char(out, '{');
    if (page->now_ms) {
        replica__buf_str(out, "\"now\":");
        replica__buf_int(out, page->now_ms);
        replica__buf_char(out, ',');
    }
    replica__buf_str(out, "\"meta\":[");
    replica__buf_add(out, meta->data, meta->len);
    replica__buf_str(out, "],\"documents\":[");
    replica__buf_add(out, documents->data, documents->len);
    replica__buf_str(out, "],\"follows\":");
    replica__place_add(&page->follows, out);
    replica__buf_str(out, ",\"checkpoint\":");
    place.lwt = page->last;
    replica__place_add(&place, out);
    replica__buf_str(out, ",\"head\":");
    place.lwt = page->at_head ? page->last : head;
    replica__place_add(&place, out);
    if (remaining >= 0) {
        replica__buf_str(out, ",\"remaining\":");
        replica__buf_int(out, remaining);
    }
    replica__buf_char(out, '}');
}

int replica__page_replica(struct replica__service *service, struct replica__page *page,
                          struct replica__buf *out, replica_error *err)
{
    REPLICA_BUF meta = REPLICA_BUF_INIT;
    REPLICA_BUF documents = REPLICA_BUF_INIT;
    struct found found;
    struct reading reading = { .page = page,
                               .found = &found,
                               .add = add_replica,
                               .documents = &documents,
                               .meta = &meta };
    int64_t head = 0;
    int64_t remaining = 0;
    int r;

    r = service->storage->ops->head(service->storage, &head, err);
    if (r == 0)
        r = find_all(service, page, &found, err);
    if (r == 0)
        r = read_page(service, &reading, head, err);
    if (r == 0 && !page->at_head)
        r = count_rest(service, page, &found, head, &remaining, err);
    if (r != 0)
        return r;
    if (meta.r < 0 || documents.r < 0)
        return replica__enomem(err);
    add_page(service, page, head, remaining, &meta, &documents, out);
    return out->r < 0 ? replica__enomem(err) : 0;
}

/* ---- RxDB's dialect -------------------------------------------------------------- */

static void add_rxdb(struct reading *r, const struct replica__storage_doc *doc)
{
    replica__page_add_state(doc->json, doc->len, doc->deleted || doc->gone, r->documents);
}

int replica__page_rxdb(struct replica__service *service, struct replica__page *page,
                       struct replica__buf *out, replica_error *err)
{
    struct found found;
    struct reading reading = {
        .page = page, .found = &found, .add = add_rxdb, .documents = out
    };
    struct replica__place place = { .lwt = 0 };
    int64_t head = 0;
    int r;

    r = service->storage->ops->head(service->storage, &head, err);
    if (r == 0)
        r = find_all(service, page, &found, err);
    if (r != 0)
        return r;
    replica__buf_str(out, "{\"documents\":[");
    r = read_page(service, &reading, head, err);
    if (r != 0)
        return r;
    memcpy(place.id, service->incarnation, sizeof(place.id));
    memcpy(place.view, page->view->place, sizeof(place.view));
    place.lwt = page->last;
    replica__buf_str(out, "],\"checkpoint\":");
    replica__place_add(&place, out);
    replica__buf_char(out, '}');
    return out->r < 0 ? replica__enomem(err) : 0;
}

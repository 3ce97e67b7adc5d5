/* Documents by their keys, whatever their place in the feed is: a page that stands nowhere. */
#include "tools/server/range.h"

#include "base/alloc.h"
#include "base/error.h"
#include "tools/server/question.h"

#include <string.h>

enum { ASKED_MAX = 1000 }; /* in one request */

struct asked {
    struct replica__question *q;
    struct replica__buf texts; /* the keys, each with a NUL */
    const char *ids[ASKED_MAX];
    size_t n;
    struct replica__buf meta, documents, cut;
    int64_t late_ms; /* monotonic: others want their turn */
};

static void asked_free(struct asked **a)
{
    if (!*a)
        return;
    replica__buf_free(&(*a)->texts);
    replica__buf_free(&(*a)->meta);
    replica__buf_free(&(*a)->documents);
    replica__buf_free(&(*a)->cut);
    replica__free(*a);
}
#define ASKED __attribute__((cleanup(asked_free))) struct asked *

static bool read_ids(struct asked *a)
{
    struct replica__json_value list = replica__question_member(a->q, "ids");
    struct replica__json_iter it;
    size_t at = 0;

    if (list.type != REPLICA_JSON_ARRAY)
        return replica__question_bad(a->q, "'ids' is no list");
    it = replica__json_iter(list);
    for (; replica__json_next(&it); a->n++) {
        if (a->n == ASKED_MAX)
            return replica__question_bad(a->q, "'ids' are more than 1000");
        if (!replica__question_string(a->q, it.value, "ids", a->q->max_key, &a->texts))
            return false;
    }
    for (size_t i = 0; i < a->n; i++) { /* they do not move any more */
        a->ids[i] = a->texts.data + at;
        at += strlen(a->ids[i]) + 1;
    }
    return true;
}

enum { FLAG_DELETED = 1, FLAG_REVOKED = 2, FLAG_LEFT = 4 };

/* What its reader sees of it: flags, or < 0. */
static int flags_of(const struct asked *a, const struct replica__storage_doc *doc)
{
    const struct replica__question *q = a->q;
    int sight;

    if (!doc->json)
        return FLAG_DELETED;
    sight = replica__view_look(&q->view, &q->target, doc->json, doc->len, false);
    if (sight == REPLICA__SIGHT_SHOWN && q->view.keys &&
        !replica_key_matches(q->view.keys, doc->id))
        sight = REPLICA__SIGHT_LEFT;
    if (sight < 0)
        return sight;
    return (doc->deleted ? FLAG_DELETED : 0) | (sight == REPLICA__SIGHT_HIDDEN ? FLAG_REVOKED : 0) |
           (sight == REPLICA__SIGHT_LEFT ? FLAG_LEFT : 0);
}

static void add_meta(struct replica__buf *meta, const struct replica__storage_doc *doc, int flags)
{
    bool told = flags == 0 || flags == FLAG_DELETED; /* of others it is told that they are gone */

    replica__buf_str(meta, meta->len > 0 ? ",[0," : "[0,");
    replica__buf_int(meta, doc->sequence);
    replica__buf_char(meta, ',');
    replica__buf_int(meta, told ? doc->stamp : 0);
    replica__buf_char(meta, ',');
    replica__buf_int(meta, flags);
    replica__buf_char(meta, ',');
    if (told && doc->writer[0])
        replica__buf_json_string(meta, doc->writer, strlen(doc->writer));
    else
        replica__buf_str(meta, "null");
    replica__buf_char(meta, ',');
    replica__question_add_key(meta, told ? doc->bundle : NULL,
                              told && doc->bundle ? strlen(doc->bundle) : 0);
    if (doc->version >= 0) {
        replica__buf_char(meta, ',');
        replica__buf_int(meta, doc->version);
    }
    replica__buf_char(meta, ']');
}

static int add_text(struct asked *a, const struct replica__storage_doc *doc, bool whole)
{
    const char *key = a->q->service->storage->ops->key(a->q->target.coll);
    struct replica__buf *out = &a->documents;
    int r = 0;

    if (out->len > 0)
        replica__buf_char(out, ',');
    replica__buf_clear(&a->cut);
    if (whole)
        r = replica__view_cut(&a->q->view, &a->q->target, doc->json, doc->len, &a->cut);
    if (r < 0)
        return r;
    if (!whole) {
        replica__buf_char(out, '{');
        replica__buf_json_string(out, key, strlen(key));
        replica__buf_char(out, ':');
        replica__buf_json_string(out, doc->id, strlen(doc->id));
        replica__buf_char(out, '}');
    } else if (r > 0) {
        replica__buf_add(out, a->cut.data, a->cut.len);
    } else {
        replica__buf_add(out, doc->json, doc->len);
    }
    return out->r;
}

static bool is_late(const struct asked *a)
{
    const struct replica__world *world = a->q->service->world;

    return world->monotonic_ms(world->ctx) >= a->late_ms;
}

static int add_document(void *ctx, const struct replica__storage_doc *doc)
{
    struct asked *a = ctx;
    struct replica__storage_doc shown = *doc;
    int flags = flags_of(a, doc);
    bool whole = doc->json && (flags & (FLAG_REVOKED | FLAG_LEFT)) == 0;
    int r;

    if (flags < 0)
        return flags;
    if (flags == (FLAG_DELETED | FLAG_REVOKED)) { /* as if it had never been */
        shown = (struct replica__storage_doc){ .id = doc->id, .writer = "", .version = -1 };
        flags = FLAG_DELETED;
    } else if (flags & FLAG_DELETED) {
        flags = FLAG_DELETED;
    }
    add_meta(&a->meta, &shown, flags);
    r = a->meta.r < 0 ? a->meta.r : add_text(a, doc, whole);
    return r < 0 ? r : a->documents.len >= a->q->service->options.bytes || is_late(a);
}

/* Without a collection nobody knows how its key is called: nothing is said of each. */
static void write_documents(struct asked *a, int64_t head, struct replica__reply *reply)
{
    const struct replica__world *world = a->q->service->world;
    struct replica__buf *out = &reply->body;

    reply->type = REPLICA__REPLY_REPLICA;
    reply->no_store = true;
    replica__buf_reserve(out, a->meta.len + a->documents.len + 256);
    replica__buf_str(out, "{\"now\":");
    replica__buf_int(out, world->now_ms(world->ctx));
    replica__buf_str(out, ",\"meta\":[");
    replica__buf_add(out, a->meta.data, a->meta.len);
    replica__buf_str(out, "],\"documents\":[");
    replica__buf_add(out, a->documents.data, a->documents.len);
    replica__buf_str(out, a->q->target.coll ? "]," : "],\"absent\":true,");
    replica__question_add_head(a->q, head, out);
    replica__buf_char(out, '}');
}

void replica__documents_answer(struct replica__service *service,
                               const struct replica__request *request,
                               struct replica__reply *reply)
{
    QUESTION q = { .service = service, .reply = reply };
    ASKED a = replica__alloc_zero(1, sizeof(*a));
    struct replica__storage *s = service->storage;
    replica_error err = { 0 };
    int64_t head = 0;
    int r;

    if (!a) {
        replica__question_failed(&q, REPLICA_ENOMEM, &err);
        return;
    }
    a->q = &q;
    a->late_ms = service->world->monotonic_ms(service->world->ctx) + REPLICA__LOOK_MS;
    if (!replica__question_read(&q, request) || !read_ids(a))
        return;
    r = q.target.coll
            ? s->ops->documents(s, q.target.coll, a->ids, a->n, add_document, a, &head, &err)
            : s->ops->head(s, &head, &err);
    if (r < 0 || a->meta.r < 0 || a->documents.r < 0)
        replica__question_failed(&q, r < 0 ? r : REPLICA_ENOMEM, &err);
    else
        write_documents(a, head, reply);
}

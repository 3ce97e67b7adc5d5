/* A page of RxDB's dialect that is written while it is read: as many documents as were asked for,
 * in parts, with no transaction held from one part to the next.
 *
 * A document that changes meanwhile moves behind and comes later, once: nothing is passed over.
 * What the bundles in the page lack comes with its last part. */
#include "tools/server/page.h"

#include "base/alloc.h"
#include "base/error.h"
#include "tools/server/range.h"

#include <stdio.h>
#include <string.h>

enum { PART_ROWS = 100, PART_BYTES = 256 * 1024 };

struct replica__cursor {
    struct replica__service *service;
    struct replica__target target;
    struct replica__view view;
    int64_t asked, since;
    size_t left;
    size_t documents;
    struct replica__feed_bundles bundles; /* in the page so far */
    bool started;
    bool ended;
    char lwt[48];  /* as asked */
    char id[];     /* as asked */
};

int replica__pages_open(struct replica__service *service, const struct replica__target *target,
                        const char *asked_id, const char *asked_lwt, int64_t since, size_t limit,
                        struct replica__view *view, struct replica__cursor **ret_cursor,
                        replica_error *err)
{
    size_t id_len = strlen(asked_id) + 1;
    struct replica__cursor *c = replica__alloc_zero(1, sizeof(*c) + id_len);

    if (!c) {
        replica__view_free(view);
        return replica__enomem(err);
    }
    c->service = service;
    c->target = *target;
    c->view = *view;
    *view = (struct replica__view){ 0 };
    c->asked = c->since = since;
    c->left = target->coll ? limit : 0;
    snprintf(c->lwt, sizeof(c->lwt), "%s", asked_lwt);
    memcpy(c->id, asked_id, id_len);
    *ret_cursor = c;
    return 0;
}

void replica__pages_close(struct replica__cursor *cursor)
{
    if (!cursor)
        return;
    replica__feed_bundles_free(&cursor->bundles);
    replica__view_free(&cursor->view);
    replica__free(cursor);
}

struct part {
    struct replica__cursor *cursor;
    struct replica__buf *out;
    size_t start;
    struct replica__buf cut; /* room for one text */
};

static int emit(void *ctx, const struct replica__storage_doc *doc)
{
    struct part *part = ctx;
    struct replica__storage_doc room;

    doc = replica__page_cut(&part->cursor->view, &part->cursor->target, doc, &room, &part->cut);
    if (!doc)
        return REPLICA_ENOMEM;
    if (part->cursor->documents++ > 0)
        replica__buf_char(part->out, ',');
    replica__page_add_state(doc->json, doc->len, doc->deleted || doc->gone, part->out);
    if (part->out->r < 0)
        return part->out->r;
    if (doc->whole)
        return part->out->len - part->start > REPLICA__PAGE_MOST;
    part->cursor->since = doc->sequence;
    part->cursor->left--;
    return part->out->len - part->start > PART_BYTES;
}

/* Who asks with an empty page's checkpoint again looks at the same documents again; where most are
 * hidden from it, it is told how far it has come. */
static void finish(struct replica__cursor *c, struct replica__buf *out)
{
    struct replica__place place = { .lwt = c->since };

    c->ended = true;
    replica__buf_str(out, "],\"checkpoint\":");
    if (c->documents || (c->view.rights && c->since > c->asked)) {
        memcpy(place.id, c->service->incarnation, sizeof(place.id));
        memcpy(place.view, c->view.place, sizeof(place.view));
        replica__place_add(&place, out);
    } else {
        replica__buf_str(out, "{\"id\":");
        replica__buf_json_string(out, c->id, strlen(c->id));
        replica__buf_str(out, ",\"lwt\":");
        replica__buf_str(out, c->lwt);
        replica__buf_char(out, '}');
    }
    replica__buf_char(out, '}');
}

/* 1: it was the end. */
static int read_part(struct replica__cursor *c, size_t rows, struct part *part, int64_t *ret_last,
                     replica_error *err)
{
    struct replica__storage *s = c->service->storage;
    struct replica__view_eye eye;
    const struct replica__feed_options options = {
        .since = c->since, .rows = rows, .bundles = &c->bundles,
        .eye = replica__view_eye(&eye, &c->view, &c->target, NULL),
    };
    int r = s->ops->read(s, &c->target.coll, 1, &options, emit, part, ret_last, err);

    replica__buf_free(&part->cut);
    return r == REPLICA_ENOMEM ? replica__enomem(err) : r;
}

/* What the bundles in the page lack of behind its end. */
static int make_whole(struct replica__cursor *c, struct part *part, replica_error *err)
{
    int64_t last = 0;
    int r = c->bundles.all.len > 0 ? read_part(c, 0, part, &last, err) : 0;

    if (r >= 0 && last > c->since)
        c->since = last;
    return r < 0 ? r : 0;
}

static int64_t monotonic(const struct replica__cursor *c)
{
    const struct replica__world *world = c->service->world;

    return world->monotonic_ms(world->ctx);
}

/* Who sees but some of much makes us look at all of it. */
static bool is_late(const struct replica__cursor *c, int64_t begin)
{
    return monotonic(c) - begin >= REPLICA__LOOK_MS;
}

int replica__pages_more(struct replica__cursor *c, struct replica__buf *out, replica_error *err)
{
    struct part part = { c, out, out->len };
    int64_t begin = monotonic(c), last = 0;
    int r = 1;

    if (c->ended)
        return 0;
    if (!c->started) {
        c->started = true;
        replica__buf_str(out, "{\"documents\":[");
    }
    while (r > 0 && c->left > 0 && out->len - part.start <= PART_BYTES && !is_late(c, begin)) {
        r = read_part(c, c->left < PART_ROWS ? c->left : PART_ROWS, &part, &last, err);
        if (r < 0)
            return r;
        if (r == 0 && last > c->since)
            c->since = last; /* what is hidden is passed */
        r = r == 0;          /* go on: the end was not reached */
    }
    if (c->asked > 0 && replica__range_missed(c->service, &c->target, 1, c->asked, err) != 0)
        return replica__error_set(err, REPLICA_EHTTP, 409, "deletions in the page were purged");
    if (r == 0 || c->left == 0) {
        r = make_whole(c, &part, err);
        if (r < 0)
            return r;
        finish(c, out);
    } else if (out->len == part.start) { /* a sign of life, which JSON does not mind */
        replica__buf_char(out, ' ');
    }
    if (out->r < 0)
        return replica__enomem(err);
    return c->ended ? 0 : is_late(c, begin) ? 2 : 1;
}

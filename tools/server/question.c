#include "tools/server/question.h"

#include "base/error.h"

#include <string.h>

void replica__question_free(struct replica__question *q)
{
    replica__view_free(&q->view);
}

/* ---- what is wrong --------------------------------------------------------------- */

bool replica__question_bad(const struct replica__question *q, const char *what)
{
    replica__reply_error(q->reply, 400, "request", "%s", what);
    return false;
}

bool replica__question_failed(const struct replica__question *q, int r, const replica_error *err)
{
    replica__reply_failure(q->reply, err->code ? err : &(replica_error){ .code = r });
    return false;
}

/* ---- members --------------------------------------------------------------------- */

struct replica__json_value replica__question_member(const struct replica__question *q,
                                                    const char *name)
{
    struct replica__json_value v = replica__json_member(q->body, name, REPLICA_NUL);

    if (v.type == REPLICA_JSON_NULL)
        v.type = REPLICA_JSON_NONE;
    return v;
}

bool replica__question_string(const struct replica__question *q, struct replica__json_value v,
                              const char *name, size_t max, struct replica__buf *out)
{
    size_t start = out->len;

    if (v.type == REPLICA_JSON_STRING)
        replica__json_unescape((struct replica__slice){ v.text.data + 1, v.text.len - 2 }, out);
    if (v.type != REPLICA_JSON_STRING || out->len - start > max ||
        (out->len > start && memchr(out->data + start, '\0', out->len - start))) {
        replica__reply_error(q->reply, 400, "request", "'%s' is no text of at most %zu bytes",
                             name, max);
        return false;
    }
    replica__buf_char(out, '\0');
    return out->r == 0 || replica__question_failed(q, out->r, &(replica_error){ 0 });
}

bool replica__question_key(const struct replica__question *q, const char *name,
                           struct replica__buf *out)
{
    struct replica__json_value v = replica__question_member(q, name);

    return v.type == REPLICA_JSON_NONE || replica__question_string(q, v, name, q->max_key, out);
}

/* ---- what all have --------------------------------------------------------------- */

static bool read_target(struct replica__question *q, struct replica__json_value v,
                        const char *name, struct replica__target *ret)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;

    if (!replica__question_string(q, v, name, 2 * REPLICA__NAME_MAX, &text))
        return false;
    if (replica__target_parse(text.data, text.len - 1, ret))
        return true;
    replica__reply_error(q->reply, 400, "request", "'%s': that is no collection", name);
    return false;
}

/* Those that the asker's checkpoint covers; without them it is the one that it asks about. */
static bool read_covered(struct replica__question *q, struct replica__target *targets,
                         size_t *ret_n)
{
    struct replica__json_value list = replica__question_member(q, "collections");
    struct replica__json_iter it;
    size_t n = 0;

    if (list.type == REPLICA_JSON_NONE) {
        targets[0] = q->target;
        *ret_n = 1;
        return true;
    }
    if (list.type != REPLICA_JSON_ARRAY)
        return replica__question_bad(q, "'collections' is no list");
    it = replica__json_iter(list);
    while (replica__json_next(&it)) {
        if (n == REPLICA__TARGETS_MAX)
            return replica__question_bad(q, "'collections' are too many");
        if (!read_target(q, it.value, "collections", &targets[n++]))
            return false;
    }
    *ret_n = n;
    return n > 0 || replica__question_bad(q, "'collections' is empty");
}

static bool read_view(struct replica__question *q, const struct replica__who *who)
{
    struct replica__target targets[REPLICA__TARGETS_MAX];
    struct replica__json_value keys = replica__question_member(q, "keys");
    struct replica__json_value filter = replica__question_member(q, "filter");
    bool filtered = filter.type != REPLICA_JSON_NONE;
    REPLICA_BUF pattern = REPLICA_BUF_INIT;
    size_t n = 0;

    if (keys.type != REPLICA_JSON_NONE &&
        !replica__question_string(q, keys, "keys", REPLICA__FILTER_MAX, &pattern))
        return false;
    return read_covered(q, targets, &n) &&
           replica__view_make(q->service, &q->view, replica__question_text(&pattern),
                              filtered ? filter.text.data : NULL, filtered ? filter.text.len : 0,
                              who, q->reply) &&
           replica__view_place(&q->view, targets, n, NULL, q->reply);
}

bool replica__question_read(struct replica__question *q, const struct replica__request *request)
{
    struct replica__storage *s = q->service->storage;
    struct replica__json_limits limits;

    s->ops->limits(s, &limits, &q->max_key);
    if (!request->body || replica__json_check(request->body, request->body_len, NULL, NULL) < 0)
        return replica__question_bad(q, "the body is no JSON");
    q->body = replica__json_value(request->body, request->body_len);
    if (q->body.type != REPLICA_JSON_OBJECT)
        return replica__question_bad(q, "the body is no object");
    return read_target(q, replica__question_member(q, "collection"), "collection", &q->target) &&
           !replica__version_refused(q->service, &q->target, false, q->reply) &&
           read_view(q, request->who);
}

/* ---- answers --------------------------------------------------------------------- */

void replica__question_add_key(struct replica__buf *out, const char *key, size_t len)
{
    if (key)
        replica__buf_json_string(out, key, len);
    else
        replica__buf_str(out, "null");
}

void replica__question_add_head(const struct replica__question *q, int64_t head,
                                struct replica__buf *out)
{
    struct replica__place place = { .lwt = head };

    memcpy(place.id, q->service->incarnation, sizeof(place.id));
    memcpy(place.view, q->view.place, sizeof(place.view));
    replica__buf_str(out, "\"head\":");
    replica__place_add(&place, out);
}

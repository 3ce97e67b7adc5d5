/* One document by its path, for programs that keep no database of their own.
 *
 * Its entity tag is its revision.  Who writes says with If-Match from which state it started, or
 * with "If-None-Match: *" that there was none; where another one is stored nothing is written, and
 * the answer, 412, has it.  Reading, judging and writing are one call of the storage, which begins
 * anew if another process was faster. */
#include "tools/server/document.h"

#include "base/alloc.h"
#include "base/error.h"
#include "tools/server/view.h"

#include <stdio.h>
#include <string.h>

bool replica__document_route(const char *path, struct replica__target *ret_target,
                             const char **ret_key)
{
    const char *name = path + 4, *slash;

    if (strncmp(path, "doc/", 4) != 0)
        return false;
    slash = strchr(name, '/');
    slash = slash ? strchr(slash + 1, '/') : NULL;
    if (!slash || !slash[1] || !replica__target_parse(name, (size_t)(slash - name), ret_target))
        return false;
    *ret_key = slash + 1;
    return true;
}

enum method { GET, PUT, PATCH, DELETE, OTHER };

static enum method method_of(const char *name)
{
    static const char *const names[] = { "GET", "PUT", "PATCH", "DELETE" };

    for (int i = 0; i < OTHER; i++)
        if (strcmp(name, names[i]) == 0)
            return (enum method)i;
    return OTHER;
}

bool replica__document_method(const char *method)
{
    return method_of(method) != OTHER;
}

struct asking {
    const struct replica__request *request;
    const struct replica__target *target;
    const struct replica__view *view;
    const struct replica__grants *grants; /* NULL: there are no rules */
    struct replica__reply *reply;
    const char *key;
    enum method method;
    int64_t fence; /* of the lock that it is written under; 0: it does not say */
    int tries;    /* how often the storage asked what is to be done */
    bool created;
    bool no_memory;
};

/* ---- conditions ------------------------------------------------------------------ */

struct tag {
    const char *text; /* between the quotes */
    size_t len;
    bool weak;
    bool any; /* a star, without quotes */
};

/* The next entity tag of a list.  1; 0: the end; -1: that is no list of them. */
static int next_tag(const char **at, struct tag *ret)
{
    const char *p = *at + strspn(*at, ", \t"), *end;

    if (!*p)
        return 0;
    ret->any = *p == '*';
    ret->weak = strncmp(p, "W/", 2) == 0;
    p += ret->any ? 1 : ret->weak ? 2 : 0;
    end = !ret->any && *p == '"' ? strchr(p + 1, '"') : NULL;
    if (!end && !ret->any)
        return -1;
    ret->text = p + 1;
    ret->len = end ? (size_t)(end - p - 1) : 0;
    *at = end ? end + 1 : p;
    return **at && !strchr(", \t", **at) ? -1 : 1;
}

static bool is_list(const char *list)
{
    struct tag tag;
    int r = 1;

    while (list && r > 0)
        r = next_tag(&list, &tag);
    return r >= 0;
}

/* Does the list name the stored state?  A weak tag never says "the very same". */
static bool names(const char *list, const struct replica__storage_state *now, bool strong)
{
    struct tag tag;

    while (now && next_tag(&list, &tag) > 0)
        if (tag.any || (!(tag.weak && strong) && strlen(now->rev) == tag.len &&
                        memcmp(now->rev, tag.text, tag.len) == 0))
            return true;
    return false;
}

/* ---- answers --------------------------------------------------------------------- */

static void set_tag(struct replica__reply *reply, const char *rev)
{
    snprintf(reply->etag, sizeof(reply->etag), "\"%s\"", rev);
}

static void answer_state(struct replica__reply *reply, int status,
                         const struct replica__storage_state *state)
{
    reply->status = status;
    set_tag(reply, state->rev);
    if (status != 304)
        replica__buf_add(&reply->body, state->json, state->len);
}

static void answer_absent(const struct asking *a)
{
    replica__reply_error(a->reply, 404, "document", "there is no '%.200s'", a->key);
}

/* Another state is stored than the condition names. */
static void answer_conflict(const struct asking *a, const struct replica__storage_state *now)
{
    struct replica__reply *reply = a->reply;

    replica__reply_begin(reply, 412, "revision",
                         now ? "another revision is stored" : "there is no such document");
    replica__buf_str(&reply->body, ",\"rev\":");
    if (now)
        replica__buf_json_string(&reply->body, now->rev, strlen(now->rev));
    else
        replica__buf_str(&reply->body, "null");
    replica__buf_str(&reply->body, ",\"document\":");
    replica__buf_add(&reply->body, now ? now->json : "null", now ? now->len : 4);
    replica__buf_char(&reply->body, '}');
    if (now)
        set_tag(reply, now->rev);
}

/* false: answered. */
static bool conditions_hold(const struct asking *a, const struct replica__storage_state *now)
{
    const char *match = a->request->if_match, *none = a->request->if_none_match;

    if (match && !names(match, now, true)) {
        answer_conflict(a, now);
        return false;
    }
    if (none && names(none, now, false)) {
        if (a->method == GET)
            answer_state(a->reply, 304, now);
        else
            answer_conflict(a, now);
        return false;
    }
    return true;
}

/* ---- what is to be done ---------------------------------------------------------- */

/* now: as it is stored, for the rules; NULL: there is none.  true: the text in out may be written
 * (or, with a DELETE, the document deleted).  false: answered. */
static bool may_write(struct asking *a, const struct replica__storage_state *now,
                      struct replica__buf *out)
{
    const struct replica__storage *s = a->view->service->storage;
    REPLICA_BUF whole = REPLICA_BUF_INIT;
    bool seen = false;
    const char *why = "";
    int r;

    if (!a->grants || out->r < 0)
        return true;
    r = replica__grants_judge(a->grants, s->ops->key(a->target->coll), now ? now->json : NULL,
                              now ? now->len : 0, out->data ? out->data : "{}",
                              out->data ? out->len : 2, a->method == DELETE, &whole, &seen, &why);
    a->no_memory = r < 0 || whole.r < 0;
    if (r == 0)
        replica__reply_error(a->reply, 403, "forbidden", "'%.200s': %s", a->key, why);
    if (r > 0 && whole.len > 0) {
        replica__buf_clear(out);
        replica__buf_add(out, whole.data, whole.len);
    }
    return r > 0 && !a->no_memory;
}

/* seen: now, as who asks sees it. */
static int write_text(struct asking *a, const struct replica__storage_state *now,
                      const struct replica__storage_state *seen, struct replica__buf *out)
{
    const struct replica__request *q = a->request;

    if (a->method == PATCH)
        replica__json_merge_patch(seen->json, seen->len, q->body, q->body_len, out);
    else if (a->method == PUT)
        replica__buf_add(out, q->body, q->body_len);
    if (!may_write(a, now, out))
        return REPLICA_MODIFY_KEEP;
    a->no_memory = out->r < 0;
    if (a->no_memory)
        return REPLICA_MODIFY_KEEP;
    return a->method == DELETE ? REPLICA_MODIFY_DELETE : REPLICA_MODIFY_PUT;
}

static int decide_seen(struct asking *a, const struct replica__storage_state *now,
                       const struct replica__storage_state *seen, struct replica__buf *out)
{
    if (!conditions_hold(a, seen))
        return REPLICA_MODIFY_KEEP;
    if (a->method == PUT)
        return write_text(a, now, seen, out);
    if (!seen) {
        answer_absent(a);
        return REPLICA_MODIFY_KEEP;
    }
    if (seen->older && a->method != DELETE) {
        replica__reply_error(a->reply, 404, "version", "'%.200s' is of a lower version", a->key);
        return REPLICA_MODIFY_KEEP;
    }
    if (a->method != GET)
        return write_text(a, now, seen, out);
    answer_state(a->reply, 200, seen);
    return REPLICA_MODIFY_KEEP;
}

/* What may not be seen is as if it were not there; but its key is taken. */
static int decide(void *ctx, const struct replica__storage_state *now, struct replica__buf *out)
{
    struct asking *a = ctx;
    struct replica__storage_state seen = { 0 };
    REPLICA_BUF cut = REPLICA_BUF_INIT;
    int r;

    a->tries++;
    a->created = !now;
    if (!now || !a->grants)
        return decide_seen(a, now, now, out);
    r = replica__view_look(a->view, a->target, now->json, now->len, false);
    if (r == REPLICA__SIGHT_HIDDEN) {
        if (a->method == PUT)
            replica__reply_error(a->reply, 403, "forbidden", "'%.200s': not allowed", a->key);
        else
            answer_absent(a);
        return REPLICA_MODIFY_KEEP;
    }
    if (r >= 0)
        r = replica__view_cut(a->view, a->target, now->json, now->len, &cut);
    a->no_memory = r < 0;
    if (r < 0)
        return REPLICA_MODIFY_KEEP;
    seen = *now;
    if (r > 0) {
        seen.json = cut.data;
        seen.len = cut.len;
    }
    return decide_seen(a, now, &seen, out);
}

static void answer_failure(const struct asking *a, const replica_error *err)
{
    struct replica__reply *reply = a->reply;

    switch (err->code) {
    case REPLICA_EJSON:
    case REPLICA_ESCHEMA:
        replica__reply_error(reply, 422, "document", "%s", err->message);
        break;
    case REPLICA_ELIMIT:
        replica__reply_error(reply, 413, "size", "%s", err->message);
        break;
    case REPLICA_EVERSION:
        replica__reply_error(reply, 426, "version", "%s", err->message);
        break;
    case REPLICA_ELOCKED:
        replica__reply_begin(reply, 423, "locked", err->message);
        replica__buf_str(&reply->body, ",\"holder\":");
        replica__message_add(err->where, &reply->body);
        replica__buf_char(&reply->body, '}');
        break;
    case REPLICA_ECONFLICT:
        if (a->tries == 1) { /* no other writer, who would have been met again */
            replica__reply_error(reply, 409, "unique", "%s",
                                 a->grants ? "a unique index is in the way" : err->message);
            break;
        }
        replica__reply_error(reply, 503, "busy", "others write '%.200s' all the time", a->key);
        reply->retry_after = 1;
        break;
    default:
        replica__reply_failure(reply, err);
    }
}

/* What was written, as its writer sees it. */
static void answer_written(struct asking *a, struct replica__storage_state *stored)
{
    REPLICA_BUF cut = REPLICA_BUF_INIT;
    int r = replica__view_cut(a->view, a->target, stored->json, stored->len, &cut);
    struct replica__storage_state seen = *stored;

    if (r > 0) {
        seen.json = cut.data;
        seen.len = cut.len;
    }
    if (r < 0)
        replica__reply_failure(a->reply, &(replica_error){ .code = REPLICA_ENOMEM });
    else
        answer_state(a->reply, a->created ? 201 : 200, &seen);
}

static void write_or_read(struct replica__service *service, struct asking *a,
                          struct replica__storage_coll *coll)
{
    struct replica__storage *s = service->storage;
    struct replica__storage_state stored = { 0 };
    replica_error err = { 0 };
    int r = s->ops->modify(s, coll, a->key, a->request->client, a->fence, decide, a, &stored, &err);

    if (a->no_memory)
        replica__reply_failure(a->reply, &(replica_error){ .code = REPLICA_ENOMEM });
    else if (r < 0)
        answer_failure(a, &err);
    else if (r > 0 && a->method == DELETE)
        a->reply->status = 204;
    else if (r > 0)
        answer_written(a, &stored);
    replica__free(stored.json);
}

/* What can be refused without a look at what is stored.  false: answered. */
static bool is_good(struct asking *a)
{
    const struct replica__request *q = a->request;

    if (q->fence && (!q->client || !replica__number_parse(q->fence, &a->fence) || !a->fence)) {
        replica__reply_error(a->reply, 400, "request", "Replica-Fence is no number of a client's");
        return false;
    }
    if (!is_list(q->if_match) || !is_list(q->if_none_match)) {
        replica__reply_error(a->reply, 400, "request", "%s is no list of entity tags",
                             is_list(q->if_match) ? "If-None-Match" : "If-Match");
        return false;
    }
    if (a->method != PUT && a->method != PATCH)
        return true;
    if (q->body_len == 0 || replica__json_check(q->body, q->body_len, NULL, NULL) < 0 ||
        replica__json_value(q->body, q->body_len).type != REPLICA_JSON_OBJECT) {
        replica__reply_error(a->reply, 422, "document", "the body is no JSON object");
        return false;
    }
    return true;
}

void replica__document_answer(struct replica__service *service,
                              const struct replica__request *request,
                              struct replica__target *target, const char *key,
                              struct replica__reply *reply)
{
    REPLICA_VIEW view = { 0 };
    struct asking a = { .request = request,
                        .target = target,
                        .view = &view,
                        .reply = reply,
                        .key = key,
                        .method = method_of(request->method) };
    bool create = a.method == PUT && !request->if_match;

    reply->no_store = true;
    if (!is_good(&a) || !replica__view_make(service, &view, NULL, NULL, 0, request->who, reply))
        return;
    if (replica__view_grants(&view, target->name, &a.grants) < 0) {
        replica__reply_failure(reply, &(replica_error){ .code = REPLICA_ENOMEM });
        return;
    }
    if (create && a.grants && !replica__grants_any(a.grants, REPLICA__DEED_CREATE))
        create = false;
    if (replica__version_refused(service, target, create, reply))
        return;
    if (!target->coll && a.method == PUT && !request->if_match)
        replica__reply_error(reply, 403, "forbidden", "'%.200s': not allowed", key);
    else if (target->coll)
        write_or_read(service, &a, target->coll);
    else if (conditions_hold(&a, NULL)) /* not even the collection is there */
        answer_absent(&a);
}

/* One document by its path, for programs that keep no database of their own.
 *
 * Its entity tag is its revision.  Who writes says with If-Match from which state it started, or
 * with "If-None-Match: *" that there was none; where another one is stored nothing is written, and
 * the answer, 412, has it.  Reading, judging and writing are one call of the storage, which begins
 * anew if another process was faster. */
#include "tools/server/document.h"

#include "base/alloc.h"
#include "base/error.h"

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

static int patch(struct asking *a, const struct replica__storage_state *now,
                 struct replica__buf *out)
{
    replica__json_merge_patch(now->json, now->len, a->request->body, a->request->body_len, out);
    a->no_memory = out->r < 0;
    return a->no_memory ? REPLICA_MODIFY_KEEP : REPLICA_MODIFY_PUT;
}

static int decide(void *ctx, const struct replica__storage_state *now, struct replica__buf *out)
{
    struct asking *a = ctx;

    a->tries++;
    a->created = !now;
    if (!conditions_hold(a, now))
        return REPLICA_MODIFY_KEEP;
    if (a->method == PUT) {
        replica__buf_add(out, a->request->body, a->request->body_len);
        a->no_memory = out->r < 0;
        return a->no_memory ? REPLICA_MODIFY_KEEP : REPLICA_MODIFY_PUT;
    }
    if (!now) {
        answer_absent(a);
        return REPLICA_MODIFY_KEEP;
    }
    if (now->older && a->method != DELETE) {
        replica__reply_error(a->reply, 404, "version", "'%.200s' is of a lower version", a->key);
        return REPLICA_MODIFY_KEEP;
    }
    if (a->method == DELETE)
        return REPLICA_MODIFY_DELETE;
    if (a->method == PATCH)
        return patch(a, now, out);
    answer_state(a->reply, 200, now);
    return REPLICA_MODIFY_KEEP;
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
            replica__reply_error(reply, 409, "unique", "%s", err->message);
            break;
        }
        replica__reply_error(reply, 503, "busy", "others write '%.200s' all the time", a->key);
        reply->retry_after = 1;
        break;
    default:
        replica__reply_failure(reply, err);
    }
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
        answer_state(a->reply, a->created ? 201 : 200, &stored);
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
    struct asking a = { .request = request,
                        .reply = reply,
                        .key = key,
                        .method = method_of(request->method) };
    bool create = a.method == PUT && !request->if_match;

    reply->no_store = true;
    if (!is_good(&a) || replica__version_refused(service, target, create, reply))
        return;
    if (target->coll)
        write_or_read(service, &a, target->coll);
    else if (conditions_hold(&a, NULL)) /* not even the collection is there */
        answer_absent(&a);
}

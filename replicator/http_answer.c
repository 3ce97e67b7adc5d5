/* From an answer to a replica_call_. */
#include "replicator/http_answer.h"

#include "base/error.h"
#include "replicator/http_secret.h"

#include <string.h>
#include <strings.h>

/* As much of a body as an error shows. */
enum { EXCERPT = 200 };

bool replica__http_type_is(const char *type, const char *want)
{
    size_t len = strlen(want);

    return type && strncasecmp(type, want, len) == 0
        && (type[len] == '\0' || type[len] == ';' || type[len] == ' ');
}

/* ---- errors ---------------------------------------------------------------------- */

/* The body's first bytes on one line: no control characters, no broken UTF-8, no secrets. */
static void excerpt(const struct replica__http_answer *a, char out[EXCERPT + 4])
{
    struct replica__http_secrets secrets;
    size_t n = 0, i, secret;

    replica__http_secrets_find(a->lines, a->url, &secrets);
    for (i = 0; i < a->len && n < EXCERPT; i++) {
        unsigned char c = (unsigned char)a->body[i];

        secret = replica__http_secret_at(&secrets, a->body + i, a->len - i);
        if (secret > 0) {
            out[n++] = '*';
            i += secret - 1;
        } else if (c <= ' ') {
            if (n > 0 && out[n - 1] != ' ')
                out[n++] = ' ';
        } else {
            out[n++] = c < 0x7F ? (char)c : '?';
        }
    }
    out[n] = '\0';
    if (i < a->len)
        strcpy(out + n, "...");
    replica__http_secrets_free(&secrets);
}

static int code_of(long status)
{
    switch (status) {
    case 401: return REPLICA_EAUTH;
    case 413: return REPLICA_ELIMIT;
    case 426: return REPLICA_EVERSION;
    default: return REPLICA_EHTTP;
    }
}

static const char *meaning_of(long status)
{
    switch (status) {
    case 200: return "an answer that is not of this protocol";
    case 401: return "the credentials are missing or refused";
    case 403: return "not allowed";
    case 404: return "there is no such endpoint";
    case 413: return "the request is too large";
    case 426: return "this client's schema version is outdated";
    case 429: return "asked too often";
    case 503: return "the server is busy";
    default: return status >= 300 && status < 400 ? "sent elsewhere, where we do not go"
                                                  : "not what was expected";
    }
}

/* Ours says so; others have nothing at the paths of a version that is still to come. */
static bool is_behind(const struct replica__http_answer *a, int version)
{
    struct replica__json_value v, error;

    if (a->status != 404)
        return false;
    if (version > 0)
        return true;
    if (replica__json_check(a->body, a->len, NULL, NULL) < 0)
        return false;
    v = replica__json_value(a->body, a->len);
    if (v.type != REPLICA_JSON_OBJECT)
        return false;
    error = replica__json_member(v, "error", 5);
    return error.text.len == 9 && memcmp(error.text.data, "\"version\"", 9) == 0;
}

/* version: the highest that was asked for. */
static int word_behind(const struct replica__http_answer *a, int version, replica_error *err)
{
    char text[EXCERPT + 4];

    excerpt(a, text);
    replica__error_set(err, REPLICA_EVERSION, (int)a->status,
                       "%ld: the server has no version %d yet%s%s", a->status, version,
                       text[0] ? ": " : "", text);
    replica__error_where(err, "%s", a->where);
    return REPLICA_EVERSION;
}

int replica__http_word_status(const struct replica__http_answer *a, replica_error *err)
{
    char text[EXCERPT + 4];

    excerpt(a, text);
    replica__error_set(err, code_of(a->status), (int)a->status, "%ld: %s%s%s", a->status,
                       meaning_of(a->status), text[0] ? ": " : "", text);
    replica__error_where(err, "%s", a->where);
    return code_of(a->status);
}

static void fail_status(replica_call *call, const struct replica__http_request *rq,
                        const struct replica__http_answer *a)
{
    replica_error err = { 0 };
    int version = 0;

    for (size_t i = 0; i < rq->count; i++)
        version = rq->collections[i].version > version ? rq->collections[i].version : version;
    if (is_behind(a, version))
        word_behind(a, version, &err);
    else
        replica__http_word_status(a, &err);
    replica_call_fail(call, &err, a->retry_ms);
}

/* ---- hello ----------------------------------------------------------------------- */

static bool gated(const struct replica__http_answer *a, struct replica__json_value *ret)
{
    if (replica__json_check(a->body, a->len, NULL, NULL) < 0)
        return false;
    *ret = replica__json_value(a->body, a->len);
    return ret->type == REPLICA_JSON_OBJECT;
}

static bool uses(struct replica__json_value list, const char *name)
{
    struct replica__json_iter it;

    if (list.type != REPLICA_JSON_ARRAY)
        return false;
    it = replica__json_iter(list);
    while (replica__json_next(&it)) {
        struct replica__slice text = it.value.text;

        if (it.value.type == REPLICA_JSON_STRING
            && replica__json_string_is((struct replica__slice){ text.data + 1, text.len - 2 },
                                       name, strlen(name)))
            return true;
    }
    return false;
}

/* What a server may name in `uses` besides what each has. */
static const struct {
    const char *name;
    unsigned feature;
} extras[] = {
    { "bundles", REPLICA_REMOTE_BUNDLES },
    { "locks", REPLICA_REMOTE_LOCKS },
    { "events", REPLICA_REMOTE_EVENTS },
    { "keys", REPLICA_REMOTE_KEYS },
    { "filter", REPLICA_REMOTE_FILTER },
    { "ranges", REPLICA_REMOTE_RANGES },
};

static bool read_hello(const struct replica__http_answer *a, struct replica__http_hello *ret)
{
    struct replica__json_value v, list;
    int64_t version;

    if (!replica__http_type_is(a->type, REPLICA__WIRE_TYPE) || !gated(a, &v)
        || !replica__json_int(replica__json_member(v, "replica", 7), &version) || version != 1)
        return false;
    list = replica__json_member(v, "uses", 4);
    ret->dialect = REPLICA__DIALECT_REPLICA;
    ret->zstd = uses(list, "zstd");
    ret->features = REPLICA_REMOTE_ONE_FEED | REPLICA_REMOTE_OPERATIONS | REPLICA_REMOTE_ROWS
        | REPLICA_REMOTE_ORDER | REPLICA_REMOTE_STREAM;
    for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++)
        ret->features |= uses(list, extras[i].name) ? extras[i].feature : 0;
    if (replica__json_member(v, "purged", 6).type == REPLICA_JSON_TRUE)
        ret->features |= REPLICA_REMOTE_PURGED;
    if (replica__json_member(v, "views", 5).type == REPLICA_JSON_TRUE)
        ret->features |= REPLICA_REMOTE_VIEWS;
    return true;
}

int replica__http_read_hello(const struct replica__http_answer *answer,
                             struct replica__http_hello *ret, replica_error *err)
{
    struct replica__http_hello hello = { REPLICA__DIALECT_RXDB, false, REPLICA_REMOTE_STREAM };

    if (answer->status == 200 ? !read_hello(answer, &hello)
            : answer->status != 404 && answer->status != 405 && answer->status != 501)
        return replica__http_word_status(answer, err);
    *ret = hello;
    return 0;
}

void replica__http_give_rules(replica_call *call, const struct replica__http_answer *answer)
{
    struct replica__json_value v;
    struct replica__json_iter it;

    if (answer->status != 200 || !gated(answer, &v))
        return;
    v = replica__json_member(v, "rules", 5);
    if (v.type != REPLICA_JSON_OBJECT)
        return;
    it = replica__json_iter(v);
    while (replica__json_next(&it)) {
        REPLICA_BUF name = REPLICA_BUF_INIT;

        replica__json_unescape(it.name, &name);
        if (name.r >= 0 && name.len > 0)
            replica_call_rules(call, name.data, it.value.text.data, it.value.text.len);
    }
}

/* ---- pull and push --------------------------------------------------------------- */

/* A body that is not of the shape: say what was expected, and show what came. */
static void fail_shape(replica_call *call, const struct replica__http_answer *a,
                       const replica_error *why)
{
    replica_error err = { 0 };
    char text[EXCERPT + 4];

    if (why->code == REPLICA_ENOMEM) {
        replica_call_fail(call, why, 0);
        return;
    }
    excerpt(a, text);
    replica__error_at(&err, why->code, why->offset, "%ld, but %s at byte %lld: %s", a->status,
                      why->message, (long long)why->offset, text);
    err.detail = (int)a->status;
    replica__error_where(&err, "%s", a->where);
    replica_call_fail(call, &err, a->retry_ms);
}

static void give_page(replica_call *call, const struct replica__http_request *rq,
                      const struct replica__http_answer *a)
{
    replica_pull_request pull = replica__http_request_as_pull(rq);
    struct replica__wire_page page;
    replica_error err = { 0 };

    if (replica__wire_read_page(rq->dialect, &pull, a->body, a->len, &page, &err) < 0) {
        fail_shape(call, a, &err);
        return;
    }
    replica_call_page(call, &page.page);
    replica__wire_page_free(&page);
}

static void give_verdicts(replica_call *call, const struct replica__http_request *rq,
                          const struct replica__http_answer *a)
{
    replica_push_request push = replica__http_request_as_push(rq);
    struct replica__wire_verdicts v;
    replica_error err = { 0 };

    if (replica__wire_read_verdicts(rq->dialect, &push, a->body, a->len, &v, &err) < 0) {
        fail_shape(call, a, &err);
        return;
    }
    replica_call_verdicts(call, &v.answer);
    replica__wire_verdicts_free(&v);
}

static void give_answer(replica_call *call, const struct replica__http_answer *a)
{
    replica_error err = { .offset = -1 };

    if (replica__json_check(a->body, a->len, NULL, &err) < 0)
        fail_shape(call, a, &err);
    else
        replica_call_answer(call, a->body, a->len);
}

/* `"common":{"id":"...","lwt":n}` of a lost timeline. */
static bool give_lost(replica_call *call, struct replica__json_value v)
{
    REPLICA_BUF id = REPLICA_BUF_INIT;
    struct replica__json_value common, text;
    int64_t lwt;

    common = replica__json_member(v, "common", 6);
    if (common.type != REPLICA_JSON_OBJECT)
        return false;
    text = replica__json_member(common, "id", 2);
    if (text.type != REPLICA_JSON_STRING
        || !replica__json_int(replica__json_member(common, "lwt", 3), &lwt) || lwt < 0)
        return false;
    replica__json_unescape((struct replica__slice){ text.text.data + 1, text.text.len - 2 }, &id);
    if (id.r < 0)
        return false;
    replica_call_lost(call, id.data ? id.data : "", lwt);
    return true;
}

static bool is_word(struct replica__json_value v, const char *word)
{
    return v.type == REPLICA_JSON_STRING
        && replica__json_string_is((struct replica__slice){ v.text.data + 1, v.text.len - 2 }, word,
                                   strlen(word));
}

/* `"error":"reconcile"`: the checkpoint alone is not enough. */
static bool give_reconcile(replica_call *call, struct replica__json_value v)
{
    REPLICA_BUF why = REPLICA_BUF_INIT;
    struct replica__json_value text = replica__json_member(v, "why", 3);

    if (!is_word(replica__json_member(v, "error", 5), "reconcile"))
        return false;
    if (text.type == REPLICA_JSON_STRING)
        replica__json_unescape((struct replica__slice){ text.text.data + 1, text.text.len - 2 },
                               &why);
    replica_call_reconcile(call, why.r >= 0 && why.data ? why.data : "");
    return true;
}

/* What a 409 says of the checkpoint. */
static bool give_conflict(replica_call *call, const struct replica__http_answer *a)
{
    struct replica__json_value v;

    return gated(a, &v) && (give_reconcile(call, v) || give_lost(call, v));
}

void replica__http_give_status(replica_call *call, const struct replica__http_request *rq,
                               const struct replica__http_answer *answer)
{
    if (answer->status != 409 || rq->dialect != REPLICA__DIALECT_REPLICA
        || !give_conflict(call, answer))
        fail_status(call, rq, answer);
}

void replica__http_give(replica_call *call, const struct replica__http_request *rq,
                        const struct replica__http_answer *answer)
{
    if (answer->status != 200)
        replica__http_give_status(call, rq, answer);
    else if (rq->kind == REPLICA__HTTP_PUSH)
        give_verdicts(call, rq, answer);
    else if (rq->kind == REPLICA__HTTP_ASK)
        give_answer(call, answer);
    else
        give_page(call, rq, answer);
}

#include "tools/server/event.h"

#include "base/alloc.h"
#include "base/error.h"
#include "tools/server/view.h"

#include <ctype.h>
#include <string.h>

/* Of one request, and of what is told at once. */
enum {
    EMIT_MOST = 1000,
    EMIT_BYTES = 1 << 20,
    TELL_MOST = 100,
    TELL_BYTES = 64 * 1024,
    PATTERNS_MOST = 64
};

/* ---- emit ------------------------------------------------------------------------ */

static bool name_good(const char *name, size_t len)
{
    if (len > REPLICA__NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]))
            return false;
    return true;
}

struct emitted {
    char client[REPLICA__NAME_MAX + 1];
    struct replica__storage_event events[EMIT_MOST];
    size_t places[EMIT_MOST][2]; /* of address and payload in the text */
    size_t n;
    struct replica__buf text;
};

static void emitted_free(struct emitted **e)
{
    if (*e)
        replica__buf_free(&(*e)->text);
    replica__free(*e);
}

static bool read_client(struct replica__json_value v, struct emitted *e)
{
    if (v.type == REPLICA_JSON_NONE)
        return true;
    if (v.type != REPLICA_JSON_STRING || !name_good(v.text.data + 1, v.text.len - 2))
        return false;
    memcpy(e->client, v.text.data + 1, v.text.len - 2);
    return true;
}

/* ["address", payload]; a third may follow. */
static bool read_event(struct replica__json_value v, struct emitted *e)
{
    struct replica__json_iter it = replica__json_iter(v);

    if (v.type != REPLICA_JSON_ARRAY || !replica__json_next(&it) ||
        it.value.type != REPLICA_JSON_STRING)
        return false;
    e->places[e->n][0] = e->text.len;
    replica__json_unescape((struct replica__slice){ it.value.text.data + 1,
                                                    it.value.text.len - 2 }, &e->text);
    replica__buf_char(&e->text, '\0');
    if (e->text.r == 0 &&
        strlen(e->text.data + e->places[e->n][0]) + 1 != e->text.len - e->places[e->n][0])
        return false;
    if (!replica__json_next(&it))
        return false;
    e->places[e->n][1] = e->text.len;
    e->events[e->n].len = it.value.text.len;
    replica__buf_add(&e->text, it.value.text.data, it.value.text.len);
    replica__buf_char(&e->text, '\0');
    e->n++;
    return true;
}

/* false: answered. */
static bool read_emit(const struct replica__request *request, struct emitted *e,
                      struct replica__reply *reply)
{
    struct replica__json_value body, list;
    struct replica__json_iter it;
    replica_error err = { .offset = -1 };
    bool good;

    if (request->body_len > EMIT_BYTES) { /* they are written in one transaction */
        replica__reply_too_large(reply, EMIT_BYTES, "too many bytes of events");
        return false;
    }
    if (replica__json_check(request->body, request->body_len, NULL, &err) < 0) {
        replica__reply_error(reply, 400, "request", "%s", err.message);
        return false;
    }
    body = replica__json_value(request->body, request->body_len);
    list = replica__json_member(body, "events", REPLICA_NUL);
    good = list.type == REPLICA_JSON_ARRAY &&
           read_client(replica__json_member(body, "client", REPLICA_NUL), e);
    it = replica__json_iter(list);
    while (good && replica__json_next(&it)) {
        if (e->n == EMIT_MOST) {
            replica__reply_too_large(reply, EMIT_MOST, "too many events");
            return false;
        }
        good = read_event(it.value, e);
    }
    if (!good)
        replica__reply_error(reply, 400, "request", "no client and events, as they are to be");
    return good;
}

/* Those that who asks may emit, in front; the others are left out. */
static size_t choose(struct emitted *e, const struct replica__rights *rights)
{
    size_t n = 0;

    for (size_t i = 0; i < e->n; i++) {
        const char *address = e->text.data + e->places[i][0];

        if (!replica__rights_may(rights, REPLICA__DOOR_EMIT, address))
            continue;
        e->events[n].address = address;
        e->events[n].payload = e->text.data + e->places[i][1];
        e->events[n].len = e->events[i].len;
        e->events[n].client = e->client;
        n++;
    }
    return n;
}

void replica__emit_answer(struct replica__service *service, const struct replica__request *request,
                          struct replica__reply *reply)
{
    __attribute__((cleanup(emitted_free))) struct emitted *e = replica__alloc_zero(1, sizeof *e);
    REPLICA_VIEW view = { 0 };
    replica_error err = { .offset = -1 };
    size_t n;
    int r;

    if (!e) {
        replica__reply_failure(reply, &(replica_error){ .code = REPLICA_ENOMEM });
        return;
    }
    if (!replica__view_make(service, &view, NULL, NULL, 0, request->who, reply) ||
        !read_emit(request, e, reply))
        return;
    n = e->text.r < 0 ? 0 : choose(e, view.rights);
    if (e->text.r == 0 && n == 0 && e->n > 0) {
        replica__reply_error(reply, 403, "forbidden", "not allowed");
        return;
    }
    r = e->text.r < 0 ? replica__enomem(&err)
                      : service->storage->ops->emit(service->storage, e->events, n, &err);
    reply->type = REPLICA__REPLY_REPLICA;
    if (r == REPLICA_EINVAL || r == REPLICA_EJSON || r == REPLICA_ELIMIT)
        replica__reply_error(reply, 422, "event", "%s", err.message);
    else if (r < 0)
        replica__reply_failure(reply, &err);
    else if (n < e->n)
        replica__buf_printf(&reply->body, "{\"taken\":%zu,\"refused\":%zu}", n, e->n - n);
    else
        replica__buf_printf(&reply->body, "{\"taken\":%zu}", n);
}

/* ---- listening ------------------------------------------------------------------- */

struct replica__ears {
    char *client; /* who listens: it is not told what it emitted itself */
    char *patterns[PATTERNS_MOST];
    size_t n;
    int64_t told;
};

void replica__ears_close(struct replica__ears *ears)
{
    if (!ears)
        return;
    for (size_t i = 0; i < ears->n; i++)
        replica__free(ears->patterns[i]);
    replica__free(ears->client);
    replica__free(ears);
}

bool replica__ears_asked(const struct replica__request *request, struct replica__reply *reply)
{
    size_t n = 0;

    for (size_t i = 0; i < request->param_count; i++) {
        const struct replica__param *param = &request->params[i];

        if (strcmp(param->name, "listen") != 0)
            continue;
        if (!param->value || !replica_key_matches(param->value, param->value)) {
            replica__reply_error(reply, 400, "request", "listen is no pattern");
            return false;
        }
        n++;
    }
    if (n <= PATTERNS_MOST)
        return true;
    replica__reply_error(reply, 400, "request", "more than %d patterns", PATTERNS_MOST);
    return false;
}

static int take_patterns(struct replica__ears *ears, const struct replica__request *request)
{
    const char *client = replica__param(request, "client");

    ears->client = replica__strdup(client ? client : "");
    for (size_t i = 0; i < request->param_count && ears->n < PATTERNS_MOST; i++) {
        const struct replica__param *param = &request->params[i];

        if (strcmp(param->name, "listen") != 0)
            continue;
        ears->patterns[ears->n] = replica__strdup(param->value);
        if (!ears->patterns[ears->n])
            return REPLICA_ENOMEM;
        ears->n++;
    }
    return ears->client ? 0 : REPLICA_ENOMEM;
}

int replica__ears_open(struct replica__service *service, const struct replica__request *request,
                       struct replica__ears **ret_ears, replica_error *err)
{
    struct replica__storage *storage = service->storage;
    struct replica__ears *ears;
    int r;

    if (!replica__param(request, "listen"))
        return 0;
    ears = replica__alloc_zero(1, sizeof *ears);
    if (!ears || take_patterns(ears, request) < 0)
        r = replica__enomem(err);
    else
        r = storage->ops->last_event(storage, &ears->told, err);
    if (r < 0) {
        replica__ears_close(ears);
        return r;
    }
    *ret_ears = ears;
    return 0;
}

struct telling {
    const struct replica__ears *ears;
    const struct replica__rights *rights;
    struct replica__buf *out;
    size_t n;
};

static bool hears(const struct telling *t, const struct replica__storage_event *event)
{
    const struct replica__ears *ears = t->ears;

    if (event->client[0] && strcmp(event->client, ears->client) == 0)
        return false;
    for (size_t i = 0; i < ears->n; i++) {
        if (replica_key_matches(ears->patterns[i], event->address) > 0)
            return replica__rights_may(t->rights, REPLICA__DOOR_LISTEN, event->address);
    }
    return false;
}

/* A line break in JSON is white space, and a stream has lines. */
static void add_payload(struct replica__buf *out, const char *json, size_t len)
{
    size_t at = out->len;

    replica__buf_add(out, json, len);
    for (; out->r == 0 && at < out->len; at++)
        if (out->data[at] == '\n' || out->data[at] == '\r')
            out->data[at] = ' ';
}

static bool tell(void *ctx, const struct replica__storage_event *event)
{
    struct telling *t = ctx;
    struct replica__buf *out = t->out;

    if (t->n == TELL_MOST || out->len > TELL_BYTES)
        return false;
    if (!hears(t, event))
        return true;
    replica__buf_str(out, t->n++ > 0 ? ",[" : "event: event\ndata: {\"events\":[[");
    replica__buf_json_string(out, event->address, strlen(event->address));
    replica__buf_char(out, ',');
    add_payload(out, event->payload, event->len);
    replica__buf_char(out, ']'); /* not the client's token, which is its secret: see lock.c */
    return true;
}

int replica__ears_hear(struct replica__service *service, struct replica__ears *ears,
                       const struct replica__rights *rights, struct replica__buf *out,
                       replica_error *err)
{
    struct telling t = { .ears = ears, .rights = rights, .out = out };
    int r = service->storage->ops->events(service->storage, &ears->told, tell, &t, err);

    if (t.n > 0)
        replica__buf_str(out, "]}\n\n");
    if (r < 0 || out->r < 0)
        return r < 0 ? r : replica__enomem(err);
    return t.n > 0;
}

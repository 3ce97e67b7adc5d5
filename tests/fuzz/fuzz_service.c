/* Requests to the server, without HTTP: whatever comes, the answer is JSON with a status that the
 * protocol knows, and what is stored afterwards can be pulled in both dialects.
 *
 * The first byte picks: a push of RxDB's dialect, one of ours, a path with its query, ("d") a
 * document of c by its path: lines of method, key, If-Match and If-None-Match, and a body; or a
 * question of another kind: "e" events, "g" digests, "i" keys of a range, "o" documents by keys. */
#include "tools/server/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 4096, PARAMS_MAX = 90, INPUTS_PER_DATABASE = 500 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct server {
    replica_db *db;
    struct replica__storage *storage;
    struct replica__service *service;
    int inputs;
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void open_server(struct server *s)
{
    must(replica_db_open(":memory:", NULL, &s->db, NULL) == 0);
    must(replica__storage_store_open(s->db, NULL, NULL, 0, &s->storage, NULL) == 0);
    must(replica__service_open(s->storage, NULL, &s->service, NULL) == 0);
    s->inputs = 0;
}

static void close_server(struct server *s)
{
    replica__service_close(s->service);
    s->storage->ops->close(s->storage);
    replica_db_close(s->db);
    s->db = NULL;
}

static void ask(struct server *s, const struct replica__request *request)
{
    static const int statuses[] = { 200, 201, 204, 304, 400, 403, 404, 405,
                                    409, 412, 413, 422, 426, 501, 503 };
    struct replica__reply reply;
    bool known = false;

    replica__service_answer(s->service, request, &reply);
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        known = known || reply.status == statuses[i];
    must(known);
    if (!reply.stream && reply.status != 204 && reply.status != 304) {
        must(replica__reply_whole(&reply, NULL) == 0);
        must(replica__json_check(reply.body.data, reply.body.len, NULL, NULL) == 0);
    }
    replica__reply_free(&reply);
}

/* "/path?name=value&name" */
static void ask_path(struct server *s, const uint8_t *data, size_t len)
{
    static struct replica__param params[PARAMS_MAX];
    static char text[TEXT_MAX];
    struct replica__request request = { .method = "GET", .path = text, .params = params };
    char *rest = text;

    len = len < sizeof(text) - 1 ? len : sizeof(text) - 1;
    memcpy(text, data, len);
    text[len] = '\0';
    strsep(&rest, "?");
    while (rest && request.param_count < PARAMS_MAX) {
        char *value = strsep(&rest, "&");
        const char *name = strsep(&value, "=");

        params[request.param_count++] = (struct replica__param){ name, value };
    }
    ask(s, &request);
}

/* The line that begins there; the rest moves behind it. */
static const char *next_line(char **rest)
{
    const char *line = strsep(rest, "\n");

    return line ? line : "";
}

static void ask_document(struct server *s, const uint8_t *data, size_t len)
{
    static char text[TEXT_MAX], path[TEXT_MAX + 40];
    struct replica__request request = { .path = path };
    char *rest = text;

    len = len < sizeof(text) - 1 ? len : sizeof(text) - 1;
    memcpy(text, data, len);
    text[len] = '\0';
    request.method = next_line(&rest);
    snprintf(path, sizeof(path), "/_replica/1/doc/c/0/%s", next_line(&rest));
    request.if_match = next_line(&rest);
    request.if_none_match = next_line(&rest);
    if (!*request.if_match)
        request.if_match = NULL;
    if (!*request.if_none_match)
        request.if_none_match = NULL;
    request.body = rest ? rest : "";
    request.body_len = strlen(request.body);
    ask(s, &request);
}

static void pull(struct server *s, const char *path, const char *name, const char *value)
{
    const struct replica__param params[] = { { name, value }, { "limit", "10000" } };

    ask(s, &(struct replica__request){
               .method = "GET", .path = path, .params = params, .param_count = 2 });
}

/* Where a body that begins with this byte goes; NULL: it is no question of another kind. */
static const char *asked_at(uint8_t first)
{
    switch (first) {
    case 'e': return "/_replica/1/emit";
    case 'g': return "/_replica/1/digests";
    case 'i': return "/_replica/1/ids";
    case 'o': return "/_replica/1/documents";
    default: return NULL;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct server s;
    struct replica__request push = { .method = "POST", .path = "/c/0/push" };

    if (len == 0)
        return 0;
    if (!s.db)
        open_server(&s);
    push.body = (const char *)data + 1;
    push.body_len = len - 1;
    if (data[0] % 3 == 1)
        push.path = "/_replica/1/push";
    if (asked_at(data[0]))
        push.path = asked_at(data[0]);
    if (data[0] == 'd')
        ask_document(&s, data + 1, len - 1);
    else if (data[0] % 3 == 2 && !asked_at(data[0]))
        ask_path(&s, data + 1, len - 1);
    else
        ask(&s, &push);
    pull(&s, "/c/0/pull", "lwt", "0");
    pull(&s, "/_replica/1/pull", "c", "c/0");
    if (++s.inputs == INPUTS_PER_DATABASE)
        close_server(&s);
    return 0;
}

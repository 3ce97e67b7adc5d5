#include "tests/server/office.h"

#include "base/alloc.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct office *office_open(const char *path, const struct replica__service_options *options)
{
    static const struct replica__storage_key keys[] = { { "people", "name" } };
    struct replica__service_options with_clock = { 0 };
    struct office *o = calloc(1, sizeof(*o));
    const char *incarnation = NULL;

    CHECK(o != NULL);
    clock_start(&o->clock, 1700000000000, 7);
    if (options)
        with_clock = *options;
    with_clock.world = &o->clock.world;
    CHECK_RC(replica_db_open(path ? path : ":memory:", NULL, &o->db, &test_err), 0);
    CHECK_RC(replica__storage_store_open(o->db, path, keys, 1, &o->storage, &test_err), 0);
    CHECK_RC(replica__service_open(o->storage, &with_clock, &o->service, &test_err), 0);
    CHECK_RC(o->storage->ops->incarnation(o->storage, &incarnation, &test_err), 0);
    snprintf(o->incarnation, sizeof(o->incarnation), "%s", incarnation);
    return o;
}

void office_close(struct office **o)
{
    replica__reply_free(&(*o)->reply);
    replica__service_close((*o)->service);
    (*o)->storage->ops->close((*o)->storage);
    replica_db_close((*o)->db);
    free(*o);
}

/* "/a?b=c&d" into a request; the parameters point into room. */
static void split(const char *path_and_query, char *room, struct replica__param *params,
                  struct replica__request *request)
{
    char *rest;

    strcpy(room, path_and_query);
    request->path = strtok_r(room, "?", &rest);
    request->params = params;
    for (char *p = strtok_r(NULL, "&", &rest); p; p = strtok_r(NULL, "&", &rest)) {
        char *equals = strchr(p, '=');

        if (equals)
            *equals = '\0';
        params[request->param_count++] =
            (struct replica__param){ p, equals ? equals + 1 : NULL };
    }
}

static const char *ask(struct office *o, struct replica__request *request,
                       const char *path_and_query)
{
    struct replica__param params[80];
    char room[6000];

    request->who = o->who;
    split(path_and_query, room, params, request);
    replica__reply_free(&o->reply);
    replica__service_answer(o->service, request, &o->reply);
    CHECK_RC(replica__reply_whole(&o->reply, &test_err), 0);
    return o->reply.body.data;
}

const char *get(struct office *o, const char *path_and_query)
{
    struct replica__request request = { .method = "GET", .peer = "10.0.0.1" };

    return ask(o, &request, path_and_query);
}

const char *post(struct office *o, const char *path, const char *body)
{
    struct replica__request request = {
        .method = "POST", .peer = "10.0.0.1", .body = body, .body_len = strlen(body)
    };

    return ask(o, &request, path);
}

int status(const struct office *o)
{
    return o->reply.status;
}

const char *at(const struct office *o, const char *text)
{
    static char rooms[8][4096];
    static int next;
    char *room = rooms[next++ % 8];
    size_t len = 0;

    for (; *text; text++) {
        if (*text == '@')
            len += (size_t)snprintf(room + len, sizeof(rooms[0]) - len, "%s", o->incarnation);
        else
            room[len++] = *text;
        CHECK(len < sizeof(rooms[0]) - 70);
    }
    room[len] = '\0';
    return room;
}

void office_stream(struct office *o, const char *path_and_query, const char *last_event_id,
                   struct replica__reply *ret_reply)
{
    struct replica__request request = { .who = o->who,
                                        .method = "GET",
                                        .last_event_id = last_event_id };
    struct replica__param params[80];
    char room[6000];

    split(path_and_query, room, params, &request);
    replica__service_answer(o->service, &request, ret_reply);
}

const char *stream_text(struct replica__reply *reply)
{
    static char room[1 << 20];
    size_t len = 0;
    long n = 1;

    while (n > 0) {
        n = replica__stream_read(reply->stream, room + len, sizeof(room) - 1 - len);
        if (n < 0)
            return NULL;
        len += (size_t)n;
    }
    room[len] = '\0';
    return room;
}

/* Everything that `replica serve` opens, in its order. */
#include "tests/http/served.h"

#include "tests/support/test.h"
#include "tests/support/tmp.h"
#include "tools/server/access.h"
#include "tools/server/http.h"
#include "tools/server/listener.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct served {
    replica_db *db;
    struct replica__storage *storage;
    struct replica__service *service;
    struct replica__http *http;
    pthread_t thread;
    int port;
    bool halted;
    char url[256];
    bool guarded;
    struct replica__auth_options auth_options;
    struct replica__auth *auth;
    const char *rules;
    struct replica__access *access;
    const int64_t *ahead_ms;
    struct replica__world world;
};

static void *run(void *arg)
{
    struct served *s = arg;
    replica_error err;

    if (replica__http_run(s->http, &err) < 0)
        test_fail(__FILE__, __LINE__, "the server ended: %s", err.message);
    return NULL;
}

static void open_all(struct served *s)
{
    struct replica__http_options options = { 0 };
    struct replica__service_options service_options = { .world = s->ahead_ms ? &s->world : NULL };
    struct replica__listener listener;
    char address[40];

    snprintf(address, sizeof(address), "127.0.0.1:%d", s->port);
    CHECK_RC(replica__listener_open(address, true, &listener, &test_err), 0);
    s->port = listener.port;
    CHECK_RC(replica_db_open(tmp_path("server.db"), NULL, &s->db, &test_err), 0);
    CHECK_RC(replica__storage_store_open(s->db, tmp_path("server.db"), NULL, 0, &s->storage,
                                         &test_err), 0);
    if (s->rules)
        CHECK_RC(replica__access_parse("rules", s->rules, strlen(s->rules), &s->access, &test_err),
                 0);
    service_options.access = s->access;
    CHECK_RC(replica__service_open(s->storage, &service_options, &s->service, &test_err), 0);
    if (s->guarded)
        CHECK_RC(replica__auth_open(&s->auth_options, &s->auth, &test_err), 0);
    options.auth = s->auth;
    CHECK_RC(replica__http_open(s->service, s->storage, listener.fd, &options, &s->http,
                                &test_err), 0);
    CHECK(pthread_create(&s->thread, NULL, run, s) == 0);
}

static void close_all(struct served *s)
{
    replica__http_stop(s->http);
    pthread_join(s->thread, NULL);
    replica__http_close(s->http);
    replica__service_close(s->service);
    s->storage->ops->close(s->storage);
    replica_db_close(s->db);
    replica__auth_close(s->auth);
    s->auth = NULL;
    replica__access_close(s->access);
    s->access = NULL;
}

struct served *served_start(void)
{
    struct served *s = calloc(1, sizeof(*s));

    CHECK(s != NULL);
    open_all(s);
    return s;
}

static int64_t now_ahead(void *ctx)
{
    struct served *s = ctx;

    return replica__real_world.now_ms(replica__real_world.ctx) +
           __atomic_load_n(s->ahead_ms, __ATOMIC_SEQ_CST);
}

struct served *served_start_guarded(const struct replica__auth_options *options,
                                    const int64_t *ahead_ms)
{
    struct served *s = calloc(1, sizeof(*s));

    CHECK(s != NULL);
    s->guarded = true;
    s->auth_options = *options;
    s->ahead_ms = ahead_ms;
    s->world = replica__real_world;
    s->world.now_ms = now_ahead;
    s->world.ctx = s;
    s->auth_options.world = &s->world;
    open_all(s);
    return s;
}

void served_halt(struct served *s)
{
    close_all(s);
    s->halted = true;
}

void served_go_on(struct served *s)
{
    open_all(s);
    s->halted = false;
}

void served_stop(struct served *s)
{
    if (!s)
        return;
    if (!s->halted)
        close_all(s);
    free(s);
}

void served_stop_ptr(struct served **s)
{
    served_stop(*s);
    *s = NULL;
}

void served_restart(struct served *s)
{
    close_all(s);
    open_all(s);
}

void served_rules(struct served *s, const char *json)
{
    close_all(s);
    s->rules = json;
    open_all(s);
}

void served_change(struct served *s, int (*fn)(void *ctx), void *ctx)
{
    close_all(s);
    CHECK_INT(fn(ctx), 0);
    open_all(s);
}

const char *served_url(struct served *s, const char *path)
{
    snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d%s", s->port, path);
    return s->url;
}

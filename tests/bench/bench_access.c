/* What access rules cost: 10,000 documents pulled from a server without HTTP, page by page, under a
 * rule that looks for an owner in each, against the same without rules; and the same pushed. */
#include "base/alloc.h"
#include "tests/bench/bench.h"
#include "tools/server/access.h"
#include "tools/server/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOCS 10000
#define RULES "{\"collections\":{\"cities\":{\"read\":{\"updatedBy\":\"$auth.sub\"}," \
              "\"write\":{\"updatedBy\":\"$auth.sub\"}}}}"

static const struct replica__who who = { "{\"sub\":\"seed\"}", 14, 0 }; /* who wrote them all */

/* A server, with rules or without. */
struct side {
    struct replica__access *access;
    replica_collection *coll;
    struct replica__storage *storage;
    struct replica__service *service;
};

struct run {
    struct side pulled[2]; /* bare, ours */
    char *push[DOCS / BENCH_PAGE];
};

static struct side open_side(const char *file, bool rules)
{
    struct side s = { NULL };
    struct replica__service_options options = { 0 };
    replica_error err = { 0 };

    if (rules)
        bench_ok(replica__access_parse("rules", RULES, strlen(RULES), &s.access, &err), &err,
                 "rules");
    options.access = s.access;
    s.coll = bench_open(file, NULL, NULL);
    bench_ok(replica__storage_store_open(replica_collection_db(s.coll), NULL, NULL, 0, &s.storage,
                                         &err), &err, "storage");
    bench_ok(replica__service_open(s.storage, &options, &s.service, &err), &err, "service");
    return s;
}

static void close_side(struct side *s)
{
    replica__service_close(s->service);
    s->storage->ops->close(s->storage);
    bench_close(s->coll);
    replica__access_close(s->access);
}

static void ask(const struct side *s, struct replica__request *request,
                struct replica__reply *reply)
{
    replica_error err = { 0 };

    request->who = &who;
    replica__service_answer(s->service, request, reply);
    bench_ok(replica__reply_whole(reply, &err), &err, "the answer");
    if (reply->status != 200)
        bench_fail("status %d: %.200s", reply->status, reply->body.data);
}

/* The number at the end of the checkpoint in a page. */
static void read_place(const struct replica__reply *reply, char *id, size_t room, char *lwt)
{
    const char *at = strstr(reply->body.data, "\"checkpoint\":{\"id\":\"");

    at = at ? at + 20 : "";
    snprintf(id, room, "%.*s", (int)strcspn(at, "\""), at);
    at = strstr(at, "\"lwt\":");
    snprintf(lwt, 24, "%.*s", at ? (int)strspn(at + 6, "0123456789") : 0, at ? at + 6 : "");
}

static double pull(const struct side *s)
{
    char id[128] = "", lwt[24] = "0";
    int64_t started = bench_now_us();

    for (int page = 0; page < DOCS / BENCH_PAGE; page++) {
        const struct replica__param params[] = {
            { "c", "cities/0" }, { "id", id }, { "lwt", lwt }
        };
        struct replica__request request = {
            .method = "GET", .path = "/_replica/1/pull", .params = params, .param_count = 3
        };
        struct replica__reply reply;

        ask(s, &request, &reply);
        read_place(&reply, id, sizeof id, lwt);
        replica__reply_free(&reply);
    }
    if (atoi(lwt) != DOCS)
        bench_fail("the pull ended at %s", lwt);
    return DOCS * 1e6 / (double)(bench_now_us() - started);
}

static double push(const struct run *run, bool rules)
{
    struct side s = open_side(bench_new_file("pushed.db"), rules);
    int64_t started = bench_now_us();

    for (int page = 0; page < DOCS / BENCH_PAGE; page++) {
        struct replica__request request = { .method = "POST",
                                            .path = "/_replica/1/push",
                                            .body = run->push[page],
                                            .body_len = strlen(run->push[page]) };
        struct replica__reply reply;

        ask(&s, &request, &reply);
        if (strstr(reply.body.data, "refused"))
            bench_fail("%.200s", reply.body.data);
        replica__reply_free(&reply);
    }
    started = bench_now_us() - started;
    close_side(&s);
    return DOCS * 1e6 / (double)started;
}

static double pull_ruled(void *ctx, int round)
{
    (void)round;
    return pull(&((struct run *)ctx)->pulled[1]);
}

static double pull_bare(void *ctx, int round)
{
    (void)round;
    return pull(&((struct run *)ctx)->pulled[0]);
}

static double push_ruled(void *ctx, int round)
{
    (void)round;
    return push(ctx, true);
}

static double push_bare(void *ctx, int round)
{
    (void)round;
    return push(ctx, false);
}

static void add_page(struct run *run, const struct bench_doc *docs, int page)
{
    struct replica__buf body = REPLICA_BUF_INIT;

    replica__buf_str(&body, "{\"collections\":[\"cities/0\"],\"checkpoint\":{\"id\":\"\",\"lwt\":0},"
                            "\"incarnations\":[],\"meta\":[");
    for (int i = 0; i < BENCH_PAGE; i++)
        replica__buf_printf(&body, "%s[0,\"abcdefghijklmnop.%d\",0,0,-1,0,null]", i ? "," : "",
                            page * BENCH_PAGE + i + 1);
    replica__buf_str(&body, "],\"documents\":[");
    for (int i = 0; i < BENCH_PAGE; i++) {
        if (i > 0)
            replica__buf_char(&body, ',');
        replica__buf_add(&body, docs[page * BENCH_PAGE + i].text, docs[page * BENCH_PAGE + i].len);
    }
    replica__buf_str(&body, "]}");
    run->push[page] = replica__buf_take(&body, NULL);
    if (!run->push[page])
        bench_fail("no memory");
}

int main(void)
{
    const struct bench_doc *docs = bench_cities(DOCS);
    struct run run = { .push = { NULL } };

    bench_start("access rules, against none");
    for (int rules = 0; rules < 2; rules++) {
        run.pulled[rules] = open_side(bench_new_file(rules ? "ruled.db" : "bare.db"), rules);
        bench_fill(run.pulled[rules].coll, docs, NULL, DOCS);
    }
    for (int page = 0; page < DOCS / BENCH_PAGE; page++)
        add_page(&run, docs, page);
    bench_compare("pull 10,000 documents", "documents/s", pull_ruled, pull_bare, &run);
    bench_compare("push 10,000 documents", "documents/s", push_ruled, push_bare, &run);
    for (int rules = 0; rules < 2; rules++)
        close_side(&run.pulled[rules]);
    for (int page = 0; page < DOCS / BENCH_PAGE; page++)
        replica__free(run.push[page]);
    return 0;
}

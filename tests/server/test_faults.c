/* Any allocation may fail: the answer then says so, nothing leaks, and nothing is half stored. */
#include "tests/server/office.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#define ROWS "[{\"newDocumentState\":{\"id\":\"a\",\"n\":1}},{\"newDocumentState\":{\"id\":\"b\"}}]"
#define OURS                                                                            \
    "{\"collections\":[\"notes/0\"],\"incarnations\":[],"                               \
    "\"meta\":[[0,\"abc.1\",0,0,-1,0,\"b\"],[0,\"abc.2\",0,0,-1,0,null]],"              \
    "\"documents\":[{\"id\":\"a\",\"n\":1},{\"id\":\"b\"}]}"
#define DOCUMENTS "{\"documents\":[{\"id\":\"a\",\"n\":1,\"_deleted\":false}," \
                  "{\"id\":\"b\",\"_deleted\":false}]"

#define BUNDLE                                                                          \
    "{\"collections\":[\"notes/0\"],\"incarnations\":[],\"meta\":[[0,\"abc.1\",0,0,-1,0,\"x\"]," \
    "[0,\"abc.2\",0,0,-1,0,\"x\"],[0,\"abc.3\",0,0,-1,0,\"x\"]],"                        \
    "\"documents\":[{\"id\":\"a\"},{\"id\":\"b\"},{\"id\":\"%s\"}]}"

static struct replica__buf shown; /* the body of the answer to it */

/* One request with the nth allocation failing: its status, and whether one failed. */
static int ask(struct office *o, const char *method, const char *path, const char *body, int nth,
               bool *ret_failed)
{
    const struct replica__param params[] = {
        { "c", "notes/0" }, { "limit", "9" }, { "rows", "9" }, { "lwt", "0" }
    };
    const struct replica__request request = { .method = method,
                                              .path = path,
                                              .params = params,
                                              .param_count = 4,
                                              .body = body,
                                              .body_len = strlen(body) };
    struct replica__reply reply;
    int r, answered;

    fault_alloc(nth);
    replica__service_answer(o->service, &request, &reply);
    r = replica__reply_whole(&reply, NULL);
    *ret_failed = fault_stop();
    answered = reply.status;
    replica__buf_clear(&shown);
    replica__buf_add(&shown, reply.body.data, reply.body.len);
    CHECK(*ret_failed || (r == 0 && answered == 200));
    CHECK(answered == 200 || answered == 500 || answered == 503);
    replica__reply_free(&reply);
    return r < 0 ? 503 : answered;
}

static void push_with_faults(const char *path, const char *body)
{
    bool failed = true;

    for (int nth = 0; failed; nth++) {
        OFFICE o = office_open(NULL, NULL);
        int answered = ask(o, "POST", path, body, nth, &failed);
        const char *page = get(o, "/notes/0/pull?limit=9");

        if (answered == 200)
            CHECK(strncmp(page, DOCUMENTS, strlen(DOCUMENTS)) == 0);
        else /* taken or not, but never in part */
            CHECK(strstr(page, "\"documents\":[]") ||
                  strncmp(page, DOCUMENTS, strlen(DOCUMENTS)) == 0);
    }
}

LONG_TEST(a_failed_allocation_fails_a_stock_push_as_a_whole)
{
    push_with_faults("/notes/0/push", ROWS);
}

LONG_TEST(a_failed_allocation_fails_a_push_of_ours_as_a_whole)
{
    push_with_faults("/_replica/1/push", OURS);
}

static int count(const char *text, const char *what)
{
    int n = 0;

    while ((text = strstr(text, what))) {
        text++;
        n++;
    }
    return n;
}

LONG_TEST(a_failed_allocation_leaves_no_part_of_a_bundle_behind)
{
    char body[1000];

    for (int conflict = 0; conflict < 2; conflict++) {
        bool failed = true;

        snprintf(body, sizeof(body), BUNDLE, conflict ? "z" : "c");
        for (int nth = 0; failed; nth++) {
            OFFICE o = office_open(NULL, NULL);
            int answered, documents;

            post(o, "/notes/0/push", "[{\"newDocumentState\":{\"id\":\"z\"}}]");
            answered = ask(o, "POST", "/_replica/1/push", body, nth, &failed);
            documents = count(get(o, "/notes/0/pull?limit=9"), "\"id\":\"") - 1; /* checkpoint */
            CHECK(documents == 1 || (documents == 4 && !conflict));
            CHECK(answered != 200 || documents == (conflict ? 1 : 4));
        }
    }
}

TEST(a_failed_allocation_fails_a_page_or_leaves_its_bundles_whole)
{
    static const char *const paths[] = { "/notes/0/pull", "/_replica/1/pull" };
    OFFICE o = office_open(NULL, NULL);
    char body[1000];

    for (int i = 0; i < 8; i++) {
        snprintf(body, sizeof(body),
                 "[{\"newDocumentState\":{\"id\":\"page:%d\"}}]", i);
        post(o, "/notes/0/push", body);
    }
    snprintf(body, sizeof(body), BUNDLE, "c");
    post(o, "/_replica/1/push", body);
    post(o, "/notes/0/push", "[{\"newDocumentState\":{\"id\":\"y\"}}]");
    post(o, "/notes/0/push", "[{\"newDocumentState\":{\"id\":\"b\",\"n\":2},"
                             "\"assumedMasterState\":{\"id\":\"b\"}}]");
    for (size_t i = 0; i < 2; i++) {
        bool failed = true;

        for (int nth = 0; failed; nth++) {
            if (ask(o, "GET", paths[i], "", nth, &failed) != 200)
                continue;
            CHECK_INT(count(shown.data, "\"id\":\"page:"), 8);
            CHECK(strstr(shown.data, "\"id\":\"a\"") && strstr(shown.data, "\"id\":\"c\"") &&
                  strstr(shown.data, "\"n\":2"));
        }
    }
    replica__buf_free(&shown);
}

TEST(a_failed_allocation_fails_a_pull_and_the_next_one_works)
{
    static const char *const paths[] = { "/notes/0/pull", "/_replica/1/pull",
                                         "/_replica/1/hello" };
    OFFICE o = office_open(NULL, NULL);

    post(o, "/notes/0/push", ROWS);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        bool failed = true;

        for (int nth = 0; failed; nth++)
            ask(o, "GET", paths[i], "", nth, &failed);
        get(o, "/notes/0/pull?limit=9");
        CHECK(strncmp(o->reply.body.data, DOCUMENTS, strlen(DOCUMENTS)) == 0);
    }
}

TEST(a_failed_allocation_fails_a_comparison_and_the_next_one_works)
{
    static const struct {
        const char *path, *body, *want;
    } asked[] = {
        { "/_replica/1/digests", "{\"collection\":\"notes/0\",\"of\":\"texts\",\"rows\":1,"
          "\"filter\":{\"n\":1}}", "\"chunks\":[[\"a\",1," },
        { "/_replica/1/ids", "{\"collection\":\"notes/0\",\"keys\":\"*\"}", "\"ids\":[[\"a\",1]," },
        { "/_replica/1/documents", "{\"collection\":\"notes/0\",\"ids\":[\"a\",\"x\"]}",
          "\"documents\":[{\"id\":\"a\",\"n\":1},{\"id\":\"x\"}]" },
    };
    OFFICE o = office_open(NULL, NULL);

    post(o, "/notes/0/push", ROWS);
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        bool failed = true;

        for (int nth = 0; failed; nth++) {
            if (ask(o, "POST", asked[i].path, asked[i].body, nth, &failed) == 200)
                CHECK(strstr(shown.data, asked[i].want));
        }
    }
    replica__buf_free(&shown);
}

TEST(a_failed_allocation_ends_a_stream_or_leaves_it_whole)
{
    OFFICE o = office_open(NULL, NULL);
    bool failed = true;

    post(o, "/notes/0/push", "[{\"newDocumentState\":{\"id\":\"z\"}}]");
    for (int nth = 0; failed; nth++) {
        struct replica__reply reply = { 0 };
        const char *text = NULL;

        fault_alloc(nth);
        office_stream(o, "/_replica/1/stream?c=notes/0&id=&lwt=0", NULL, &reply);
        if (reply.stream) {
            replica__service_tick(o->service);
            text = stream_text(&reply);
        }
        failed = fault_stop();
        CHECK(failed || (text && strstr(text, "\"documents\":[{\"id\":\"z\"}]")));
        CHECK(!text || !*text || strcmp(text, ":\n\n") == 0 || strstr(text, "\"id\":\"z\"}]"));
        replica__reply_free(&reply);
    }
}

/* Events that pass through the server: what is emitted, and who hears it on a stream. */
#include "base/alloc.h"
#include "libreplica/store.h"
#include "tests/server/office.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

struct ear {
    struct replica__reply reply;
    int woken;
};

static void on_wake(void *ctx)
{
    ((struct ear *)ctx)->woken++;
}

static void ear_close(struct ear *e)
{
    replica__reply_free(&e->reply);
}
#define EAR __attribute__((cleanup(ear_close))) struct ear

/* An office in which "notes" exists: streams are of a collection. */
static struct office *notes_office(void)
{
    struct office *o = office_open(NULL, NULL);

    CHECK_STR(post(o, "/notes/0/push", "[{\"newDocumentState\":{\"id\":\"a\"}}]"), "[]");
    return o;
}

static void listen_to(struct office *o, const char *more, struct ear *e)
{
    char path[400];

    snprintf(path, sizeof(path), "/_replica/1/stream?c=notes/0&id=%s&lwt=1%s", o->incarnation,
             more);
    memset(e, 0, sizeof(*e));
    office_stream(o, path, NULL, &e->reply);
    CHECK(e->reply.stream);
    replica__stream_on_wake(e->reply.stream, on_wake, e);
    CHECK_STR(stream_text(&e->reply), ":\n\n");
}

static const char *emit(struct office *o, const char *body)
{
    const char *answer = post(o, "/_replica/1/emit", body);

    replica__service_tick(o->service);
    return answer;
}

#define TOLD(events) "event: event\ndata: {\"events\":[" events "]}\n\n"

TEST(what_one_client_emits_the_others_hear_as_far_as_they_listen)
{
    OFFICE o = notes_office();
    EAR all, lamps, deaf, own;

    listen_to(o, "&client=b&listen=**", &all);
    listen_to(o, "&client=c&listen=/lamp/*&listen=/door", &lamps);
    listen_to(o, "&client=d", &deaf);
    listen_to(o, "&client=a&listen=**", &own);
    CHECK_STR(emit(o, "{\"client\":\"a\",\"events\":[[\"/lamp/1\",{\"on\": 1.0}],"
                      "[\"/x\\u00e9\",null]]}"), "{\"taken\":2}");
    CHECK_INT(all.woken, 1);
    CHECK_STR(stream_text(&all.reply), TOLD("[\"/lamp/1\",{\"on\": 1.0}],"
                                            "[\"/x\xc3\xa9\",null]"));
    CHECK_STR(stream_text(&lamps.reply), TOLD("[\"/lamp/1\",{\"on\": 1.0}]"));
    CHECK_STR(stream_text(&deaf.reply), "");
    CHECK_STR(stream_text(&own.reply), ""); /* its own */
    CHECK_INT(deaf.woken + own.woken, 0);
}

TEST(a_stream_that_opens_late_hears_nothing_of_before)
{
    OFFICE o = notes_office();
    EAR late;

    emit(o, "{\"client\":\"a\",\"events\":[[\"x\",1]]}");
    listen_to(o, "&client=b&listen=**", &late);
    CHECK_STR(stream_text(&late.reply), "");
    emit(o, "{\"events\":[[\"x\",2]]}"); /* of nobody */
    CHECK_STR(stream_text(&late.reply), TOLD("[\"x\",2]"));
}

TEST(what_a_program_on_the_servers_file_emits_is_told_too)
{
    OFFICE o = notes_office();
    EAR ear;

    listen_to(o, "&client=b&listen=**", &ear);
    CHECK_RC(replica_emit(o->db, "x", "{\n \"y\" :\r\n 1}", REPLICA_NUL, &test_err), 0);
    replica__service_tick(o->service);
    CHECK_STR(stream_text(&ear.reply), TOLD("[\"x\",{  \"y\" :   1}]"));
}

TEST(documents_and_events_take_turns_and_none_is_lost)
{
    OFFICE o = notes_office();
    EAR ear;
    const char *text;
    int events = 0, pages = 0;

    listen_to(o, "&client=b&listen=**", &ear);
    for (int i = 0; i < 250; i++)
        emit(o, "{\"client\":\"a\",\"events\":[[\"x\",1]]}");
    post(o, "/notes/0/push", "[{\"newDocumentState\":{\"id\":\"b\"}}]");
    replica__service_tick(o->service);
    text = stream_text(&ear.reply);
    CHECK(strncmp(text, "event: event", 12) == 0); /* a hundred, then the document, then more */
    CHECK(strstr(text, "id: ") < strstr(text + 100, "event: event"));
    for (const char *at = text; (at = strstr(at, "[\"x\",1]")); at++)
        events++;
    for (const char *at = text; (at = strstr(at, "\"documents\":")); at++)
        pages++;
    CHECK_INT(events, 250);
    CHECK_INT(pages, 1);
}

TEST(what_cannot_be_listened_to_is_refused)
{
    OFFICE o = notes_office();
    static const char *const bad[] = { "&listen=a*", "&listen=/ok&listen=/*x", "&listen" };
    char path[1000] = "/_replica/1/stream?c=notes/0";
    size_t len = strlen(path);

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        strcpy(path + len, bad[i]);
        CHECK_STR(get(o, path), "{\"error\":\"request\",\"message\":\"listen is no pattern\"}");
        CHECK_INT(status(o), 400);
    }
    for (int i = 0; i < 65; i++)
        strcpy(path + len + 10 * (size_t)i, "&listen=/a");
    CHECK_STR(get(o, path), "{\"error\":\"request\",\"message\":\"more than 64 patterns\"}");
}

TEST(what_is_no_event_is_refused_and_nothing_of_it_taken)
{
    OFFICE o = notes_office();
    EAR ear;
    static const struct {
        const char *body;
        int status;
    } bad[] = {
        { "", 400 },
        { "[]", 400 },
        { "{\"client\":\"a\"}", 400 },
        { "{\"client\":7,\"events\":[]}", 400 },
        { "{\"client\":\"a b\",\"events\":[]}", 400 },
        { "{\"client\":\"a\",\"events\":[[\"x\",1],[\"y\"]]}", 400 },
        { "{\"client\":\"a\",\"events\":[[\"x\",1],[3,1]]}", 400 },
        { "{\"client\":\"a\",\"events\":[[\"x\",1],\"y\"]}", 400 },
        { "{\"client\":\"a\",\"events\":[[\"x\\u0000\",1]]}", 400 },
        { "{\"client\":\"a\",\"events\":[[\"x\",1],[\"*\",1]]}", 422 },
        { "{\"client\":\"a\",\"events\":[[\"x\",1],[\"\",1]]}", 422 },
    };
    char *large = replica__alloc(200000);
    size_t len = 0;

    listen_to(o, "&client=b&listen=**", &ear);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        emit(o, bad[i].body);
        CHECK_INT(status(o), bad[i].status);
    }
    len += (size_t)sprintf(large, "{\"events\":[[\"x\",\"");
    memset(large + len, 'a', 70000);
    strcpy(large + len + 70000, "\"]]}");
    emit(o, large);
    CHECK_INT(status(o), 422);
    len = (size_t)sprintf(large, "{\"events\":[");
    for (int i = 0; i < 1001; i++)
        len += (size_t)sprintf(large + len, "%s[\"x\",1]", i ? "," : "");
    strcpy(large + len, "]}");
    emit(o, large);
    CHECK_INT(status(o), 413);
    large = replica__realloc(large, (1 << 20) + 2, 1);
    memset(large, ' ', (1 << 20) + 1);
    large[(1 << 20) + 1] = '\0';
    emit(o, large);
    CHECK_INT(status(o), 413);
    get(o, "/_replica/1/emit");
    CHECK_INT(status(o), 405);
    CHECK_STR(stream_text(&ear.reply), "");
    CHECK_STR(emit(o, "{\"client\":\"a\",\"events\":[]}"), "{\"taken\":0}");
    replica__free(large);
}

LONG_TEST(without_memory_an_event_is_taken_or_not_and_the_stream_ends_or_tells_it)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        OFFICE o = notes_office();
        EAR ear;
        const char *text;

        listen_to(o, "&client=b&listen=x", &ear);
        fault_alloc(nth);
        emit(o, "{\"client\":\"a\",\"events\":[[\"x\",{\"n\":1}]]}");
        text = stream_text(&ear.reply);
        failed = fault_stop();
        CHECK(status(o) == 200 || (failed && status(o) == 503));
        replica__service_tick(o->service);
        if (text && !*text)
            text = stream_text(&ear.reply);
        /* Taken, it may have been without an answer that says so. */
        CHECK(!text ? failed
                    : strcmp(text, TOLD("[\"x\",{\"n\":1}]")) == 0 ||
                          (status(o) == 503 && *text == '\0'));
    }
}

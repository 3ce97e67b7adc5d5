/* Event streams, without HTTP. */
#include "tests/server/office.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct listener {
    struct replica__reply reply;
    int woken;
};

static void on_wake(void *ctx)
{
    ((struct listener *)ctx)->woken++;
}

static void listener_close(struct listener *l)
{
    replica__reply_free(&l->reply);
}
#define LISTENER __attribute__((cleanup(listener_close))) struct listener

static void listen_to(struct office *o, const char *path, const char *last_event_id,
                      struct listener *l)
{
    memset(l, 0, sizeof(*l));
    office_stream(o, path, last_event_id, &l->reply);
    if (l->reply.stream)
        replica__stream_on_wake(l->reply.stream, on_wake, l);
}

static void put(struct office *o, const char *collection, const char *document)
{
    char path[100], body[500];

    snprintf(path, sizeof(path), "/%s/0/push", collection);
    snprintf(body, sizeof(body), "[{\"newDocumentState\":%s}]", document);
    CHECK_STR(post(o, path, body), "[]");
}

#define PAGE(follows_id, follows, meta, documents, last)                                       \
    "id: @." last "\ndata: {\"meta\":[" meta "],\"documents\":[" documents                     \
    "],\"follows\":{\"id\":\"" follows_id "\",\"lwt\":" follows                                \
    "},\"checkpoint\":{\"id\":\"@\",\"lwt\":" last "},\"head\":{\"id\":\"@\",\"lwt\":" last    \
    "},\"remaining\":0}\n\n"

/* The text without what the clock and the dice of the store put into meta. */
static const char *without_meta(const char *text)
{
    static char room[4096];
    const char *from = strstr(text, "\"meta\":[");
    const char *to = from ? strstr(from, "],\"documents\"") : NULL;

    CHECK(to != NULL && strlen(text) < sizeof(room));
    from += strlen("\"meta\":[");
    snprintf(room, sizeof(room), "%.*s%s", (int)(from - text), text, to);
    return room;
}

TEST(a_stock_stream_is_silent_until_something_is_written)
{
    OFFICE o = office_open(NULL, NULL);
    LISTENER l;

    put(o, "notes", "{\"id\":\"a\"}");
    listen_to(o, "/notes/0/pullStream", NULL, &l);
    CHECK_STR(stream_text(&l.reply), "");
    put(o, "notes", "{\"id\":\"b\"}");
    CHECK_INT(l.woken, 0);
    replica__service_tick(o->service);
    CHECK_INT(l.woken, 1);
    CHECK_STR(stream_text(&l.reply),
              at(o, "data: {\"documents\":[{\"id\":\"b\",\"_deleted\":false}],"
                    "\"checkpoint\":{\"id\":\"@\",\"lwt\":2}}\n\n"));
}

TEST(other_collections_do_not_wake_a_stream)
{
    OFFICE o = office_open(NULL, NULL);
    LISTENER l;

    listen_to(o, "/notes/0/pullStream", NULL, &l);
    CHECK_STR(stream_text(&l.reply), "");
    put(o, "other", "{\"id\":\"b\"}");
    replica__service_tick(o->service);
    CHECK_INT(l.woken, 0);
    put(o, "notes", "{\"id\":\"c\"}"); /* and the collection did not exist when we came */
    replica__service_tick(o->service);
    CHECK(strstr(stream_text(&l.reply), "\"id\":\"c\""));
}

TEST(a_slow_reader_gets_what_changed_meanwhile_in_one_event)
{
    OFFICE o = office_open(NULL, NULL);
    LISTENER l;

    listen_to(o, "/notes/0/pullStream", NULL, &l);
    CHECK_STR(stream_text(&l.reply), "");
    put(o, "notes", "{\"id\":\"a\"}");
    replica__service_tick(o->service);
    put(o, "notes", "{\"id\":\"b\"}");
    replica__service_tick(o->service);
    put(o, "notes", "{\"id\":\"c\"}");
    replica__service_tick(o->service);
    CHECK_STR(stream_text(&l.reply),
              at(o, "data: {\"documents\":[{\"id\":\"a\",\"_deleted\":false}],"
                    "\"checkpoint\":{\"id\":\"@\",\"lwt\":1}}\n\n"
                    "data: {\"documents\":[{\"id\":\"b\",\"_deleted\":false},"
                    "{\"id\":\"c\",\"_deleted\":false}],"
                    "\"checkpoint\":{\"id\":\"@\",\"lwt\":3}}\n\n"));
}

TEST(our_stream_starts_at_its_checkpoint_and_each_page_follows_the_one_before)
{
    OFFICE o = office_open(NULL, NULL);
    LISTENER l;
    const char *text;

    put(o, "notes", "{\"id\":\"a\"}");
    listen_to(o, "/_replica/1/stream?c=notes/0&id=&lwt=0", NULL, &l);
    CHECK_STR(stream_text(&l.reply), ":\n\n"); /* alive */
    replica__service_tick(o->service);
    text = stream_text(&l.reply);
    CHECK_STR(without_meta(text), at(o, PAGE("", "0", "", "{\"id\":\"a\"}", "1")));
    put(o, "other", "{\"id\":\"x\"}");
    replica__service_tick(o->service);
    CHECK_STR(stream_text(&l.reply), "");
    put(o, "notes", "{\"id\":\"b\"}");
    replica__service_tick(o->service);
    text = stream_text(&l.reply);
    CHECK_STR(without_meta(text), at(o, PAGE("@", "1", "", "{\"id\":\"b\"}", "3")));
}

TEST(the_last_event_id_is_a_checkpoint_too)
{
    OFFICE o = office_open(NULL, NULL);
    LISTENER l;

    put(o, "notes", "{\"id\":\"a\"}");
    put(o, "notes", "{\"id\":\"b\"}");
    listen_to(o, "/_replica/1/stream?c=notes/0", at(o, "@.1"), &l);
    replica__service_tick(o->service);
    CHECK(strstr(stream_text(&l.reply), "\"documents\":[{\"id\":\"b\"}]"));
}

TEST(a_stream_from_a_lost_timeline_is_refused)
{
    OFFICE o = office_open(NULL, NULL);
    LISTENER l;

    listen_to(o, "/_replica/1/stream?c=notes/0", "zzz.1", &l);
    CHECK_INT(l.reply.status, 409);
    CHECK(!l.reply.stream);
}

TEST(a_document_with_line_breaks_goes_over_several_data_lines)
{
    OFFICE o = office_open(NULL, NULL);
    LISTENER l;

    listen_to(o, "/notes/0/pullStream", NULL, &l);
    put(o, "notes", "{\n\"id\":\"a\"\n}");
    replica__service_tick(o->service);
    CHECK_STR(stream_text(&l.reply),
              at(o, "data: {\"documents\":[{\ndata: \"id\":\"a\",\"_deleted\":false\ndata: }],"
                    "\"checkpoint\":{\"id\":\"@\",\"lwt\":1}}\n\n"));
}

/* A stream would turn it into a line feed. */
TEST(a_document_with_carriage_returns_is_to_be_pulled)
{
    OFFICE o = office_open(NULL, NULL);
    LISTENER ours, stock;

    listen_to(o, "/_replica/1/stream?c=notes/0", NULL, &ours);
    listen_to(o, "/notes/0/pullStream", NULL, &stock);
    CHECK_STR(stream_text(&ours.reply), ":\n\n");
    put(o, "notes", "{\"id\":\"a\"\r\n}");
    replica__service_tick(o->service);
    CHECK_STR(stream_text(&ours.reply), at(o, "id: @.1\nevent: resync\ndata: {}\n\n"));
    CHECK_STR(stream_text(&stock.reply),
              at(o, "data: {\"documents\":[{\"id\":\"a\",\"_deleted\":false \ndata: }],"
                    "\"checkpoint\":{\"id\":\"@\",\"lwt\":1}}\n\n"));
}

TEST(a_silent_stream_has_a_heartbeat)
{
    OFFICE o = office_open(NULL, NULL);
    LISTENER l;

    listen_to(o, "/notes/0/pullStream", NULL, &l);
    CHECK_STR(stream_text(&l.reply), "");
    clock_pass(&o->clock, 14000);
    CHECK_INT(replica__service_tick(o->service), 1000);
    CHECK_INT(l.woken, 0);
    clock_pass(&o->clock, 1000);
    CHECK_INT(replica__service_tick(o->service), 15000);
    CHECK_INT(l.woken, 1);
    CHECK_STR(stream_text(&l.reply), ":\n\n");
}

TEST(a_stream_can_be_read_byte_by_byte)
{
    OFFICE o = office_open(NULL, NULL);
    LISTENER l;
    char c, text[300];
    size_t len = 0;

    listen_to(o, "/notes/0/pullStream", NULL, &l);
    put(o, "notes", "{\"id\":\"a\"}");
    replica__service_tick(o->service);
    while (replica__stream_read(l.reply.stream, &c, 1) > 0 && len < sizeof(text) - 1)
        text[len++] = c;
    text[len] = '\0';
    CHECK_STR(text, at(o, "data: {\"documents\":[{\"id\":\"a\",\"_deleted\":false}],"
                          "\"checkpoint\":{\"id\":\"@\",\"lwt\":1}}\n\n"));
}

TEST(many_streams_get_every_change_in_order)
{
    enum { STREAMS = 300, CHANGES = 40 };
    OFFICE o = office_open(NULL, NULL);
    static struct listener listeners[STREAMS];
    static int seen[STREAMS];
    char document[64];

    for (int i = 0; i < STREAMS; i++)
        listen_to(o, i % 2 ? "/_replica/1/stream?c=notes/0" : "/notes/0/pullStream", NULL,
                  &listeners[i]);
    for (int change = 0; change < CHANGES; change++) {
        snprintf(document, sizeof(document), "{\"id\":\"d%d\",\"n\":%d}", change, change);
        put(o, "notes", document);
        clock_pass(&o->clock, change % 2 ? 100 : 1); /* a change that comes soon is gathered */
        replica__service_tick(o->service);
        for (int i = change % 3; i < STREAMS; i += 3) { /* not all read each time */
            for (const char *n = stream_text(&listeners[i].reply); (n = strstr(n, "\"n\":")); n++)
                CHECK_INT(strtol(n + 4, NULL, 10), seen[i]++);
        }
    }
    for (int i = 0; i < STREAMS; i++) {
        for (const char *n = stream_text(&listeners[i].reply); (n = strstr(n, "\"n\":")); n++)
            CHECK_INT(strtol(n + 4, NULL, 10), seen[i]++);
        CHECK_INT(seen[i], CHANGES);
        listener_close(&listeners[i]);
    }
}

TEST(one_stream_too_many_is_told_to_come_back)
{
    const struct replica__service_options one = { .streams = 1 };
    OFFICE o = office_open(NULL, &one);
    LISTENER first, second, third;

    listen_to(o, "/notes/0/pullStream", NULL, &first);
    listen_to(o, "/notes/0/pullStream", NULL, &second);
    CHECK_INT(second.reply.status, 503);
    CHECK(second.reply.retry_after > 0);
    listener_close(&first);
    listen_to(o, "/notes/0/pullStream", NULL, &third);
    CHECK_INT(third.reply.status, 200);
}

/* As long as it holds, it is as any other. */
TEST(a_stream_ends_when_the_token_of_its_reader_expires)
{
    OFFICE o = office_open(NULL, NULL);
    const struct replica__who soon = { "{}", 2, o->clock.now_ms + 7000 };
    const struct replica__who later = { "{}", 2, o->clock.now_ms + 9000 };
    LISTENER a, b, anybody;

    o->who = &later;
    listen_to(o, "/_replica/1/stream?c=notes/0", NULL, &b);
    o->who = &soon;
    listen_to(o, "/notes/0/pullStream", NULL, &a);
    o->who = NULL;
    listen_to(o, "/notes/0/pullStream", NULL, &anybody);
    CHECK_STR(stream_text(&a.reply), "");
    CHECK_STR(stream_text(&b.reply), ":\n\n");
    CHECK_STR(stream_text(&anybody.reply), "");
    CHECK_INT(replica__service_tick(o->service), 7000);
    clock_pass(&o->clock, 6999);
    put(o, "notes", "{\"id\":\"a\"}");
    CHECK_INT(replica__service_tick(o->service), 1);
    CHECK_INT(a.woken, 1);
    CHECK(strstr(stream_text(&a.reply), "\"id\":\"a\""));
    CHECK(strstr(stream_text(&b.reply), "\"id\":\"a\""));
    CHECK(strstr(stream_text(&anybody.reply), "\"id\":\"a\""));
    clock_pass(&o->clock, 1);
    CHECK_INT(replica__service_tick(o->service), 2000);
    CHECK_INT(a.woken, 2);
    CHECK(!stream_text(&a.reply));
    CHECK_STR(stream_text(&b.reply), "");
    CHECK_INT(b.woken, 1);
    listener_close(&a);
    listener_close(&b);
    CHECK(replica__service_tick(o->service) > 0);
    clock_pass(&o->clock, 15000);
    CHECK_INT(replica__service_tick(o->service), 15000);
    CHECK_STR(stream_text(&anybody.reply), ":\n\n");
}

TEST(nothing_is_given_to_a_reader_whose_token_has_expired)
{
    OFFICE o = office_open(NULL, NULL);
    const struct replica__who who = { "{}", 2, o->clock.now_ms + 1000 };
    LISTENER l;
    char c;

    put(o, "notes", "{\"id\":\"a\"}");
    o->who = &who;
    listen_to(o, "/_replica/1/stream?c=notes/0", NULL, &l);
    CHECK_STR(stream_text(&l.reply), ":\n\n");
    replica__service_tick(o->service);
    CHECK_INT(replica__stream_read(l.reply.stream, &c, 1), 1); /* of an event */
    o->clock.now_ms += 1000; /* and no tick has come yet */
    CHECK_INT(replica__stream_read(l.reply.stream, &c, 1), -1);
}

/* Each look at the clock takes 10 ms. */
static int64_t tired_ms(void *ctx)
{
    return ((struct clock *)ctx)->monotonic_ms += 10;
}

TEST(streams_that_look_through_much_in_vain_let_others_have_their_turn)
{
    OFFICE o = office_open(NULL, NULL);
    LISTENER l, other;
    char doc[40], path[150];
    int turns = 0;

    for (int i = 0; i < 100; i++) {
        snprintf(doc, sizeof(doc), "{\"id\":\"%d\",\"open\":%s}", i, i < 99 ? "false" : "true");
        put(o, "notes", doc);
    }
    snprintf(path, sizeof(path), "/_replica/1/stream?c=notes/0&id=%s&lwt=1&filter={\"open\":true}",
             o->incarnation);
    listen_to(o, path, NULL, &l);
    snprintf(path, sizeof(path), "/_replica/1/stream?c=notes/0&id=%s&lwt=1&filter={\"open\":false}",
             o->incarnation);
    listen_to(o, path, NULL, &other);
    o->clock.world.monotonic_ms = tired_ms;
    CHECK_STR(stream_text(&l.reply), ":\n\n");
    CHECK_STR(stream_text(&other.reply), ":\n\n");
    for (; !l.woken && turns < 1000; turns++)
        CHECK(replica__service_tick(o->service) == 0 || l.woken);
    CHECK(turns > 3 && turns < 100);
    CHECK_INT(other.woken, 1);
    CHECK(strstr(stream_text(&other.reply), "\"id\":\"98\""));
    CHECK(strstr(stream_text(&l.reply), "\"id\":\"99\""));
}

TEST(stopping_ends_all_streams)
{
    OFFICE o = office_open(NULL, NULL);
    LISTENER l;

    listen_to(o, "/notes/0/pullStream", NULL, &l);
    CHECK_STR(stream_text(&l.reply), "");
    replica__service_stop(o->service);
    CHECK_INT(l.woken, 1);
    CHECK(!stream_text(&l.reply));
}

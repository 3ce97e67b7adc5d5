/* Access rules over addresses of events and keys of clients' own: what a pattern means with whose
 * claims, and that no door is beside it. */
#include "libreplica/command.h"
#include "tests/server/office.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"
#include "tools/server/access.h"

#include <stdio.h>
#include <string.h>

#define ANNA "{\"sub\":\"anna\",\"teams\":[\"x\",\"y\"]}"
#define BOB "{\"sub\":\"bob\"}"
static const struct replica__who anna = { ANNA, sizeof(ANNA) - 1, 0 };
static const struct replica__who bob = { BOB, sizeof(BOB) - 1, 0 };

/* ---- what a pattern means -------------------------------------------------------- */

static int parse(const char *text, struct replica__access **ret)
{
    return replica__access_parse("rules.json", text, strlen(text), ret, &test_err);
}

/* May who has these claims lock this key, by this rule? */
static bool may(const char *rule, const char *claims, const char *key)
{
    const struct replica__who who = { claims, strlen(claims), 0 };
    struct replica__access *access = NULL;
    struct replica__rights *rights = NULL;
    char text[2000];
    bool holds;

    snprintf(text, sizeof(text), "{\"collections\":{},\"locks\":%s}", rule);
    CHECK_RC(parse(text, &access), 0);
    CHECK_RC(replica__access_rights(access, &who, &rights, &test_err), 0);
    holds = replica__rights_may(rights, REPLICA__DOOR_LOCK, key);
    CHECK(!replica__rights_may(rights, REPLICA__DOOR_EMIT, key));
    CHECK(!replica__rights_may(rights, REPLICA__DOOR_LISTEN, key));
    replica__rights_unref(rights);
    replica__access_close(access);
    return holds;
}

TEST(a_list_of_patterns_allows_what_one_of_them_matches)
{
    CHECK(may("true", "{}", "/any/thing"));
    CHECK(!may("false", "{}", "a"));
    CHECK(!may("[]", "{}", "a"));
    CHECK(may("[\"job\",\"/a/*\"]", "{}", "job"));
    CHECK(may("[\"job\",\"/a/*\"]", "{}", "/a/b"));
    CHECK(!may("[\"job\",\"/a/*\"]", "{}", "/a/b/c"));
    CHECK(!may("[\"job\",\"/a/*\"]", "{}", "jobs"));
    CHECK(may("[\"/a/**\"]", "{}", "/a/b/c"));
    CHECK(may("[\"\"]", "{}", ""));
}

TEST(a_claim_stands_for_one_segment)
{
    static const char one[] = "[\"/u/$auth.sub/**\"]";

    CHECK(may(one, "{\"sub\":\"anna\"}", "/u/anna"));
    CHECK(may(one, "{\"sub\":\"anna\"}", "/u/anna/a/b"));
    CHECK(may(one, "{\"sub\":\"\\u0061nna\"}", "/u/anna"));
    CHECK(!may(one, "{\"sub\":\"anna\"}", "/u/annab"));
    CHECK(!may(one, "{\"sub\":\"anna\"}", "/u/ann"));
    CHECK(!may(one, "{\"sub\":\"anna\"}", "/u/bob"));
    CHECK(!may(one, "{\"sub\":\"anna\"}", "/u"));
    CHECK(!may(one, "{\"sub\":\"anna\"}", "/u/$auth.sub"));
    CHECK(may("[\"$auth.sub\"]", "{\"sub\":\"anna\"}", "anna"));
    CHECK(may("[\"$auth.a.b\"]", "{\"a\":{\"b\":\"x\"}}", "x"));
    CHECK(may("[\"*/$auth.sub/$auth.org/*/z/**\"]", "{\"sub\":\"s\",\"org\":\"o\"}", "q/s/o/w/z"));
    CHECK(!may("[\"$auth.sub/$auth.org/**\"]", "{\"sub\":\"s\",\"org\":\"o\"}", "o/s/w"));
}

TEST(a_claim_that_is_a_list_stands_for_each_of_its_texts)
{
    static const char rule[] = "[\"/t/$auth.teams/*\"]";

    CHECK(may(rule, "{\"teams\":[\"x\",\"y\"]}", "/t/y/a"));
    CHECK(may(rule, "{\"teams\":[1,\"\",\"x\",null]}", "/t/x/a"));
    CHECK(!may(rule, "{\"teams\":[\"x\",\"y\"]}", "/t/z/a"));
    CHECK(!may(rule, "{\"teams\":[]}", "/t//a"));
    CHECK(!may(rule, "{\"teams\":[[\"x\"]]}", "/t/x/a"));
}

/* A claim is a text to compare with, whatever is in it. */
TEST(no_claim_brings_stars_or_slashes_along)
{
    static const char rule[] = "[\"/u/$auth.sub/f\",\"/t/$auth.sub/**\"]";
    static const char *const claims[] = {
        "{\"sub\":\"*\"}",        "{\"sub\":\"**\"}",    "{\"sub\":\"a/f\"}",  "{\"sub\":\"\"}",
        "{\"sub\":\"a\\u0000\"}", "{\"sub\":[\"*\",\"\",\"**\",\"a/b\"]}",
        "{\"sub\":{\"a\":\"a\"}}",
        "{\"sub\":null}",         "{\"sub\":1}",         "{\"sub\":true}",     "{}",
        "{\"sub\":\"$auth.sub\"}", "{\"sub\":[{\"a\":1},\"a\"]}",
    };
    static const char *const keys[] = { "/u/a/f", "/u//f", "/t/a/b", "/t//", "/t", "/u/1/f",
                                        "/u/true/f", "/u/null/f", "/u/a/f/f", "/t/a" };

    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++)
        for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++)
            if (may(rule, claims[i], keys[k]))
                test_fail(__FILE__, __LINE__, "%s opens %s", claims[i], keys[k]);
    CHECK(may(rule, "{\"sub\":\"*\"}", "/u/*/f")); /* its own name, and no pattern */
}

TEST(rules_that_are_none_are_named_with_their_place)
{
    static const struct {
        const char *text, *message;
    } bad[] = {
        { "\"locks\":{}", "rules.json: locks: it is true, false or a list of patterns" },
        { "\"locks\":\"/a\"", "rules.json: locks: it is true, false or a list of patterns" },
        { "\"locks\":[1]", "rules.json: locks: a pattern is a text" },
        { "\"locks\":[\"a*\"]", "rules.json: locks: that is no pattern" },
        { "\"locks\":[\"a\\u0000\"]", "rules.json: locks: a pattern has at most" },
        { "\"locks\":[\"/a/b-$auth.sub\"]", "rules.json: locks: a claim stands for what lies" },
        { "\"locks\":[\"$auth.sub*\"]", "rules.json: locks: a claim stands for what lies" },
        { "\"locks\":[\"$auth.a$auth.b\"]", "rules.json: locks: a claim stands for what lies" },
        { "\"locks\":[\"/a/$auth./b\"]", "rules.json: locks: \"$auth.\" without the name" },
        { "\"locks\":[\"/**/$auth.a\"]", "rules.json: locks: a claim stands before the first" },
        { "\"locks\":[\"$auth.a/$auth.a/$auth.a/$auth.a/$auth.a/$auth.a/$auth.a/$auth.a/$auth.a\"]",
          "rules.json: locks: there are more than 8 claims" },
        { "\"events\":true", "rules.json: events: they are an object" },
        { "\"events\":{\"hear\":true}", "rules.json: events: there is no such rule (listen, " },
        { "\"events\":{\"emit\":{}}", "rules.json: events.emit: it is true, false or" },
        { "\"events\":{\"listen\":[null]}", "rules.json: events.listen: a pattern is a text" },
        { "\"lock\":[]", "rules.json: rules: there is nothing but \"collections\", \"events\"" },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct replica__access *access = NULL;
        char text[500];

        test_err = (replica_error){ 0 };
        snprintf(text, sizeof(text), "{\"collections\":{},%s}", bad[i].text);
        CHECK_RC(parse(text, &access), REPLICA_EINVAL);
        CHECK(!access);
        if (strncmp(test_err.message, bad[i].message, strlen(bad[i].message)) != 0)
            CHECK_STR(test_err.message, bad[i].message);
    }
}

TEST(a_list_has_64_patterns_at_most)
{
    struct replica__access *access = NULL;
    char text[1000];

    for (int n = 64; n <= 65; n++) {
        size_t len = (size_t)snprintf(text, sizeof(text), "{\"collections\":{},\"locks\":[\"a\"");

        for (int i = 1; i < n; i++)
            len += (size_t)snprintf(text + len, sizeof(text) - len, ",\"a\"");
        snprintf(text + len, sizeof(text) - len, "]}");
        CHECK_RC(parse(text, &access), n == 64 ? 0 : REPLICA_EINVAL);
    }
    CHECK_STR(test_err.message, "rules.json: locks: there are more than 64 patterns");
    replica__access_close(access);
}

TEST(a_failed_allocation_fails_the_rules_and_nothing_else)
{
    static const char text[] = "{\"collections\":{},\"events\":{\"listen\":[\"/a/$auth.sub/**\"],"
                               "\"emit\":[\"$auth.teams\"]},\"locks\":[\"$auth.a/$auth.b\",\"x\"]}";

    for (int nth = 0, failed = 1; failed; nth++) {
        struct replica__access *access = NULL;
        struct replica__rights *rights = NULL;
        int r;

        fault_alloc(nth);
        r = parse(text, &access);
        if (r == 0)
            r = replica__access_rights(access, &anna, &rights, &test_err);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM));
        if (r == 0)
            CHECK(replica__rights_may(rights, REPLICA__DOOR_LISTEN, "/a/anna/b") &&
                  replica__rights_may(rights, REPLICA__DOOR_EMIT, "y") &&
                  !replica__rights_may(rights, REPLICA__DOOR_LOCK, "y"));
        replica__rights_unref(rights);
        replica__access_close(access);
    }
}

/* ---- doors ----------------------------------------------------------------------- */

#define RULES "{\"collections\":{\"notes\":{\"read\":true,\"write\":true}},"        \
              "\"events\":{\"listen\":[\"/news/**\",\"/u/$auth.sub/**\"],"            \
              "\"emit\":[\"/u/*/in\",\"/t/$auth.teams\"]},"                         \
              "\"locks\":[\"/u/$auth.sub\",\"shared\"]}"
#define CLOSED "{\"collections\":{\"notes\":{\"read\":true,\"write\":true}}}"

struct ruled {
    struct replica__access *access;
    struct office *o;
};

static struct ruled ruled(const char *rules)
{
    struct ruled w = { NULL };
    struct replica__service_options options = { 0 };

    CHECK_RC(parse(rules, &w.access), 0);
    options.access = w.access;
    w.o = office_open(NULL, &options);
    w.o->who = &anna;
    CHECK_STR(post(w.o, "/notes/0/push", "[{\"newDocumentState\":{\"id\":\"a\"}}]"), "[]");
    return w;
}

static void ruled_end(struct ruled *w)
{
    office_close(&w->o);
    replica__access_close(w->access);
}
#define RULED __attribute__((cleanup(ruled_end))) struct ruled

static const char *ask(struct ruled *w, const struct replica__who *who, const char *path,
                       const char *body)
{
    const char *answer;

    w->o->who = who;
    answer = body ? post(w->o, path, body) : get(w->o, path);
    replica__service_tick(w->o->service);
    return answer;
}

/* A stream of somebody that listens to all, and has read what there was. */
static void listen_to_all(struct ruled *w, const struct replica__who *who,
                          struct replica__reply *ret)
{
    w->o->who = who;
    office_stream(w->o, "/_replica/1/stream?c=notes/0&listen=/**", NULL, ret);
    CHECK(ret->stream);
    replica__service_tick(w->o->service);
    while (*stream_text(ret))
        ;
}

#define EMIT "/_replica/1/emit"
#define FORBIDDEN "{\"error\":\"forbidden\",\"message\":\"not allowed\"}"
#define TOLD(events) "event: event\ndata: {\"events\":[" events "]}\n\n"

TEST(an_event_is_told_to_those_who_may_listen_to_its_address)
{
    RULED w = ruled(RULES);
    struct replica__reply annas, bobs, nobodys;

    listen_to_all(&w, &anna, &annas);
    listen_to_all(&w, &bob, &bobs);
    listen_to_all(&w, NULL, &nobodys);
    CHECK_STR(ask(&w, &bob, EMIT, "{\"events\":[[\"/u/anna/in\",1],[\"/u/bob/in\",2]]}"),
              "{\"taken\":2}");
    CHECK_STR(stream_text(&annas), TOLD("[\"/u/anna/in\",1]"));
    CHECK_STR(stream_text(&bobs), TOLD("[\"/u/bob/in\",2]"));
    CHECK_STR(stream_text(&nobodys), "");
    replica__reply_free(&annas);
    replica__reply_free(&bobs);
    replica__reply_free(&nobodys);
}

TEST(what_a_program_on_the_servers_file_emits_is_told_to_those_alone_too)
{
    RULED w = ruled(RULES);
    struct replica__reply annas, bobs;

    listen_to_all(&w, &anna, &annas);
    listen_to_all(&w, &bob, &bobs);
    CHECK_RC(replica_emit(w.o->db, "/u/anna/secret", "1", 1, &test_err), 0);
    CHECK_RC(replica_emit(w.o->db, "/news/today", "2", 1, &test_err), 0);
    CHECK_RC(replica_emit(w.o->db, "/other", "3", 1, &test_err), 0);
    replica__service_tick(w.o->service);
    CHECK_STR(stream_text(&annas), TOLD("[\"/u/anna/secret\",1],[\"/news/today\",2]"));
    CHECK_STR(stream_text(&bobs), TOLD("[\"/news/today\",2]"));
    replica__reply_free(&annas);
    replica__reply_free(&bobs);
}

TEST(of_a_body_of_events_those_that_are_allowed_are_taken)
{
    RULED w = ruled(RULES);
    struct replica__reply annas;

    listen_to_all(&w, &anna, &annas);
    CHECK_STR(ask(&w, &bob, EMIT,
                  "{\"events\":[[\"/news/x\",1],[\"/u/anna/in\",2],[\"/t/x\",3]]}"),
              "{\"taken\":1,\"refused\":2}");
    CHECK_STR(stream_text(&annas), TOLD("[\"/u/anna/in\",2]"));
    CHECK_STR(ask(&w, &bob, EMIT, "{\"events\":[[\"/news/x\",1],[\"/u/anna/out\",2]]}"), FORBIDDEN);
    CHECK_INT(status(w.o), 403);
    CHECK_STR(stream_text(&annas), "");
    CHECK_STR(ask(&w, &anna, EMIT, "{\"events\":[[\"/t/x\",1]]}"), "{\"taken\":1}");
    CHECK_STR(ask(&w, &anna, EMIT, "{\"events\":[[\"/t/z\",1]]}"), FORBIDDEN);
    CHECK_STR(ask(&w, NULL, EMIT, "{\"events\":[[\"/t/x\",1]]}"), FORBIDDEN);
    CHECK_STR(ask(&w, &bob, EMIT, "{\"events\":[]}"), "{\"taken\":0}");
    replica__reply_free(&annas);
}

#define LOCK(key) "{\"client\":\"c\",\"name\":\"n\",\"collection\":null,\"key\":\"" key "\"}"

TEST(a_key_is_locked_by_those_who_may_and_shown_to_them)
{
    RULED w = ruled(RULES);

    CHECK(strstr(ask(&w, &anna, "/_replica/1/lock", LOCK("/u/anna")), "\"fence\":"));
    CHECK(strstr(ask(&w, &anna, "/_replica/1/lock", LOCK("shared")), "\"fence\":"));
    CHECK_STR(ask(&w, &anna, "/_replica/1/lock", LOCK("/u/bob")), FORBIDDEN);
    CHECK_INT(status(w.o), 403);
    CHECK_STR(ask(&w, &bob, "/_replica/1/lock", LOCK("/u/anna")), FORBIDDEN); /* who holds it? */
    CHECK_STR(ask(&w, NULL, "/_replica/1/lock", LOCK("/u/anna")), FORBIDDEN);
    CHECK(strstr(ask(&w, &anna, "/_replica/1/locks", "{}"), "/u/anna"));
    CHECK(!strstr(ask(&w, &bob, "/_replica/1/locks", "{}"), "/u/anna"));
    CHECK(strstr(ask(&w, &bob, "/_replica/1/locks", "{}"), "shared"));
    CHECK(!strstr(ask(&w, NULL, "/_replica/1/locks", "{}"), "/u/anna"));
}

/* The holder's token is what counts: rights may have ended since. */
TEST(a_key_is_unlocked_by_its_holder_whatever_the_rules)
{
    RULED w = ruled(RULES);

    CHECK(strstr(ask(&w, &anna, "/_replica/1/lock", LOCK("/u/anna")), "\"fence\":"));
    CHECK_STR(ask(&w, &bob, "/_replica/1/unlock", "{\"client\":\"d\",\"key\":\"/u/anna\"}"),
              "{\"unlocked\":false}");
    CHECK_STR(ask(&w, &bob, "/_replica/1/unlock", "{\"client\":\"c\",\"key\":\"/u/anna\"}"),
              "{\"unlocked\":true}");
}

TEST(rules_that_do_not_speak_of_events_and_locks_close_both)
{
    RULED w = ruled(CLOSED);
    struct replica__reply annas;

    listen_to_all(&w, &anna, &annas);
    CHECK_STR(ask(&w, &anna, EMIT, "{\"events\":[[\"/news/x\",1]]}"), FORBIDDEN);
    CHECK_RC(replica_emit(w.o->db, "/news/x", "1", 1, &test_err), 0);
    replica__service_tick(w.o->service);
    CHECK_STR(stream_text(&annas), "");
    CHECK_STR(ask(&w, &anna, "/_replica/1/lock", LOCK("shared")), FORBIDDEN);
    CHECK(strstr(ask(&w, &anna, "/_replica/1/lock",
                     "{\"client\":\"c\",\"name\":\"n\",\"collection\":\"notes/0\",\"key\":\"a\"}"),
                 "\"fence\":"));
    replica__reply_free(&annas);
}

TEST(no_other_door_tells_of_rules_addresses_or_keys)
{
    RULED w = ruled(RULES);
    struct replica__reply annas;

    CHECK(strstr(ask(&w, &anna, "/_replica/1/lock", LOCK("/u/anna")), "\"fence\":"));
    CHECK_STR(ask(&w, &bob, EMIT, "{\"events\":[[\"/u/anna/in\",\"5ec4e7\"]]}"), "{\"taken\":1}");
    CHECK(!strstr(ask(&w, &bob, "/_replica/1/hello", NULL), "/u/"));
    CHECK(!strstr(ask(&w, &bob, "/_replica/1/pull?c=notes/0", NULL), "5ec4e7"));
    CHECK(!strstr(ask(&w, &bob, "/notes/0/pull?limit=100", NULL), "5ec4e7"));
    CHECK(!strstr(ask(&w, &bob, "/_replica/1/doc/notes/0//u/anna", NULL), "5ec4e7"));
    CHECK_INT(status(w.o), 404);
    w.o->who = &bob;
    office_stream(w.o, "/notes/0/pullStream?listen=/**", NULL, &annas);
    CHECK_STR(ask(&w, &anna, EMIT, "{\"events\":[[\"/u/bob/in\",\"5ec4e7\"]]}"), "{\"taken\":1}");
    CHECK_STR(stream_text(&annas), "");
    replica__reply_free(&annas);
}

/* Access rules at every door of the server: what may not be seen is in no answer, and what may not
 * be written is not. */
#include "libreplica/query.h"
#include "libreplica/store.h"
#include "tests/server/office.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"
#include "tools/server/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET "5ec4e7" /* in every document that is not for who asks, and nowhere else */
#define OWNER "{\"collections\":{\"notes\":{\"read\":{\"owner\":\"$auth.sub\"}," \
              "\"write\":{\"owner\":\"$auth.sub\"}}}}"

static const struct replica__who anna = { "{\"sub\":\"anna\"}", 14, 0 };
static const struct replica__who bob = { "{\"sub\":\"bob\"}", 13, 0 };

/* An office with rules. */
struct ruled {
    struct replica__access *access;
    struct office *o;
    replica_collection *notes; /* as a program on the server's file sees it */
};

static struct ruled ruled_at(const char *path, const char *rules)
{
    struct ruled w = { NULL };
    struct replica__service_options options = { 0 };

    CHECK_RC(replica__access_parse("rules", rules, strlen(rules), &w.access, &test_err), 0);
    options.access = w.access;
    w.o = office_open(path, &options);
    w.o->who = &anna;
    CHECK_RC(replica_db_collection(w.o->db, "notes", NULL, &w.notes, &test_err), 0);
    return w;
}

static struct ruled ruled(const char *rules)
{
    return ruled_at(NULL, rules);
}

static void ruled_end(struct ruled *w)
{
    office_close(&w->o);
    replica__access_close(w->access);
}
#define RULED __attribute__((cleanup(ruled_end))) struct ruled

/* The first request lets the service know of the collection. */
static void put(struct ruled *w, const char *json)
{
    const struct replica__who *who = w->o->who;

    w->o->who = &anna;
    get(w->o, "/notes/0/pull");
    w->o->who = who;
    CHECK_RC(replica_upsert(w->notes, json, REPLICA_NUL, NULL, &test_err), 0);
}

static const char *stored(struct ruled *w, const char *id)
{
    static char room[4][500];
    static int next;
    char *text = room[next++ % 4];
    replica_doc *doc = NULL;

    if (replica_get(w->notes, id, &doc, &test_err) <= 0)
        return NULL;
    snprintf(text, sizeof(room[0]), "%s", replica_doc_json(doc, NULL));
    replica_doc_unref(doc);
    return text;
}

static int64_t sequence(struct ruled *w, const char *id)
{
    replica_doc *doc = NULL;
    int64_t n;

    if (replica_get(w->notes, id, &doc, &test_err) <= 0)
        return 0;
    n = replica_doc_sequence(doc);
    replica_doc_unref(doc);
    return n;
}

/* No byte of the answer, its headers and its log line tells the secret. */
static void check_silent(const struct replica__reply *reply)
{
    if (reply->body.data && strstr(reply->body.data, SECRET))
        test_fail(__FILE__, __LINE__, "the secret is in %s", reply->body.data);
    CHECK(!strstr(reply->etag, SECRET));
    CHECK(!strstr(reply->failure, SECRET));
}

static int ask(struct ruled *w, const char *method, const char *path, const char *body,
               const char *if_match)
{
    const struct replica__request request = { .who = w->o->who,
                                              .method = method,
                                              .path = path,
                                              .if_match = if_match,
                                              .peer = "10.0.0.1",
                                              .body = body ? body : "",
                                              .body_len = body ? strlen(body) : 0 };

    replica__reply_free(&w->o->reply);
    replica__service_answer(w->o->service, &request, &w->o->reply);
    CHECK_RC(replica__reply_whole(&w->o->reply, &test_err), 0);
    return w->o->reply.status;
}

static const char *body(const struct ruled *w)
{
    return w->o->reply.body.data ? w->o->reply.body.data : "";
}

static const char *pull(struct ruled *w, const char *id, long long lwt)
{
    char path[200];

    snprintf(path, sizeof(path), "/_replica/1/pull?c=notes/0&id=%s&lwt=%lld", id, lwt);
    return get(w->o, path);
}

/* The id of the checkpoint in the last answer. */
static const char *checkpoint_id(const struct ruled *w)
{
    static char id[100];
    const char *at = strstr(body(w), "\"checkpoint\":{\"id\":\"");

    CHECK(at != NULL);
    snprintf(id, sizeof(id), "%.*s", (int)strcspn(at + 20, "\""), at + 20);
    return id;
}

static const char *push(struct ruled *w, const char *meta, const char *document,
                        const char *assumed)
{
    char text[2000];

    snprintf(text, sizeof(text),
             "{\"collections\":[\"notes/0\"],\"checkpoint\":{\"id\":\"\",\"lwt\":0},"
             "\"incarnations\":[\"%s\"],\"meta\":[%s],\"documents\":[%s],\"assumed\":[%s]}",
             w->o->incarnation, meta, document, assumed ? assumed : "null");
    return post(w->o, "/_replica/1/push", text);
}

/* ---- the matrix ------------------------------------------------------------------ */

/* A document that is anna's, or bob's with the secret, or not there; and a write of anna's to it,
 * which leaves it hers or not, from the state that is stored (she may have guessed it) or not. */
struct cell {
    bool exists, old_mine, new_mine, forged;
};

static const char mine[] = "{\"id\":\"d\",\"owner\":\"anna\",\"t\":\"x\"}";
static const char foreign[] = "{\"id\":\"d\",\"owner\":\"bob\",\"t\":\"" SECRET "\"}";
static const char new_mine[] = "{\"id\":\"d\",\"owner\":\"anna\",\"t\":\"y\"}";
static const char new_foreign[] = "{\"id\":\"d\",\"owner\":\"bob\",\"t\":\"y\"}";

static const char *old_of(const struct cell *c)
{
    return !c->exists ? NULL : c->old_mine ? mine : foreign;
}

static const char *new_of(const struct cell *c)
{
    return c->new_mine ? new_mine : new_foreign;
}

static struct ruled cell_open(const struct cell *c)
{
    struct ruled w = ruled(OWNER);

    put(&w, "{\"id\":\"z\",\"owner\":\"bob\",\"t\":\"" SECRET "\"}");
    if (c->exists)
        put(&w, old_of(c));
    return w;
}

/* Is the write to be taken? */
static bool allowed(const struct cell *c)
{
    return c->new_mine && (!c->exists || (c->old_mine && c->forged));
}

static void check_stored(struct ruled *w, const struct cell *c)
{
    CHECK_STR(stored(w, "d"), allowed(c) ? new_of(c) : old_of(c));
}

static void push_ours(const struct cell *c)
{
    RULED w = cell_open(c);
    char meta[200];
    const char *answer;

    snprintf(meta, sizeof(meta), "[0,\"aaaaaaaaaaaaaaaa.1\",0,%d,%d,%lld,null]",
             c->forged && c->exists ? 0 : 4, c->forged && c->exists ? 0 : -1,
             c->forged && c->exists ? (long long)sequence(&w, "d") : 0LL);
    answer = push(&w, meta, new_of(c),
                  c->forged && c->exists ? NULL : "{\"id\":\"d\",\"t\":\"guess\"}");
    check_silent(&w.o->reply);
    CHECK_INT(status(w.o), 200);
    check_stored(&w, c);
    if (allowed(c))
        CHECK(strstr(answer, c->exists ? "{\"verdicts\":[3]" : "{\"verdicts\":[2]"));
    else if (c->exists && c->old_mine && !c->forged)
        CHECK(strstr(answer, "{\"conflict\":[") && strstr(answer, mine));
    else
        CHECK(strstr(answer, "{\"refused\":403,\"reason\":\"not allowed\"}"));
}

static void push_stock(const struct cell *c)
{
    RULED w = cell_open(c);
    char text[1000];
    const char *old = old_of(c);

    snprintf(text, sizeof(text), "[{\"newDocumentState\":%s,\"assumedMasterState\":%s}]",
             new_of(c), c->forged && old ? old : "{\"id\":\"d\",\"t\":\"guess\"}");
    post(w.o, "/notes/0/push", text);
    check_silent(&w.o->reply);
    CHECK_INT(status(w.o), 200);
    check_stored(&w, c);
    if (allowed(c))
        CHECK_STR(body(&w), "[]");
    else if (c->exists && c->old_mine)
        CHECK_STR(body(&w), "[{\"id\":\"d\",\"owner\":\"anna\",\"t\":\"x\",\"_deleted\":false}]");
    else
        CHECK(strstr(body(&w), "\"t\":\"y\",\"_deleted\":true}]"));
}

static void delete_ours(const struct cell *c)
{
    RULED w = cell_open(c);
    char meta[200];

    snprintf(meta, sizeof(meta), "[0,\"aaaaaaaaaaaaaaaa.1\",0,1,%d,%lld,null]", c->exists ? 0 : -1,
             (long long)(c->forged ? sequence(&w, "d") : 0));
    push(&w, meta, new_of(c), NULL);
    check_silent(&w.o->reply);
    CHECK_STR(stored(&w, "d"), c->old_mine && c->forged ? NULL : old_of(c));
}

static void read_all(const struct cell *c)
{
    static const char *const paths[] = { "/_replica/1/pull?c=notes/0", "/notes/0/pull?limit=9",
                                         "/_replica/1/hello", "/_replica/1/pull?c=notes/0&rows=1",
                                         "/_replica/1/pull?c=notes/0&filter={}",
                                         "/_replica/1/pull?c=notes/0&keys=*" };
    RULED w = cell_open(c);
    struct replica__reply ours, stock;
    const char *text;

    office_stream(w.o, "/_replica/1/stream?c=notes/0", NULL, &ours);
    office_stream(w.o, "/notes/0/pullStream", NULL, &stock);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        text = get(w.o, paths[i]);
        CHECK_INT(status(w.o), 200);
        check_silent(&w.o->reply);
        if (!strstr(paths[i], "hello"))
            CHECK_INT(strstr(text, "\"t\":\"x\"") != NULL, c->exists && c->old_mine);
    }
    put(&w, "{\"id\":\"y\",\"owner\":\"bob\",\"t\":\"" SECRET "\"}");
    if (c->exists)
        put(&w, old_of(c));
    replica__service_tick(w.o->service);
    text = stream_text(&ours);
    CHECK(text && !strstr(text, SECRET));
    CHECK_INT(strstr(text, "\"t\":\"x\"") != NULL, c->exists && c->old_mine);
    text = stream_text(&stock);
    CHECK(text && !strstr(text, SECRET));
    CHECK_INT(strstr(text, "\"t\":\"x\"") != NULL, c->exists && c->old_mine);
    replica__reply_free(&ours);
    replica__reply_free(&stock);
}

#define D "/_replica/1/doc/notes/0/d"

static void ranges(const struct cell *c)
{
    RULED w = cell_open(c);
    bool seen = c->exists && c->old_mine;

    for (int texts = 0; texts < 2; texts++) {
        ask(&w, "POST", "/_replica/1/digests",
            texts ? "{\"collection\":\"notes/0\",\"of\":\"texts\"}"
                  : "{\"collection\":\"notes/0\",\"of\":\"numbers\"}", NULL);
        CHECK_INT(status(w.o), 200);
        check_silent(&w.o->reply);
        CHECK(strstr(body(&w), seen ? "\"chunks\":[[null,1," : "\"chunks\":[[null,0,"));
        ask(&w, "POST", "/_replica/1/ids",
            texts ? "{\"collection\":\"notes/0\",\"of\":\"texts\"}"
                  : "{\"collection\":\"notes/0\",\"of\":\"numbers\"}", NULL);
        CHECK_INT(status(w.o), 200);
        check_silent(&w.o->reply);
        CHECK_INT(strstr(body(&w), "[\"d\",") != NULL, seen);
        CHECK(!strstr(body(&w), "\"z\""));
    }
    ask(&w, "POST", "/_replica/1/documents",
        "{\"collection\":\"notes/0\",\"ids\":[\"d\",\"z\",\"none\"]}", NULL);
    CHECK_INT(status(w.o), 200);
    check_silent(&w.o->reply);
    CHECK_INT(strstr(body(&w), mine) != NULL, seen);
}

static void one_document(const struct cell *c)
{
    static const char *const conditions[] = { NULL, "*", "\"1-x.1\"" };
    bool seen = c->exists && c->old_mine;

    for (size_t i = 0; i < 3; i++) {
        RULED w = cell_open(c);
        const char *match = c->forged ? NULL : conditions[i];

        CHECK_INT(ask(&w, "GET", D, NULL, NULL), seen ? 200 : 404);
        check_silent(&w.o->reply);
        ask(&w, "GET", D, NULL, match);
        check_silent(&w.o->reply);
        ask(&w, "PATCH", D, "{\"t\":\"p\"}", match);
        check_silent(&w.o->reply);
        CHECK(seen || status(w.o) == 404 || status(w.o) == 412);
        ask(&w, "PUT", D, new_of(c), match);
        check_silent(&w.o->reply);
        if (!match && c->new_mine && (seen || !c->exists))
            CHECK_INT(status(w.o), c->exists ? 200 : 201);
        else if (!match)
            CHECK_INT(status(w.o), 403);
        if (c->exists && !c->old_mine)
            CHECK_STR(stored(&w, "d"), foreign);
        ask(&w, "DELETE", D, NULL, match);
        check_silent(&w.o->reply);
        if (c->exists && !c->old_mine)
            CHECK_STR(stored(&w, "d"), foreign);
    }
}

static void locks(const struct cell *c)
{
    RULED w = cell_open(c);

    w.o->who = &bob;
    ask(&w, "POST", "/_replica/1/lock",
        "{\"client\":\"b\",\"name\":\"" SECRET "\",\"collection\":\"notes/0\",\"key\":\"z\"}",
        NULL);
    CHECK_INT(status(w.o), 200);
    w.o->who = &anna;
    ask(&w, "POST", "/_replica/1/lock",
        "{\"client\":\"a\",\"name\":\"a\",\"collection\":\"notes/0\",\"key\":\"z\"}", NULL);
    CHECK_INT(status(w.o), 403);
    check_silent(&w.o->reply);
    ask(&w, "POST", "/_replica/1/lock",
        "{\"client\":\"a\",\"name\":\"a\",\"collection\":\"notes\",\"key\":\"d\"}", NULL);
    CHECK_INT(status(w.o), c->exists && !c->old_mine ? 403 : 200);
    check_silent(&w.o->reply);
    push(&w, "[0,\"aaaaaaaaaaaaaaaa.1\",0,0,-1,0,null]",
         "{\"id\":\"z\",\"owner\":\"anna\",\"t\":\"y\"}", NULL);
    check_silent(&w.o->reply);
    CHECK(strstr(body(&w), "\"refused\":403"));
}

static void errors(const struct cell *c)
{
    static const struct {
        const char *method, *path, *body;
    } asked[] = {
        { "POST", "/_replica/1/push", "{" },
        { "POST", "/notes/0/push", "[{\"newDocumentState\":{\"id\":\"d\",\"t\":1},"
                                   "\"assumedMasterState\":{\"id\":\"d\"}}" },
        { "POST", "/notes/0/push", "[{\"newDocumentState\":{\"id\":5}}]" },
        { "PUT", D, "{\"id\":\"e\",\"owner\":\"anna\"}" },
        { "PUT", D, "[]" },
        { "GET", "/notes/1/pull", NULL },
        { "GET", "/_replica/1/doc/notes/1/d", NULL },
        { "POST", "/_replica/1/lock", "{\"client\":\"a\",\"collection\":\"notes/3\"}" },
        { "POST", "/_replica/1/unlock", "{\"client\":\"a\",\"collection\":\"notes/0\","
                                        "\"key\":\"d\"}" },
        { "POST", "/_replica/1/locks", "{}" },
    };
    RULED w = cell_open(c);

    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        ask(&w, asked[i].method, asked[i].path, asked[i].body, NULL);
        check_silent(&w.o->reply);
    }
}

LONG_TEST(no_answer_shows_what_its_reader_may_not_see)
{
    for (int i = 0; i < 16; i++) {
        const struct cell c = { i & 1, i & 2, i & 4, i & 8 };

        push_ours(&c);
        push_stock(&c);
        delete_ours(&c);
        read_all(&c);
        ranges(&c);
        one_document(&c);
        locks(&c);
        errors(&c);
    }
}

/* ---- access that ends, and begins ------------------------------------------------ */

TEST(who_had_a_document_is_told_that_it_is_gone_and_nobody_else)
{
    RULED w = ruled(OWNER);
    char id[100];

    put(&w, mine);
    pull(&w, "", 0);
    snprintf(id, sizeof(id), "%s", checkpoint_id(&w));
    put(&w, foreign); /* 2 */
    CHECK(strstr(pull(&w, id, 1), "\"meta\":[[0,2,0,2,null,null]]")); /* nor who wrote it */
    CHECK(strstr(body(&w), "\"documents\":[{\"id\":\"d\"}]"));
    check_silent(&w.o->reply);
    CHECK(strstr(pull(&w, id, 2), "\"documents\":[]"));
    CHECK(strstr(pull(&w, "", 0), "\"documents\":[]")); /* from the beginning it never was */

    w.o->who = &(const struct replica__who){ "{\"sub\":\"carl\"}", 14, 0 };
    pull(&w, "", 0);
    snprintf(id, sizeof(id), "%s", checkpoint_id(&w));
    CHECK(strstr(pull(&w, id, 1), "\"documents\":[]"));
    CHECK(strstr(body(&w), "\"lwt\":2"));
}

TEST(what_came_and_went_between_two_pulls_leaves_no_text_behind)
{
    RULED w = ruled(OWNER);
    char id[100];

    put(&w, "{\"id\":\"a\",\"owner\":\"anna\"}"); /* 1 */
    put(&w, mine);                               /* 2 */
    pull(&w, "", 0);
    snprintf(id, sizeof(id), "%s", checkpoint_id(&w));
    put(&w, foreign); /* 3 */
    put(&w, "{\"id\":\"d\",\"owner\":\"bob\",\"t\":\"" SECRET " again\"}");
    CHECK(strstr(pull(&w, id, 2), "\"documents\":[{\"id\":\"d\"}]"));
    put(&w, mine);
    CHECK(strstr(pull(&w, id, 2), mine));
    CHECK(strstr(pull(&w, id, 5), "\"documents\":[]"));
}

TEST(a_stream_says_what_is_gone_in_both_dialects)
{
    RULED w = ruled(OWNER);
    struct replica__reply ours, stock, bobs;
    char path[200];
    const char *text;

    put(&w, mine);
    pull(&w, "", 0);
    snprintf(path, sizeof(path), "/_replica/1/stream?c=notes/0&id=%s&lwt=1", checkpoint_id(&w));
    office_stream(w.o, path, NULL, &ours);
    office_stream(w.o, "/notes/0/pullStream", NULL, &stock);
    w.o->who = &bob;
    office_stream(w.o, "/notes/0/pullStream", NULL, &bobs);
    stream_text(&ours);
    put(&w, foreign);
    replica__service_tick(w.o->service);
    text = stream_text(&ours);
    CHECK(strstr(text, "\"documents\":[{\"id\":\"d\"}]") && !strstr(text, SECRET));
    CHECK(strstr(text, at(w.o, "id: @-"))); /* which is where it may go on */
    text = stream_text(&stock);
    CHECK(strstr(text, "\"documents\":[{\"id\":\"d\",\"_deleted\":true}]"));
    CHECK(!strstr(text, SECRET));
    CHECK(strstr(stream_text(&bobs), SECRET)); /* and shares no event with them */
    replica__reply_free(&ours);
    replica__reply_free(&stock);
    replica__reply_free(&bobs);
}

TEST(a_stream_goes_on_from_the_id_of_an_event_in_the_same_view)
{
    RULED w = ruled(OWNER);
    struct replica__reply reply;
    char event[120];

    put(&w, mine);
    put(&w, "{\"id\":\"e\",\"owner\":\"anna\"}");
    pull(&w, "", 0);
    snprintf(event, sizeof(event), "%s.1", checkpoint_id(&w));
    office_stream(w.o, "/_replica/1/stream?c=notes/0", event, &reply);
    CHECK_INT(reply.status, 200);
    replica__service_tick(w.o->service);
    CHECK(strstr(stream_text(&reply), "\"documents\":[{\"id\":\"e\""));
    replica__reply_free(&reply);
    w.o->who = &bob;
    office_stream(w.o, "/_replica/1/stream?c=notes/0", event, &reply);
    CHECK_INT(reply.status, 409);
    check_silent(&reply);
    replica__reply_free(&reply);
}

TEST(a_tombstone_is_seen_by_who_saw_the_document)
{
    RULED w = ruled(OWNER);
    char id[100];

    put(&w, mine);
    put(&w, "{\"id\":\"e\",\"owner\":\"bob\"}");
    pull(&w, "", 0);
    snprintf(id, sizeof(id), "%s", checkpoint_id(&w));
    CHECK_RC(replica_delete(w.notes, "d", "*", NULL, &test_err), 1);
    CHECK_RC(replica_delete(w.notes, "e", "*", NULL, &test_err), 1);
    CHECK(strstr(pull(&w, id, 2), "\"meta\":[[0,3,"));
    CHECK(strstr(body(&w), ",1,\"") && !strstr(body(&w), "\"e\""));
}

TEST(a_deletion_says_nothing_but_what_was_there)
{
    RULED w = ruled(OWNER);

    put(&w, mine);
    push(&w, "[0,\"aaaaaaaaaaaaaaaa.1\",0,1,0,1,null]",
         "{\"id\":\"d\",\"owner\":\"bob\",\"t\":\"spam\"}", NULL);
    CHECK(strstr(body(&w), "\"verdicts\":[2]"));
    CHECK_STR(stored(&w, "d"), NULL);
    w.o->who = &bob;
    CHECK(!strstr(pull(&w, "", 0), "spam"));
    w.o->who = &anna;
    CHECK(strstr(pull(&w, "", 0), "\"documents\":[{\"id\":\"d\",\"owner\":\"anna\",\"t\":\"x\"}]"));
}

TEST(a_key_that_was_deleted_by_others_can_be_taken_again)
{
    RULED w = ruled(OWNER);

    put(&w, foreign);
    CHECK_RC(replica_delete(w.notes, "d", "*", NULL, &test_err), 1);
    push(&w, "[0,\"aaaaaaaaaaaaaaaa.1\",0,0,-1,0,null]", new_mine, NULL);
    check_silent(&w.o->reply);
    CHECK(strstr(body(&w), "{\"conflict\":[2,") && strstr(body(&w), "\"document\":{\"id\":\"d\"}"));
    push(&w, "[0,\"aaaaaaaaaaaaaaaa.1\",0,0,0,2,null]", new_mine, NULL);
    CHECK(strstr(body(&w), "\"verdicts\":[3]"));
    CHECK_STR(stored(&w, "d"), new_mine);
}

TEST(a_checkpoint_of_another_view_leads_to_reconciliation)
{
    static const struct replica__who later = { "{\"exp\":5,\"sub\":\"anna\"}", 22, 0 };
    RULED w = ruled(OWNER);
    char id[100], path[300];

    put(&w, mine);
    put(&w, foreign);
    pull(&w, "", 0);
    snprintf(id, sizeof(id), "%s", checkpoint_id(&w));
    w.o->who = &later; /* the same claims, as far as rules read them */
    pull(&w, id, 1);
    CHECK_INT(status(w.o), 200);
    w.o->who = &bob;
    pull(&w, id, 1);
    CHECK_INT(status(w.o), 409);
    CHECK(strstr(body(&w), "{\"error\":\"reconcile\",") && strstr(body(&w), "\"why\":\"view\"}"));
    pull(&w, w.o->incarnation, 1);
    CHECK_INT(status(w.o), 409);
    pull(&w, id, 0);
    CHECK_INT(status(w.o), 200);
    snprintf(path, sizeof(path), "/_replica/1/stream?c=notes/0&id=%s&lwt=1", id);
    get(w.o, path);
    CHECK_INT(status(w.o), 409);
    pull(&w, "nobodyknowsit", 7); /* what is lost comes first */
    CHECK(strstr(body(&w), "\"error\":\"timeline\""));
    pull(&w, "ab-", 1);
    CHECK_INT(status(w.o), 409);
    pull(&w, "a-b-c", 1);
    CHECK_INT(status(w.o), 400);
}

TEST(a_push_with_a_checkpoint_of_another_view_is_not_judged)
{
    RULED w = ruled(OWNER);
    char text[600];

    put(&w, mine);
    pull(&w, "", 0);
    w.o->who = &bob;
    snprintf(text, sizeof(text),
             "{\"collections\":[\"notes/0\"],\"checkpoint\":{\"id\":\"%s\",\"lwt\":1},"
             "\"incarnations\":[],\"meta\":[[0,\"aaaaaaaaaaaaaaaa.1\",0,0,-1,0,null]],"
             "\"documents\":[{\"id\":\"e\",\"owner\":\"bob\"}]}", checkpoint_id(&w));
    post(w.o, "/_replica/1/push", text);
    CHECK_INT(status(w.o), 409);
    CHECK(strstr(body(&w), "\"why\":\"view\""));
    CHECK_STR(stored(&w, "e"), NULL);
}

TEST(a_stock_client_of_another_view_begins_anew)
{
    RULED w = ruled(OWNER);
    char path[300];

    put(&w, "{\"id\":\"a\",\"owner\":\"bob\"}");
    put(&w, mine);
    put(&w, "{\"id\":\"e\",\"owner\":\"bob\"}");
    get(w.o, "/notes/0/pull?limit=5");
    snprintf(path, sizeof(path), "/notes/0/pull?limit=5&id=%s&lwt=2", checkpoint_id(&w));
    CHECK(strstr(get(w.o, path), "{\"documents\":[],"));
    w.o->who = &bob;
    CHECK(strstr(get(w.o, path), "{\"documents\":[{\"id\":\"a\""));
}

TEST(rules_that_change_lead_to_reconciliation_and_their_return_forgets_nothing)
{
    const char *path = tmp_path("ruled.db");
    char id[100];

    {
        RULED w = ruled_at(path, OWNER);

        put(&w, mine);
        pull(&w, "", 0);
        snprintf(id, sizeof(id), "%s", checkpoint_id(&w));
    }
    {
        RULED w = ruled_at(path, "{\"collections\":{\"notes\":{\"read\":{\"t\":\"x\"}}}}");

        pull(&w, id, 1);
        CHECK_INT(status(w.o), 409);
        CHECK(strstr(body(&w), "\"why\":\"view\""));
        put(&w, foreign); /* which the old rules want to know of */
    }
    {
        RULED w = ruled_at(path, OWNER);

        CHECK(strstr(pull(&w, id, 1), "\"documents\":[{\"id\":\"d\"}]"));
    }
    {
        OFFICE o = office_open(path, NULL);
        char pulled[300];

        snprintf(pulled, sizeof(pulled), "/_replica/1/pull?c=notes/0&id=%s&lwt=1", id);
        get(o, pulled); /* there are no rules any more, and more to be seen */
        CHECK_INT(status(o), 409);
    }
}

TEST(another_process_that_writes_keeps_what_rules_read)
{
    const char *path = tmp_path("ruled.db");
    RULED w = ruled_at(path, OWNER);
    replica_collection *theirs = NULL;
    replica_db *other = NULL;
    char id[100];

    CHECK_RC(replica_db_open(path, NULL, &other, &test_err), 0);
    CHECK_RC(replica_db_collection(other, "notes", NULL, &theirs, &test_err), 0); /* before */
    put(&w, mine);
    pull(&w, "", 0);
    snprintf(id, sizeof(id), "%s", checkpoint_id(&w));
    CHECK_RC(replica_upsert(theirs, foreign, REPLICA_NUL, NULL, &test_err), 0);
    replica_db_close(other);
    CHECK(strstr(pull(&w, id, 1), "\"documents\":[{\"id\":\"d\"}]"));
}

/* ---- bundles --------------------------------------------------------------------- */

TEST(a_bundle_is_whole_without_the_members_that_are_hidden)
{
    RULED w = ruled(OWNER);
    replica_bundle *bundle = NULL;

    put(&w, "{\"id\":\"0\",\"owner\":\"anna\"}");
    CHECK_RC(replica_bundle_begin(w.o->db, &bundle, &test_err), 0);
    CHECK_RC(replica_bundle_put(bundle, w.notes, "{\"id\":\"a\",\"owner\":\"anna\"}", REPLICA_NUL,
                                NULL, &test_err), 0);
    CHECK_RC(replica_bundle_put(bundle, w.notes, foreign, REPLICA_NUL, NULL, &test_err), 0);
    CHECK_RC(replica_bundle_put(bundle, w.notes, "{\"id\":\"b\",\"owner\":\"anna\"}", REPLICA_NUL,
                                NULL, &test_err), 0);
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
    get(w.o, "/_replica/1/pull?c=notes/0&rows=2");
    check_silent(&w.o->reply);
    CHECK(strstr(body(&w), "\"id\":\"a\"") && strstr(body(&w), "\"id\":\"b\""));
    CHECK(strstr(body(&w), "\"lwt\":4},\"head\""));
}

TEST(a_bundle_with_a_member_that_is_not_allowed_is_refused_as_a_whole)
{
    RULED w = ruled(OWNER);

    put(&w, foreign);
    push(&w,
         "[0,\"aaaaaaaaaaaaaaaa.1\",0,0,-1,0,\"b\"],[0,\"aaaaaaaaaaaaaaaa.2\",0,0,-1,0,\"b\"]",
         "{\"id\":\"a\",\"owner\":\"anna\"},{\"id\":\"d\",\"owner\":\"anna\"}", "null,null");
    check_silent(&w.o->reply);
    CHECK(strstr(body(&w), "{\"refused\":403,\"reason\":\"with its bundle: not allowed\"},"
                           "{\"refused\":403,\"reason\":\"not allowed\"}"));
    CHECK_STR(stored(&w, "a"), NULL);
}

/* ---- fields ---------------------------------------------------------------------- */

#define FIELDS "{\"collections\":{\"notes\":{\"read\":true,\"write\":true," \
               "\"serverOnly\":[\"s\"],\"readOnly\":[\"r\"]}}}"

TEST(a_field_of_the_servers_is_cut_from_every_answer_and_the_rest_kept_as_it_was)
{
    static const char whole[] = "{ \"id\" : \"d\", \"n\":1.50 ,\"s\":\"" SECRET "\", \"m\":[ 1 ]}";
    static const char rest[] = "{ \"id\" : \"d\", \"n\":1.50 , \"m\":[ 1 ]}";
    RULED w = ruled(FIELDS);
    char path[200];

    put(&w, whole);
    CHECK(strstr(pull(&w, "", 0), rest));
    check_silent(&w.o->reply);
    get(w.o, "/notes/0/pull?limit=2");
    check_silent(&w.o->reply);
    CHECK_INT(ask(&w, "GET", D, NULL, NULL), 200);
    CHECK_STR(body(&w), rest);
    ask(&w, "PUT", D, "{\"id\":\"d\"}", "\"1-x.1\"");
    CHECK_INT(status(w.o), 412);
    check_silent(&w.o->reply);
    push(&w, "[0,\"aaaaaaaaaaaaaaaa.1\",0,0,-1,0,null]", "{\"id\":\"d\"}", NULL);
    CHECK(strstr(body(&w), "{\"conflict\":[") && strstr(body(&w), rest));
    check_silent(&w.o->reply);
    post(w.o, "/notes/0/push", "[{\"newDocumentState\":{\"id\":\"d\"}}]");
    check_silent(&w.o->reply);
    /* a filter cannot find it out, either */
    snprintf(path, sizeof(path), "/_replica/1/pull?c=notes/0&filter={\"s\":\"%s\"}", SECRET);
    CHECK(strstr(get(w.o, path), "\"documents\":[]"));
}

TEST(what_a_client_writes_keeps_the_servers_fields)
{
    RULED w = ruled(FIELDS);

    put(&w, "{\"id\":\"d\",\"s\":1.0,\"r\":5}");
    push(&w, "[0,\"aaaaaaaaaaaaaaaa.1\",0,0,0,1,null]", "{\"id\":\"d\",\"n\":2,\"r\":5}", NULL);
    CHECK(strstr(body(&w), "\"verdicts\":[2]"));
    CHECK_STR(stored(&w, "d"), "{\"id\":\"d\",\"n\":2,\"r\":5,\"s\":1.0}");
    CHECK_INT(ask(&w, "PUT", D, "{\"id\":\"d\",\"n\":3,\"r\":5}", NULL), 200);
    CHECK_STR(body(&w), "{\"id\":\"d\",\"n\":3,\"r\":5}");
    CHECK_STR(stored(&w, "d"), "{\"id\":\"d\",\"n\":3,\"r\":5,\"s\":1.0}");
    CHECK_INT(ask(&w, "PATCH", D, "{\"n\":4}", NULL), 200);
    CHECK_STR(stored(&w, "d"), "{\"id\":\"d\",\"n\":4,\"r\":5,\"s\":1.0}");
    post(w.o, "/notes/0/push", "[{\"newDocumentState\":{\"id\":\"d\",\"n\":6,\"r\":5},"
                               "\"assumedMasterState\":{\"id\":\"d\",\"n\":4,\"r\":5}}]");
    CHECK_STR(body(&w), "[]");
    CHECK_STR(stored(&w, "d"), "{\"id\":\"d\",\"n\":6,\"r\":5,\"s\":1.0}");
}

TEST(a_client_that_writes_a_field_of_the_servers_is_refused)
{
    static const char *const texts[] = {
        "{\"id\":\"d\",\"s\":1,\"r\":5}",  "{\"id\":\"d\",\"s\":null,\"r\":5}",
        "{\"id\":\"d\",\"\\u0073\":1,\"r\":5}", "{\"id\":\"d\",\"r\":6}", "{\"id\":\"d\"}",
    };
    RULED w = ruled(FIELDS);

    put(&w, "{\"id\":\"d\",\"s\":1,\"r\":5}");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        push(&w, "[0,\"aaaaaaaaaaaaaaaa.1\",0,0,0,1,null]", texts[i], NULL);
        CHECK(strstr(body(&w), "{\"refused\":403,\"reason\":\"'"));
        CHECK_INT(ask(&w, "PUT", D, texts[i], NULL), 403);
        CHECK_STR(stored(&w, "d"), "{\"id\":\"d\",\"s\":1,\"r\":5}");
    }
    CHECK_INT(ask(&w, "PATCH", D, "{\"s\":null}", NULL), 200); /* it sees none to take away */
    CHECK_INT(ask(&w, "PATCH", D, "{\"r\":null}", NULL), 403);
    push(&w, "[0,\"aaaaaaaaaaaaaaaa.1\",0,0,-1,0,null]", "{\"id\":\"new\",\"r\":1}", NULL);
    CHECK(strstr(body(&w), "'r' is written by the server alone"));
    CHECK_STR(stored(&w, "d"), "{\"id\":\"d\",\"r\":5,\"s\":1}");
}

/* ---- what else is told ----------------------------------------------------------- */

TEST(hello_tells_the_rules_of_collections_that_are_for_who_asks)
{
    RULED w = ruled("{\"collections\":{\"memos\":{\"read\":{\"owner\":\"$auth.sub\"}},"
                    "\"staff\":{\"read\":{\"x\":\"$auth.staff\"}}}}");

    CHECK_RC(replica__storage_store_prepare(w.o->storage, "memos", NULL, "\"merge\"", &test_err),
             0);
    CHECK_RC(replica__storage_store_prepare(w.o->storage, "staff", NULL, "\"merge\"", &test_err),
             0);
    CHECK(strstr(get(w.o, "/_replica/1/hello"), "\"rules\":{\"memos\":\"merge\"},"));
    w.o->who = NULL;
    CHECK(!strstr(get(w.o, "/_replica/1/hello"), "\"rules\""));
}

TEST(hello_tells_whether_readers_may_see_different_documents)
{
    RULED w = ruled(OWNER);
    OFFICE open = office_open(NULL, NULL);

    CHECK(strstr(get(w.o, "/_replica/1/hello"), "\"views\":true"));
    CHECK(!strstr(get(open, "/_replica/1/hello"), "\"views\""));
}

TEST(locks_of_collections_that_are_not_read_are_not_listed)
{
    RULED w = ruled("{\"collections\":{\"notes\":{\"write\":true,\"read\":{\"x\":\"$auth.x\"}}}}");

    put(&w, "{\"id\":\"k\",\"x\":1}");
    w.o->who = &(const struct replica__who){ "{\"x\":1}", 7, 0 };
    ask(&w, "POST", "/_replica/1/lock",
        "{\"client\":\"a\",\"name\":\"a\",\"collection\":\"notes/0\",\"key\":\"k\"}", NULL);
    CHECK_INT(status(w.o), 200);
    w.o->who = &anna;
    CHECK_STR(post(w.o, "/_replica/1/locks", "{}"), "{\"locks\":[]}");
    w.o->who = &(const struct replica__who){ "{\"x\":1}", 7, 0 };
    CHECK(strstr(post(w.o, "/_replica/1/locks", "{}"), "\"key\":\"k\""));
}

/* Each look at the clock takes 10 ms. */
static int64_t tired_ms(void *ctx)
{
    return ((struct clock *)ctx)->monotonic_ms += 10;
}

TEST(a_stock_client_of_which_most_is_hidden_lets_others_have_their_turn)
{
    RULED w = ruled(OWNER);
    const struct replica__param limit = { "limit", "10" };
    const struct replica__request request = { .who = &anna, .method = "GET", .peer = "10.0.0.1",
                                              .path = "/notes/0/pull", .params = &limit,
                                              .param_count = 1 };
    char json[60];
    int r, turns = 0;

    for (int i = 0; i < 100; i++) {
        snprintf(json, sizeof(json), "{\"id\":\"%d\",\"owner\":\"%s\"}", i,
                 i < 99 ? "bob" : "anna");
        put(&w, json);
    }
    w.o->clock.world.monotonic_ms = tired_ms;
    replica__reply_free(&w.o->reply);
    replica__service_answer(w.o->service, &request, &w.o->reply);
    while ((r = replica__reply_more(&w.o->reply, &w.o->reply.body, &test_err)) == 2)
        turns++;
    CHECK_INT(r, 0);
    CHECK(turns > 3 && turns < 100);
    CHECK_INT(replica__json_check(body(&w), strlen(body(&w)), NULL, NULL), 0);
    CHECK(strstr(body(&w), "\"id\":\"99\""));
}

TEST(locks_of_documents_that_are_for_others_are_not_listed)
{
    RULED w = ruled(OWNER);

    put(&w, "{\"id\":\"" SECRET "\",\"owner\":\"anna\"}");
    put(&w, "{\"id\":\"mine\",\"owner\":\"bob\"}");
    ask(&w, "POST", "/_replica/1/lock",
        "{\"client\":\"a\",\"name\":\"a\",\"collection\":\"notes/0\",\"key\":\"" SECRET "\"}",
        NULL);
    CHECK(strstr(post(w.o, "/_replica/1/locks", "{}"), SECRET));
    w.o->who = &bob;
    ask(&w, "POST", "/_replica/1/lock",
        "{\"client\":\"b\",\"name\":\"b\",\"collection\":\"notes/0\",\"key\":\"mine\"}", NULL);
    CHECK(strstr(post(w.o, "/_replica/1/locks", "{}"), "\"key\":\"mine\""));
    check_silent(&w.o->reply);
}

TEST(who_may_not_create_documents_creates_no_collection)
{
    RULED w = ruled("{\"collections\":{\"*\":{\"read\":true,\"update\":true}}}");

    post(w.o, "/_replica/1/push",
         "{\"collections\":[\"more/0\"],\"checkpoint\":{\"id\":\"\",\"lwt\":0},\"incarnations\":[],"
         "\"meta\":[[0,\"aaaaaaaaaaaaaaaa.1\",0,0,-1,0,null]],\"documents\":[{\"id\":\"a\"}]}");
    CHECK(strstr(body(&w), "\"verdicts\":[{\"refused\":403,\"reason\":\"not allowed\"}]"));
    CHECK_STR(post(w.o, "/more/0/push", "[{\"newDocumentState\":{\"id\":\"a\"}}]"),
              "[{\"id\":\"a\",\"_deleted\":true}]");
    CHECK_INT(ask(&w, "PUT", "/_replica/1/doc/more/0/a", "{\"id\":\"a\"}", NULL), 403);
    CHECK_INT(ask(&w, "POST", "/_replica/1/lock",
                  "{\"client\":\"a\",\"name\":\"a\",\"collection\":\"more/0\",\"key\":\"k\"}",
                  NULL), 403);
    CHECK_INT(w.o->storage->ops->find(w.o->storage, "more", &(struct replica__storage_coll *){ 0 },
                                      &test_err), 0);
}

TEST(a_unique_index_does_not_say_whose_the_values_are)
{
    static const char *const fields[] = { "mail" };
    RULED w = ruled(OWNER);
    replica_index_options index = REPLICA_INDEX_OPTIONS_INIT;

    index.fields = fields;
    index.n = 1;
    index.flags = REPLICA_INDEX_UNIQUE;
    CHECK_RC(replica_index_create(w.notes, &index, &test_err), 1);
    CHECK_RC(replica_index_wait(w.notes, &test_err), 0);
    put(&w, "{\"id\":\"" SECRET "\",\"owner\":\"bob\",\"mail\":\"m\"}");
    push(&w, "[0,\"aaaaaaaaaaaaaaaa.1\",0,0,-1,0,null]",
         "{\"id\":\"d\",\"owner\":\"anna\",\"mail\":\"m\"}", NULL);
    CHECK(strstr(body(&w), "{\"refused\":422,"));
    check_silent(&w.o->reply);
    CHECK_INT(ask(&w, "PUT", D, "{\"id\":\"d\",\"owner\":\"anna\",\"mail\":\"m\"}", NULL), 409);
    check_silent(&w.o->reply);
}

TEST(what_a_pusher_may_not_read_back_it_hears_of_from_the_feed)
{
    RULED w = ruled("{\"collections\":{\"notes\":{\"read\":{\"owner\":\"$auth.sub\"},"
                    "\"write\":true}}}");
    char id[100];

    push(&w, "[0,\"aaaaaaaaaaaaaaaa.1\",0,0,-1,0,null]", mine, NULL);
    CHECK(strstr(body(&w), "\"checkpoint\":{"));
    snprintf(id, sizeof(id), "%s", checkpoint_id(&w));
    CHECK(strchr(id, '-') != NULL);
    push(&w, "[0,\"aaaaaaaaaaaaaaaa.2\",0,0,0,1,null]", new_foreign, NULL); /* given away */
    CHECK(strstr(body(&w), "\"verdicts\":[2]") && !strstr(body(&w), "\"checkpoint\":{"));
    CHECK(strstr(pull(&w, id, 1), "\"documents\":[{\"id\":\"d\"}]"));
}

/* ---- failures -------------------------------------------------------------------- */

static bool push_failing(struct ruled *w, const char *text, int nth)
{
    const struct replica__request request = { .who = w->o->who,
                                              .method = "POST",
                                              .path = "/_replica/1/push",
                                              .body = text,
                                              .body_len = strlen(text) };
    struct replica__reply reply;
    bool failed;

    fault_alloc(nth);
    replica__service_answer(w->o->service, &request, &reply);
    failed = fault_stop();
    CHECK(reply.status == 200 || (failed && (reply.status == 503 || reply.status == 500)));
    check_silent(&reply);
    replica__reply_free(&reply);
    return failed;
}

LONG_TEST(a_failed_allocation_lets_nothing_through)
{
    static const char text[] =
        "{\"collections\":[\"notes/0\"],\"checkpoint\":{\"id\":\"\",\"lwt\":0},"
        "\"incarnations\":[],\"meta\":[[0,\"aaaaaaaaaaaaaaaa.1\",0,0,-1,0,null],"
        "[0,\"aaaaaaaaaaaaaaaa.2\",0,0,-1,0,null],[0,\"aaaaaaaaaaaaaaaa.3\",0,0,-1,0,null]],"
        "\"documents\":[{\"id\":\"d\",\"owner\":\"anna\"},{\"id\":\"x\",\"owner\":\"bob\"},"
        "{\"id\":\"n\",\"owner\":\"anna\"}]}";

    for (int nth = 0, failed = 1; failed; nth++) {
        RULED w = ruled(OWNER);

        put(&w, foreign);
        failed = push_failing(&w, text, nth);
        CHECK_STR(stored(&w, "d"), foreign);
        CHECK_STR(stored(&w, "x"), NULL);
        CHECK(failed || stored(&w, "n"));
    }
}

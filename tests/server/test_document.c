/* One document by its path: revisions as entity tags, and conditions. */
#include "libreplica/store.h"
#include "tests/server/office.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <stdio.h>
#include <string.h>

#define A "/_replica/1/doc/notes/0/a"

/* Ask with conditions; gives the body. */
static const char *ask_if(struct office *o, const char *method, const char *path, const char *body,
                          const char *if_match, const char *if_none_match)
{
    const struct replica__request request = { .method = method,
                                              .path = path,
                                              .body = body ? body : "",
                                              .body_len = body ? strlen(body) : 0,
                                              .if_match = if_match,
                                              .if_none_match = if_none_match };

    replica__reply_free(&o->reply);
    replica__service_answer(o->service, &request, &o->reply);
    return o->reply.body.data ? o->reply.body.data : "";
}

static const char *ask(struct office *o, const char *method, const char *path, const char *body)
{
    return ask_if(o, method, path, body, NULL, NULL);
}

static const char *put(struct office *o, const char *json)
{
    return ask(o, "PUT", A, json);
}

/* The tag of the last answer; one of the last four. */
static const char *tag(const struct office *o)
{
    static char rooms[4][REPLICA_REV_SIZE + 2];
    static int next;

    return strcpy(rooms[next++ % 4], o->reply.etag);
}

static replica_collection *notes(struct office *o)
{
    replica_collection *coll = NULL;

    CHECK_RC(replica_db_collection(o->db, "notes", NULL, &coll, &test_err), 0);
    return coll;
}

static const char *rev_of(struct office *o, const char *id)
{
    static char quoted[REPLICA_REV_SIZE + 2];
    replica_doc *doc = NULL;

    CHECK_RC(replica_get(notes(o), id, &doc, &test_err), 1);
    snprintf(quoted, sizeof(quoted), "\"%s\"", replica_doc_rev(doc));
    replica_doc_unref(doc);
    return quoted;
}

TEST(a_document_is_created_read_replaced_and_deleted)
{
    OFFICE o = office_open(NULL, NULL);
    const char *first;

    CHECK_STR(put(o, "{\"id\":\"a\", \"n\":9007199254740993}"),
              "{\"id\":\"a\", \"n\":9007199254740993}");
    CHECK_INT(status(o), 201);
    first = tag(o);
    CHECK_STR(first, rev_of(o, "a"));
    CHECK_STR(ask(o, "GET", A, NULL), "{\"id\":\"a\", \"n\":9007199254740993}");
    CHECK_INT(status(o), 200);
    CHECK_STR(tag(o), first);
    CHECK(o->reply.no_store);
    CHECK_STR(put(o, "{\"id\":\"a\",\"n\":2}"), "{\"id\":\"a\",\"n\":2}");
    CHECK_INT(status(o), 200);
    CHECK(strcmp(tag(o), first) != 0);
    CHECK_STR(ask(o, "DELETE", A, NULL), "");
    CHECK_INT(status(o), 204);
    CHECK(strstr(ask(o, "GET", A, NULL), "\"error\":\"document\""));
    CHECK_INT(status(o), 404);
    CHECK_STR(tag(o), "");
    ask(o, "DELETE", A, NULL);
    CHECK_INT(status(o), 404);
}

TEST(a_patch_changes_what_it_names_and_nothing_else)
{
    OFFICE o = office_open(NULL, NULL);

    ask(o, "PATCH", A, "{\"n\":2}");
    CHECK_INT(status(o), 404);
    put(o, "{\"id\":\"a\", \"n\":1, \"m\" : 1.0}");
    CHECK_STR(ask(o, "PATCH", A, "{\"n\":2}"), "{\"id\":\"a\", \"n\":2, \"m\" : 1.0}");
    CHECK_INT(status(o), 200);
    CHECK_STR(tag(o), rev_of(o, "a"));
}

TEST(a_write_on_an_old_revision_is_refused_with_the_current_state)
{
    static const char *const methods[] = { "PUT", "PATCH", "DELETE" };
    OFFICE o = office_open(NULL, NULL);
    const char *old, *now;

    put(o, "{\"id\":\"a\",\"n\":1}");
    old = tag(o);
    put(o, "{\"id\":\"a\",\"n\":2}");
    now = tag(o);
    for (int i = 0; i < 3; i++) {
        const char *body = ask_if(o, methods[i], A, "{\"id\":\"a\",\"n\":3}", old, NULL);

        CHECK_INT(status(o), 412);
        CHECK_STR(tag(o), now);
        CHECK(strstr(body, "\"error\":\"revision\""));
        CHECK(strstr(body, "\"document\":{\"id\":\"a\",\"n\":2}}"));
    }
    CHECK_STR(ask_if(o, "PUT", A, "{\"id\":\"a\",\"n\":3}", now, NULL), "{\"id\":\"a\",\"n\":3}");
    CHECK_INT(status(o), 200);
    ask_if(o, "DELETE", A, NULL, tag(o), NULL);
    CHECK_INT(status(o), 204);
}

TEST(must_not_exist_is_said_and_refused)
{
    OFFICE o = office_open(NULL, NULL);

    ask_if(o, "PUT", A, "{\"id\":\"a\",\"n\":1}", NULL, "*");
    CHECK_INT(status(o), 201);
    ask_if(o, "PUT", A, "{\"id\":\"a\",\"n\":2}", NULL, "*");
    CHECK_INT(status(o), 412);
    CHECK_STR(tag(o), rev_of(o, "a"));
    ask(o, "DELETE", A, NULL);
    ask_if(o, "PUT", A, "{\"id\":\"a\",\"n\":3}", NULL, "*");
    CHECK_INT(status(o), 201);
}

TEST(must_exist_is_said_and_refused)
{
    OFFICE o = office_open(NULL, NULL);

    CHECK(strstr(ask_if(o, "PUT", A, "{\"id\":\"a\"}", "*", NULL),
                 "\"rev\":null,\"document\":null}"));
    CHECK_INT(status(o), 412); /* and there is not even a collection by now */
    ask(o, "PUT", "/_replica/1/doc/notes/0/b", "{\"id\":\"b\"}");
    ask_if(o, "PUT", A, "{\"id\":\"a\"}", "*", NULL);
    CHECK_INT(status(o), 412);
    put(o, "{\"id\":\"a\"}");
    ask_if(o, "PUT", A, "{\"id\":\"a\",\"n\":2}", "*", NULL);
    CHECK_INT(status(o), 200);
    ask_if(o, "DELETE", A, NULL, "*", NULL);
    CHECK_INT(status(o), 204);
    ask_if(o, "DELETE", A, NULL, "*", NULL);
    CHECK_INT(status(o), 412);
}

TEST(the_revision_of_a_deleted_document_is_refused_when_it_was_created_again)
{
    OFFICE o = office_open(NULL, NULL);
    const char *old;

    put(o, "{\"id\":\"a\",\"n\":1}");
    old = tag(o);
    ask(o, "DELETE", A, NULL);
    ask_if(o, "PUT", A, "{\"id\":\"a\",\"n\":2}", old, NULL);
    CHECK_INT(status(o), 412);
    put(o, "{\"id\":\"a\",\"n\":1}"); /* the very same text, and another revision */
    CHECK(strcmp(tag(o), old) != 0);
    ask_if(o, "PUT", A, "{\"id\":\"a\",\"n\":2}", old, NULL);
    CHECK_INT(status(o), 412);
    ask_if(o, "GET", A, NULL, NULL, old);
    CHECK_INT(status(o), 200);
}

TEST(what_a_reader_has_already_is_not_sent_again)
{
    OFFICE o = office_open(NULL, NULL);
    char weak[REPLICA_REV_SIZE + 4];

    put(o, "{\"id\":\"a\"}");
    snprintf(weak, sizeof(weak), "W/%s", tag(o));
    CHECK_STR(ask_if(o, "GET", A, NULL, NULL, weak + 2), "");
    CHECK_INT(status(o), 304);
    CHECK_STR(tag(o), weak + 2);
    ask_if(o, "GET", A, NULL, NULL, weak);
    CHECK_INT(status(o), 304);
    ask_if(o, "GET", A, NULL, weak, NULL); /* a weak one never says that it is the very same */
    CHECK_INT(status(o), 412);
}

TEST(a_list_of_tags_names_any_of_them)
{
    OFFICE o = office_open(NULL, NULL);
    char list[300];

    put(o, "{\"id\":\"a\"}");
    snprintf(list, sizeof(list), "\"1-x.1\" ,%s,\t\"2-y.2\"", tag(o));
    ask_if(o, "PATCH", A, "{\"n\":1}", list, NULL);
    CHECK_INT(status(o), 200);
    ask_if(o, "PATCH", A, "{\"n\":1}", list, NULL);
    CHECK_INT(status(o), 412);
    ask_if(o, "PATCH", A, "{\"n\":1}", "\"*\"", NULL); /* a tag of one character */
    CHECK_INT(status(o), 412);
}

TEST(what_is_no_list_of_tags_is_refused)
{
    static const char *const lists[] = { "x", "\"x", "\"a\"\"b\"", "1-x.1", "**", "W/x" };
    OFFICE o = office_open(NULL, NULL);

    put(o, "{\"id\":\"a\"}");
    for (int i = 0; i < 6; i++) {
        ask_if(o, "PUT", A, "{\"id\":\"a\"}", lists[i], NULL);
        CHECK_INT(status(o), 400);
        ask_if(o, "GET", A, NULL, NULL, lists[i]);
        CHECK_INT(status(o), 400);
    }
}

TEST(a_text_that_is_no_document_is_refused)
{
    static const char *const texts[] = { NULL, "{", "[]", "7", "{\"n\":1}", "{\"id\":\"b\"}",
                                         "{\"id\":\"a\",\"_x\":1}" };
    OFFICE o = office_open(NULL, NULL);

    put(o, "{\"id\":\"a\"}");
    for (int i = 0; i < 7; i++) {
        CHECK(strstr(ask(o, "PUT", A, texts[i]), "\"error\":\"document\""));
        CHECK_INT(status(o), 422);
    }
    ask(o, "PATCH", A, "{\"id\":\"b\"}");
    CHECK_INT(status(o), 422);
    ask(o, "PATCH", A, "[1]");
    CHECK_INT(status(o), 422);
    CHECK_STR(ask(o, "GET", A, NULL), "{\"id\":\"a\"}");
}

TEST(a_document_that_breaks_the_schema_or_a_unique_index_is_refused)
{
    static const char schema[] =
        "{\"version\":0,\"primaryKey\":\"id\",\"type\":\"object\",\"properties\":{"
        "\"id\":{\"type\":\"string\",\"maxLength\":20},\"n\":{\"type\":\"integer\"}},"
        "\"required\":[\"n\"]}";
    OFFICE o = office_open(NULL, NULL);
    replica_index_options unique = REPLICA_INDEX_OPTIONS_INIT;
    const char *const fields[] = { "n" };

    CHECK_RC(replica__storage_store_prepare(o->storage, "notes", schema, NULL, &test_err), 0);
    put(o, "{\"id\":\"a\"}");
    CHECK_INT(status(o), 422);
    put(o, "{\"id\":\"a\",\"n\":1}");
    CHECK_INT(status(o), 201);
    unique.flags = REPLICA_INDEX_UNIQUE;
    unique.fields = fields;
    unique.n = 1;
    CHECK(replica_index_create(notes(o), &unique, &test_err) >= 0);
    CHECK(replica_index_wait(notes(o), &test_err) >= 0);
    CHECK(strstr(ask(o, "PUT", "/_replica/1/doc/notes/0/b", "{\"id\":\"b\",\"n\":1}"),
                 "\"error\":\"unique\""));
    CHECK_INT(status(o), 409);
}

TEST(a_key_may_be_a_path)
{
    static const char path[] = "/_replica/1/doc/notes/0//client/alice/volume";
    OFFICE o = office_open(NULL, NULL);

    ask(o, "PUT", path, "{\"id\":\"/client/alice/volume\",\"v\":1}");
    CHECK_INT(status(o), 201);
    CHECK_STR(ask(o, "GET", path, NULL), "{\"id\":\"/client/alice/volume\",\"v\":1}");
}

TEST(what_names_no_document_is_nowhere)
{
    static const char *const paths[] = {
        "/_replica/1/doc",         "/_replica/1/doc/",         "/_replica/1/doc/notes",
        "/_replica/1/doc/notes/0", "/_replica/1/doc/notes/0/", "/_replica/1/doc/notes/x/a",
        "/_replica/1/doc/1/0/a",
    };
    OFFICE o = office_open(NULL, NULL);

    for (int i = 0; i < 7; i++) {
        ask(o, "GET", paths[i], NULL);
        CHECK_INT(status(o), 404);
    }
    ask(o, "POST", A, "{}");
    CHECK_INT(status(o), 405);
    CHECK_STR(o->reply.allow, "GET, PUT, PATCH, DELETE");
}

TEST(another_version_is_refused)
{
    OFFICE o = office_open(NULL, NULL);

    ask(o, "GET", A, NULL); /* reading creates no collection */
    CHECK_INT(status(o), 404);
    ask(o, "PUT", "/_replica/1/doc/notes/1/a", "{\"id\":\"a\"}");
    CHECK_INT(status(o), 201);
    ask(o, "GET", A, NULL);
    CHECK_INT(status(o), 426);
    ask(o, "GET", "/_replica/1/doc/notes/2/a", NULL);
    CHECK_INT(status(o), 404);
}

TEST(a_document_of_a_lower_version_can_be_replaced_and_not_read)
{
    static const char schema[] =
        "{\"version\":1,\"primaryKey\":\"id\",\"type\":\"object\",\"properties\":{"
        "\"id\":{\"type\":\"string\",\"maxLength\":20},\"n\":{\"type\":\"integer\"}}}";
    static const char a1[] = "/_replica/1/doc/notes/1/a";
    OFFICE o = office_open(tmp_path("served.db"), NULL);

    put(o, "{\"id\":\"a\",\"n\":0}");
    office_close(&o);
    o = office_open(tmp_path("served.db"), NULL);
    CHECK_RC(replica__storage_store_prepare(o->storage, "notes", schema, NULL, &test_err), 0);
    CHECK(strstr(ask(o, "GET", a1, NULL), "\"error\":\"version\""));
    CHECK_INT(status(o), 404);
    ask(o, "PATCH", a1, "{\"n\":1}");
    CHECK_INT(status(o), 404);
    ask_if(o, "PUT", a1, "{\"id\":\"a\",\"n\":1}", NULL, "*"); /* it is there all the same */
    CHECK_INT(status(o), 412);
    ask(o, "PUT", a1, "{\"id\":\"a\",\"n\":1}");
    CHECK_INT(status(o), 200);
    CHECK_STR(ask(o, "GET", a1, NULL), "{\"id\":\"a\",\"n\":1}");
}

TEST(a_write_by_its_path_comes_with_the_next_pull)
{
    OFFICE o = office_open(NULL, NULL);

    put(o, "{\"id\":\"a\",\"n\":1}");
    CHECK(strstr(get(o, "/_replica/1/pull?c=notes/0&id=&lwt=0"),
                 "\"documents\":[{\"id\":\"a\",\"n\":1}]"));
}

/* ---- locks ----------------------------------------------------------------------- */

static const char *put_as(struct office *o, const char *client, const char *fence)
{
    static const char body[] = "{\"id\":\"a\",\"by\":\"put\"}";
    const struct replica__request request = { .method = "PUT",
                                              .path = A,
                                              .client = client,
                                              .fence = fence,
                                              .body = body,
                                              .body_len = strlen(body) };

    replica__reply_free(&o->reply);
    replica__service_answer(o->service, &request, &o->reply);
    return o->reply.body.data ? o->reply.body.data : "";
}

static void lock(struct office *o, const char *client)
{
    char body[200];

    snprintf(body, sizeof(body),
             "{\"client\":\"%s\",\"name\":\"Mrs %s\",\"collection\":\"notes/0\",\"key\":\"a\","
             "\"ttl\":30000}",
             client, client);
    CHECK(strstr(post(o, "/_replica/1/lock", body), "\"fence\":"));
}

TEST(a_lock_keeps_others_from_writing_and_not_its_holder)
{
    OFFICE o = office_open(NULL, NULL);

    replica__db_set_world(o->db, &o->clock.world);
    put(o, "{\"id\":\"a\"}");
    lock(o, "alice");
    CHECK(strstr(put(o, "{\"id\":\"a\",\"n\":1}"), "\"holder\":\"Mrs alice\"}"));
    CHECK_INT(status(o), 423);
    put_as(o, "bob", NULL);
    CHECK_INT(status(o), 423);
    ask(o, "DELETE", A, NULL);
    CHECK_INT(status(o), 423);
    CHECK_STR(ask(o, "GET", A, NULL), "{\"id\":\"a\"}");
    put_as(o, "alice", NULL);
    CHECK_INT(status(o), 200);
    put_as(o, "alice", "1");
    CHECK_INT(status(o), 200);
    CHECK_STR(ask(o, "GET", A, NULL), "{\"id\":\"a\",\"by\":\"put\"}");
    put(o, "{\"id\":\"a\"}"); /* the answer to who has it is not remembered */
    CHECK_INT(status(o), 423);
}

TEST(who_held_a_lock_and_lost_it_is_refused_by_its_number)
{
    OFFICE o = office_open(NULL, NULL);

    replica__db_set_world(o->db, &o->clock.world);
    put(o, "{\"id\":\"a\"}");
    put_as(o, "alice", "1");
    CHECK_INT(status(o), 423); /* never had it */
    lock(o, "alice");
    put_as(o, "alice", "1");
    CHECK_INT(status(o), 200);
    clock_pass(&o->clock, 30001);
    put_as(o, "alice", "1");
    CHECK_INT(status(o), 423);
    lock(o, "bob");
    CHECK(strstr(put_as(o, "alice", "1"), "\"holder\":\"Mrs bob\"}"));
    CHECK_INT(status(o), 423);
    put_as(o, "bob", "2");
    CHECK_INT(status(o), 200);
    put_as(o, "bob", "1");
    CHECK_INT(status(o), 423);
}

TEST(a_fence_that_is_no_number_of_a_client_is_refused)
{
    static const char *const fences[] = { "", "0", "x", "-1" };
    OFFICE o = office_open(NULL, NULL);

    for (int i = 0; i < 4; i++) {
        put_as(o, "alice", fences[i]);
        CHECK_INT(status(o), 400);
    }
    put_as(o, NULL, "1");
    CHECK_INT(status(o), 400);
}

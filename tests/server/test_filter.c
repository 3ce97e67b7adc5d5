/* Pages and streams through a filter. */
#include "tests/server/office.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#define PULL "/_replica/1/pull?c=notes/0"

static void put(struct office *o, const char *id, const char *members)
{
    char json[200];
    replica_collection *coll;

    snprintf(json, sizeof json, "{\"id\":\"%s\",%s}", id, members);
    CHECK_RC(replica_db_collection(o->db, "notes", NULL, &coll, &test_err), 0);
    CHECK_RC(replica_upsert(coll, json, REPLICA_NUL, NULL, &test_err), 0);
}

/* The filter is read here as a parameter is after HTTP has unescaped it. */
static const char *pull(struct office *o, const char *filter, int since)
{
    char path[300];

    snprintf(path, sizeof path, PULL "&id=%s&lwt=%d&filter=%s", since ? o->incarnation : "",
             since, filter);
    return get(o, path);
}

TEST(a_page_has_what_the_filter_matches)
{
    OFFICE o = office_open(NULL, NULL);
    const char *page;

    put(o, "a", "\"open\":true");
    put(o, "b", "\"open\":false");
    put(o, "c", "\"open\":true");
    page = pull(o, "{\"open\":true}", 0);
    CHECK(strstr(page, "\"documents\":[{\"id\":\"a\",\"open\":true},"
                       "{\"id\":\"c\",\"open\":true}]"));
    CHECK(strstr(page, at(o, "\"checkpoint\":{\"id\":\"@\",\"lwt\":3},\"head\":"
                             "{\"id\":\"@\",\"lwt\":3},\"remaining\":0}")));
}

TEST(who_had_a_document_is_told_that_it_left)
{
    OFFICE o = office_open(NULL, NULL);
    const char *page;

    put(o, "a", "\"open\":true");
    put(o, "b", "\"open\":false");
    put(o, "a", "\"open\":false,\"secret\":1");
    page = pull(o, "{\"open\":true}", 1);
    CHECK(strstr(page, "\"documents\":[{\"id\":\"a\"}]"));
    CHECK(strstr(page, "\"meta\":[[0,3,") && strstr(page, ",4,\""));
    CHECK(!strstr(page, "secret"));
    CHECK(strstr(pull(o, "{\"open\":true}", 0), "\"documents\":[]"));
}

TEST(what_was_never_changed_cannot_have_left)
{
    OFFICE o = office_open(NULL, NULL);

    put(o, "a", "\"open\":true");
    put(o, "b", "\"open\":false");
    CHECK(strstr(pull(o, "{\"open\":true}", 1), "\"documents\":[]"));
}

static void remove_it(replica_collection *coll, const char *id)
{
    replica_doc *doc = NULL;

    CHECK_RC(replica_get(coll, id, &doc, &test_err), 1);
    CHECK_RC(replica_delete(coll, id, replica_doc_rev(doc), NULL, &test_err), 1);
    replica_doc_unref(doc);
}

TEST(a_tombstone_goes_to_those_who_saw_its_last_text)
{
    OFFICE o = office_open(NULL, NULL);
    replica_collection *coll;

    put(o, "a", "\"open\":true");
    put(o, "b", "\"open\":false");
    CHECK_RC(replica_db_collection(o->db, "notes", NULL, &coll, &test_err), 0);
    remove_it(coll, "a");
    remove_it(coll, "b");
    CHECK(strstr(pull(o, "{\"open\":true}", 2),
                 "\"documents\":[{\"id\":\"a\",\"open\":true},{\"id\":\"b\"}]"));
}

TEST(what_is_no_selector_is_refused)
{
    OFFICE o = office_open(NULL, NULL);
    char filter[5000];

    CHECK(strstr(pull(o, "{\"a\":{\"$foo\":1}}", 0), "filter is no selector: "));
    CHECK_INT(status(o), 400);
    pull(o, "[1]", 0);
    CHECK_INT(status(o), 400);
    pull(o, "{", 0);
    CHECK_INT(status(o), 400);
    pull(o, "", 0);
    CHECK_INT(status(o), 400);
    snprintf(filter, sizeof filter, PULL "&filter={\"a\":\"%04100d\"}", 0);
    get(o, filter);
    CHECK_INT(status(o), 400);
}

TEST(a_filter_goes_together_with_a_pattern)
{
    OFFICE o = office_open(NULL, NULL);

    put(o, "x/a", "\"open\":true");
    put(o, "x/b", "\"open\":false");
    put(o, "y/a", "\"open\":true");
    CHECK(strstr(get(o, PULL "&keys=x/*&filter={\"open\":true}"),
                 "\"documents\":[{\"id\":\"x/a\",\"open\":true}]"));
}

TEST(a_page_that_looked_at_much_and_found_nothing_moves_all_the_same)
{
    OFFICE o = office_open(NULL, NULL);
    char id[16];

    for (int i = 0; i < 4100; i++) {
        snprintf(id, sizeof id, "%d", i);
        put(o, id, i < 4090 ? "\"open\":false" : "\"open\":true");
    }
    CHECK(strstr(pull(o, "{\"open\":true}", 0),
                 at(o, "\"checkpoint\":{\"id\":\"@\",\"lwt\":4000}")));
    CHECK(strstr(pull(o, "{\"open\":true}", 4000), "\"id\":\"4099\""));
}

TEST(a_stream_tells_who_left_and_shares_events_only_with_its_like)
{
    OFFICE o = office_open(NULL, NULL);
    struct replica__reply open_ones, all;
    const char *event;

    put(o, "a", "\"open\":true");
    put(o, "b", "\"open\":false");
    office_stream(o, "/_replica/1/stream?c=notes/0&filter={\"open\":true}", NULL, &open_ones);
    office_stream(o, "/_replica/1/stream?c=notes/0", NULL, &all);
    replica__service_tick(o->service);
    event = stream_text(&open_ones);
    CHECK(strstr(event, "{\"id\":\"a\"") && !strstr(event, "{\"id\":\"b\""));
    event = stream_text(&all);
    CHECK(strstr(event, "{\"id\":\"a\"") && strstr(event, "{\"id\":\"b\""));
    put(o, "a", "\"open\":0");
    replica__service_tick(o->service);
    event = stream_text(&open_ones);
    CHECK(strstr(event, ",4,\"") && strstr(event, "\"documents\":[{\"id\":\"a\"}]"));
    CHECK(strstr(stream_text(&all), "{\"id\":\"a\",\"open\":0}"));
    replica__reply_free(&open_ones);
    replica__reply_free(&all);
}

TEST(a_bundle_is_whole_as_far_as_its_members_match)
{
    OFFICE o = office_open(NULL, NULL);
    replica_collection *coll;
    replica_bundle *bundle = NULL;
    const char *page;

    CHECK_RC(replica_db_collection(o->db, "notes", NULL, &coll, &test_err), 0);
    CHECK_RC(replica_bundle_begin(o->db, &bundle, &test_err), 0);
    CHECK_RC(replica_bundle_put(bundle, coll, "{\"id\":\"a\",\"open\":true}", REPLICA_NUL, NULL,
                                &test_err), 0);
    CHECK_RC(replica_bundle_put(bundle, coll, "{\"id\":\"b\",\"open\":false}", REPLICA_NUL, NULL,
                                &test_err), 0);
    CHECK_RC(replica_bundle_put(bundle, coll, "{\"id\":\"c\",\"open\":true}", REPLICA_NUL, NULL,
                                &test_err), 0);
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
    page = get(o, PULL "&rows=1&filter={\"open\":true}");
    CHECK(strstr(page, "\"documents\":[{\"id\":\"a\",\"open\":true},"
                       "{\"id\":\"c\",\"open\":true}]"));
    CHECK(strstr(page, "\"remaining\":0}"));
}

TEST(what_is_left_is_counted_where_that_is_not_much)
{
    OFFICE o = office_open(NULL, NULL);
    char id[16];

    for (int i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "%d", i);
        put(o, id, i % 2 ? "\"open\":false" : "\"open\":true");
    }
    CHECK(strstr(get(o, PULL "&rows=4&filter={\"open\":true}"), ",\"remaining\":6}"));
}

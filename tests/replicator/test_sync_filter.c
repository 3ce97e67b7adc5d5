/* Replications through a filter, with a server that knows none. */
#include "tests/replicator/desk_support.h"

#include <string.h>

#define OPEN_ONES "{\"open\":true}"

BOTH(what_matches_goes_both_ways_and_the_rest_stays)
{
    DESK d = desk_begin(runner, NULL);

    server_set(d->server, "a", "{\"id\":\"a\",\"open\":true}");
    server_set(d->server, "b", "{\"id\":\"b\",\"open\":false}");
    desk_put(d, "{\"id\":\"c\",\"open\":true}");
    desk_put(d, "{\"id\":\"d\",\"open\":false}");
    d->o.filter = OPEN_ONES;
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(desk_get(d, "a"), "{\"id\":\"a\",\"open\":true}");
    CHECK_STR(desk_get(d, "b"), "-");
    CHECK_STR(server_get(d->server, "c"), "{\"id\":\"c\",\"open\":true}");
    CHECK_STR(server_get(d->server, "d"), NULL);
    CHECK_STR(desk_get(d, "d"), "{\"id\":\"d\",\"open\":false}");
    CHECK_INT(desk_state(d, "d"), REPLICA_DOC_ABSENT);
}

BOTH(what_is_edited_outside_is_sent_and_then_leaves)
{
    DESK d = desk_begin(runner, NULL);

    server_set(d->server, "a", "{\"id\":\"a\",\"open\":true}");
    d->o.filter = OPEN_ONES;
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    desk_put(d, "{\"id\":\"a\",\"open\":false,\"n\":7}");
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(server_get(d->server, "a"), "{\"id\":\"a\",\"open\":false,\"n\":7}");
    CHECK_STR(desk_get(d, "a"), "-");
    server_set(d->server, "a", "{\"id\":\"a\",\"open\":true,\"n\":8}");
    DESK_UNTIL(d, strcmp(desk_get(d, "a"), "{\"id\":\"a\",\"open\":true,\"n\":8}") == 0);
}

BOTH(another_filter_lets_leave_and_enter)
{
    DESK d = desk_begin(runner, NULL);

    server_set(d->server, "a", "{\"id\":\"a\",\"open\":true}");
    server_set(d->server, "b", "{\"id\":\"b\",\"open\":false}");
    desk_put(d, "{\"id\":\"c\",\"open\":false}");
    d->o.filter = OPEN_ONES;
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    desk_cancel(d);
    d->o.filter = "{\"open\":false}";
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(desk_get(d, "a"), "-");
    CHECK_STR(desk_get(d, "b"), "{\"id\":\"b\",\"open\":false}");
    CHECK_STR(server_get(d->server, "a"), "{\"id\":\"a\",\"open\":true}");
    CHECK_STR(server_get(d->server, "c"), "{\"id\":\"c\",\"open\":false}");
    desk_cancel(d);
    d->o.filter = NULL;
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(desk_get(d, "a"), "{\"id\":\"a\",\"open\":true}");
}

BOTH(another_pattern_lets_leave_and_enter)
{
    DESK d = desk_begin(runner, NULL);

    server_set(d->server, "x/a", "{\"id\":\"x/a\"}");
    server_set(d->server, "y/a", "{\"id\":\"y/a\"}");
    d->o.keys = "x/*";
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(desk_get(d, "x/a"), "{\"id\":\"x/a\"}");
    CHECK_STR(desk_get(d, "y/a"), "-");
    desk_cancel(d);
    d->o.keys = "y/*";
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(desk_get(d, "x/a"), "-");
    CHECK_STR(desk_get(d, "y/a"), "{\"id\":\"y/a\"}");
    CHECK_STR(server_get(d->server, "x/a"), "{\"id\":\"x/a\"}");
}

BOTH(an_edit_that_waits_survives_another_filter)
{
    DESK d = desk_begin(runner, NULL);

    server_set(d->server, "a", "{\"id\":\"a\",\"open\":true}");
    d->o.filter = OPEN_ONES;
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    server_hold(d->server, HOLD_PUSH);
    desk_put(d, "{\"id\":\"a\",\"open\":true,\"mine\":1}");
    DESK_UNTIL(d, server_waiting(d->server) > 0);
    desk_cancel(d);
    server_hold(d->server, 0);
    d->o.filter = "{\"open\":false}";
    desk_start(d);
    CHECK_RC(desk_in_sync(d), 1);
    CHECK_STR(server_get(d->server, "a"), "{\"id\":\"a\",\"open\":true,\"mine\":1}");
    CHECK_STR(desk_get(d, "a"), "-");
}

TEST(a_filter_must_be_one_and_have_its_place_in_a_url)
{
    DESK d = desk_begin(REPLICA_SYNC_IN_LOOP, NULL);
    replica_remote remote = server_remote(d->server);
    char filter[2000];
    replica_sync *sync = NULL;

    d->o.collections = &d->coll;
    d->o.collection_count = 1;
    d->o.remote = &remote;
    d->o.filter = "{\"a\":{\"$x\":1}}";
    CHECK_RC(replica_sync_start(d->db, &d->o, &sync, &test_err), REPLICA_EINVAL);
    strcpy(filter, "{\"a\":\"");
    memset(filter + 6, '!', 1500);
    strcpy(filter + 1506, "\"}");
    d->o.filter = filter;
    remote = server_remote(d->server);
    CHECK_RC(replica_sync_start(d->db, &d->o, &sync, &test_err), REPLICA_ELIMIT);
}

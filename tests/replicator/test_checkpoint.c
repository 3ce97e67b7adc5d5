/* Where a page or answer stands against the stored checkpoint. */
#include "replicator/session_state.h"
#include "tests/support/test.h"

#define CP(id, number) "{\"id\":\"" id "\",\"lwt\":" number "}"

TEST(a_page_that_follows_the_stored_checkpoint_extends_it)
{
    CHECK(replica__checkpoint_extends(CP("a", "5"), CP("a", "5"), CP("a", "9")));
    CHECK(replica__checkpoint_extends(NULL, NULL, CP("a", "1")));
}

TEST(a_page_that_begins_before_the_stored_checkpoint_and_ends_behind_it_extends_it)
{
    CHECK(replica__checkpoint_extends(CP("a", "5"), CP("a", "3"), CP("a", "6")));
    CHECK(replica__checkpoint_extends(CP("a", "5"), NULL, CP("a", "6")));
}

TEST(a_page_behind_a_gap_does_not)
{
    CHECK(!replica__checkpoint_extends(CP("a", "5"), CP("a", "6"), CP("a", "9")));
    CHECK(!replica__checkpoint_extends(NULL, CP("a", "1"), CP("a", "2")));
}

TEST(a_page_that_is_covered_already_does_not_extend)
{
    CHECK(!replica__checkpoint_extends(CP("a", "5"), CP("a", "3"), CP("a", "5")));
    CHECK(!replica__checkpoint_extends(CP("a", "5"), CP("a", "3"), CP("a", "4")));
    CHECK(replica__checkpoint_covers(CP("a", "5"), CP("a", "5")));
    CHECK(replica__checkpoint_covers(CP("a", "5"), CP("a", "4")));
    CHECK(!replica__checkpoint_covers(CP("a", "5"), CP("a", "6")));
    CHECK(!replica__checkpoint_covers(NULL, CP("a", "1")));
}

TEST(numbers_of_one_timeline_compare_across_incarnations)
{
    CHECK(replica__checkpoint_extends(CP("a", "5"), CP("b", "5"), CP("b", "6")));
    CHECK(!replica__checkpoint_extends(CP("a", "5"), CP("b", "6"), CP("b", "7")));
}

TEST(a_page_without_a_checkpoint_extends_nothing)
{
    CHECK(!replica__checkpoint_extends(CP("a", "5"), CP("a", "5"), NULL));
}

TEST(texts_of_another_form_never_extend_by_their_numbers)
{
    static const char *const odd[] = {
        "", "5", "[]", "{}", "{\"lwt\":5}", "{\"id\":\"a\"}", "{\"id\":5,\"lwt\":5}",
        "{\"id\":\"a\",\"lwt\":\"5\"}", "{\"id\":\"a\",\"lwt\":5.5}", "{\"id\":\"a\",\"lwt\":1e99}",
        "{\"id\":\"a\",\"lwt\":99999999999999999999}", "null",
    };

    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        CHECK(!replica__checkpoint_extends(odd[i], CP("a", "1"), CP("a", "9")));
        CHECK(!replica__checkpoint_extends(CP("a", "5"), odd[i], CP("a", "9")));
        CHECK(!replica__checkpoint_extends(CP("a", "5"), CP("a", "1"), odd[i]));
        CHECK(!replica__checkpoint_covers(odd[i], CP("a", "1")));
        CHECK(!replica__checkpoint_covers(CP("a", "5"), odd[i]));
    }
}

TEST(the_incarnation_of_a_checkpoint_is_read)
{
    char at[8] = "x";

    replica__checkpoint_incarnation(CP("abc", "5"), at, sizeof at);
    CHECK_STR(at, "abc");
}

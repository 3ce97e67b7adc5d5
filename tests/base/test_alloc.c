#include "base/alloc.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

#include <stdint.h>

TEST(nothing_at_all_is_still_a_pointer)
{
    REPLICA_FREE void *a = replica__alloc(0);
    REPLICA_FREE void *b = replica__alloc_zero(0, 8);
    REPLICA_FREE void *c = replica__realloc(NULL, 0, 8);

    CHECK(a && b && c);
}

TEST(a_product_that_overflows_is_refused)
{
    CHECK(replica__alloc_zero(SIZE_MAX / 2, 4) == NULL);
    CHECK(replica__realloc(NULL, SIZE_MAX / 2, 4) == NULL);
}

TEST(copies_of_text_end_with_a_nul)
{
    REPLICA_FREE char *whole = replica__strdup("abc");
    REPLICA_FREE char *part = replica__strndup("abc", 2);
    REPLICA_FREE char *nothing = replica__strndup(NULL, 0);

    CHECK_STR(whole, "abc");
    CHECK_STR(part, "ab");
    CHECK_STR(nothing, "");
    CHECK(replica__strdup(NULL) == NULL);
}

TEST(zeroed_memory_is_zero)
{
    static const char zeros[64];
    REPLICA_FREE char *p = replica__alloc_zero(8, 8);

    CHECK_MEM(p, 64, zeros, 64);
}

TEST(every_door_can_be_closed)
{
    for (int door = 0; door < 4; door++) {
        void *p = NULL;

        fault_alloc(0);
        switch (door) {
        case 0:
            p = replica__alloc(1);
            break;
        case 1:
            p = replica__alloc_zero(1, 1);
            break;
        case 2:
            p = replica__realloc(NULL, 1, 1);
            break;
        default:
            p = replica__strdup("a");
        }
        CHECK(p == NULL);
        CHECK(fault_stop());
    }
}

TEST(a_failed_growth_leaves_what_was_there)
{
    REPLICA_FREE char *p = replica__strdup("kept");

    fault_alloc(0);
    CHECK(replica__realloc(p, 100, 1) == NULL);
    CHECK(fault_stop());
    CHECK_STR(p, "kept");
}

#include "base/arena.h"

#include "tests/support/fault.h"
#include "tests/support/test.h"

static void free_arena(struct replica__arena **a)
{
    replica__arena_free(*a);
}
#define ARENA __attribute__((cleanup(free_arena))) struct replica__arena *

TEST(texts_stay_where_they_are_until_the_end)
{
    ARENA a = replica__arena_new(32);
    char *texts[100];

    CHECK(a != NULL);
    for (int i = 0; i < 100; i++) {
        texts[i] = replica__arena_copy(a, "0123456789", (size_t)(i % 11));
        CHECK(texts[i] != NULL);
    }
    for (int i = 0; i < 100; i++) {
        CHECK_INT(strlen(texts[i]), i % 11);
        CHECK(strncmp(texts[i], "0123456789", (size_t)(i % 11)) == 0);
    }
}

TEST(a_text_may_be_larger_than_a_chunk_and_may_be_empty)
{
    ARENA a = replica__arena_new(4);

    CHECK_STR(replica__arena_copy(a, "larger than four", 16), "larger than four");
    CHECK_STR(replica__arena_copy(a, NULL, 0), "");
    CHECK(!a->failed);
}

TEST(anything_can_stand_between_the_texts)
{
    ARENA a = replica__arena_new(100);

    for (size_t n = 0; n < 40; n++) {
        double *numbers;

        CHECK(replica__arena_copy(a, "odd", 1 + n % 3) != NULL);
        numbers = replica__arena_zero(a, n, sizeof(*numbers));
        CHECK(numbers && (uintptr_t)numbers % _Alignof(double) == 0);
        for (size_t i = 0; i < n; i++) {
            CHECK(numbers[i] == 0);
            numbers[i] = 1;
        }
    }
    CHECK(!a->failed);
}

TEST(a_size_that_overflows_is_a_failed_allocation)
{
    ARENA a = replica__arena_new(100);

    CHECK(replica__arena_zero(a, SIZE_MAX / 2, 3) == NULL);
    CHECK(a->failed);
}

TEST(a_failed_allocation_gives_no_text_and_is_remembered)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        ARENA a = NULL;
        char *first = NULL;
        char *second = NULL;

        fault_alloc(nth);
        a = replica__arena_new(8);
        if (a) {
            first = replica__arena_copy(a, "one", 3);
            second = replica__arena_copy(a, "another", 7);
        }
        failed = fault_stop();
        CHECK((a && first && second && !a->failed) == !failed);
        CHECK(!a || a->failed == failed);
    }
}

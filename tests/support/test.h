/* What a test file needs: TEST, the CHECKs, and an error to hand in.
 *
 *     TEST(a_sentence_that_is_true_when_this_passes)
 *     {
 *         CHECK_RC(replica_get(coll, "x", &doc, &test_err), 0);
 *     }
 *
 * Each test runs in a process of its own (CK_FORK=no: all in one), with no fault armed and test_err
 * empty.  The program speaks TAP; an argument runs only the tests whose name contains it. */
#ifndef TESTS_SUPPORT_TEST_H
#define TESTS_SUPPORT_TEST_H

#include "libreplica/libreplica.h"

#include <stdbool.h>
#include <string.h>

extern replica_error test_err;

struct test {
    const char *name;
    void (*fn)(void);
    bool is_long;
    struct test *next;
};
void test_register(struct test *t);

#define TEST_OF(sentence, is_long)                                          \
    static void sentence(void);                                             \
    __attribute__((constructor)) static void sentence##_register(void)      \
    {                                                                       \
        static struct test self = { #sentence, sentence, is_long, NULL };   \
        test_register(&self);                                               \
    }                                                                       \
    static void sentence(void)
#define TEST(sentence) TEST_OF(sentence, false)
/* It does the same for each allocation in turn, or very often, or in processes of its own: too much
 * for a checker that is slow.
 * With REPLICA_SHORT=1 in the environment it is left out. */
#define LONG_TEST(sentence) TEST_OF(sentence, true)

/* Ends the test.  Also from another thread, but then all of the test's process ends with it. */
void test_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4), noreturn));
void test_skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

void test_check_rc(const char *file, int line, const char *what, int is, int want);
void test_check_str(const char *file, int line, const char *what, const char *is,
                    const char *want);
void test_check_mem(const char *file, int line, const char *what, const void *is, size_t is_len,
                    const void *want, size_t want_len);

#define CHECK(condition) \
    ((condition) ? (void)0 : test_fail(__FILE__, __LINE__, "not so: %s", #condition))
/* A result of ours: a failure shows the code's name, and test_err's message. */
#define CHECK_RC(call, want) test_check_rc(__FILE__, __LINE__, #call, (call), (want))
#define CHECK_INT(is, want)                                                              \
    do {                                                                                 \
        long long is_ = (long long)(is), want_ = (long long)(want);                      \
        if (is_ != want_)                                                                \
            test_fail(__FILE__, __LINE__, "%s is %lld, not %lld", #is, is_, want_);      \
    } while (0)
/* Texts with a NUL; NULL equals NULL only. */
#define CHECK_STR(is, want) test_check_str(__FILE__, __LINE__, #is, (is), (want))
#define CHECK_MEM(is, is_len, want, want_len) \
    test_check_mem(__FILE__, __LINE__, #is, (is), (is_len), (want), (want_len))

#endif

/* Runs the tests that registered themselves, each as a case of its own in libcheck (which forks,
 * and catches signals and timeouts), and words the results as TAP. */
#include "tests/support/test.h"

#include "tests/support/fault.h"
#include "tests/support/tmp.h"

#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define SKIPPED "skipped: " /* how a test in its own process says so to this one */
#define TIMEOUT_S 50        /* for one test; CK_TIMEOUT_MULTIPLIER stretches it */

replica_error test_err;
static struct test *first;
static struct test **last = &first;
static bool one_process; /* so a crash takes the report along: say what runs */

void test_register(struct test *t)
{
    *last = t;
    last = &t->next;
}

void test_fail(const char *file, int line, const char *format, ...)
{
    char text[2048];
    va_list args;

    fault_stop(); /* or libcheck itself would run out of memory */
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    _ck_assert_failed(file, line, "failed", "%s", text);
    abort();
}

void test_skip(const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    _ck_assert_failed(__FILE__, __LINE__, "skipped", SKIPPED "%s", text);
    abort();
}

void test_check_rc(const char *file, int line, const char *what, int is, int want)
{
    if (is == want)
        return;
    test_fail(file, line, "%s gave %d (%s), not %d (%s); test_err: %s%s%s", what, is,
              is < 0 ? replica_error_name(is) : "no error", want,
              want < 0 ? replica_error_name(want) : "no error", test_err.where,
              test_err.where[0] ? ": " : "", test_err.message);
}

void test_check_str(const char *file, int line, const char *what, const char *is,
                    const char *want)
{
    if (is == want || (is && want && strcmp(is, want) == 0))
        return;
    test_fail(file, line, "%s is\n%s\nnot\n%s", what, is ? is : "(NULL)",
              want ? want : "(NULL)");
}

void test_check_mem(const char *file, int line, const char *what, const void *is, size_t is_len,
                    const void *want, size_t want_len)
{
    if (is_len == want_len && (is_len == 0 || memcmp(is, want, is_len) == 0))
        return;
    test_fail(file, line, "%s is %zu bytes\n%.*s\nnot %zu bytes\n%.*s", what, is_len,
              (int)is_len, is ? (const char *)is : "", want_len, (int)want_len,
              want ? (const char *)want : "");
}

/* ---- running --------------------------------------------------------------------- */

static struct test *nth_test(int n)
{
    struct test *t = first;

    while (n-- > 0)
        t = t->next;
    return t;
}

START_TEST(run_one)
{
    struct test *t = nth_test(_i);

    test_err = (replica_error){ .offset = -1 };
    fault_stop();
    if (one_process)
        printf("# %s\n", t->name);
    tmp_begin(t->name);
    t->fn();
    fault_stop();
    tmp_end();
}
END_TEST

static SRunner *plan(const char *only)
{
    const char *shorter = getenv("REPLICA_SHORT");
    bool no_long = shorter && strcmp(shorter, "1") == 0;
    Suite *suite = suite_create("tests");
    int n = 0;

    for (struct test *t = first; t; t = t->next, n++) {
        TCase *one;

        if ((only && !strstr(t->name, only)) || (no_long && t->is_long))
            continue;
        one = tcase_create(t->name);
        tcase_set_timeout(one, TIMEOUT_S);
        tcase_add_loop_test(one, run_one, n, n + 1);
        suite_add_tcase(suite, one);
    }
    return srunner_create(suite);
}

static void print_comment(const char *text)
{
    printf("#   ");
    for (; *text; text++) {
        putchar(*text);
        if (*text == '\n')
            printf("#   ");
    }
    putchar('\n');
}

/* One line of TAP; 1 if the test failed. */
static int print_result(int n, TestResult *result)
{
    const char *name = tr_tcname(result);
    const char *message = tr_msg(result);
    size_t skipped = strlen(SKIPPED);

    if (tr_rtype(result) == CK_PASS) {
        printf("ok %d - %s\n", n, name);
        return 0;
    }
    if (strncmp(message, SKIPPED, skipped) == 0) {
        printf("ok %d - %s # SKIP %s\n", n, name, message + skipped);
        return 0;
    }
    printf("not ok %d - %s\n", n, name);
    printf("#   %s:%d\n", tr_lfile(result) ? tr_lfile(result) : "?", tr_lno(result));
    print_comment(message);
    return 1;
}

int main(int argc, char **argv)
{
    SRunner *runner;
    TestResult **results;
    int failed = 0;
    int n;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (fault_install() < 0 || tmp_install() < 0) {
        printf("Bail out! no folder for temporary files, or SQLite is already in use\n");
        return 1;
    }
    runner = plan(argc > 1 ? argv[1] : NULL);
    one_process = srunner_fork_status(runner) == CK_NOFORK;
    srunner_run_all(runner, CK_SILENT);

    results = srunner_results(runner);
    n = srunner_ntests_run(runner);
    printf(n > 0 ? "1..%d\n" : "1..%d # SKIP it has long tests only\n", n);
    for (int i = 0; i < n; i++)
        failed += print_result(i + 1, results[i]);
    free(results);
    srunner_free(runner);
    tmp_remove();
    return failed ? 1 : 0;
}

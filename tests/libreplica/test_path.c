#include "libreplica/query/path.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

static struct replica__path path_of(const char *text)
{
    struct replica__path path = { NULL, NULL, 0 };

    CHECK_RC(replica__path_parse(text, REPLICA_NUL, &path, &test_err), 0);
    return path;
}

/* ---- parsing --------------------------------------------------------------------- */

TEST(a_path_is_cut_at_its_dots)
{
    struct replica__path path = path_of("a.bc.0");

    CHECK_INT(path.n, 3);
    CHECK_MEM(path.parts[0].data, path.parts[0].len, "a", 1);
    CHECK_MEM(path.parts[1].data, path.parts[1].len, "bc", 2);
    CHECK_MEM(path.parts[2].data, path.parts[2].len, "0", 1);
    CHECK_STR(path.text, "a.bc.0");
    replica__path_free(&path);
}

TEST(a_path_with_an_empty_part_is_refused)
{
    static const char *const wrong[] = { "", ".", "a.", ".a", "a..b" };
    struct replica__path path = { NULL, NULL, 7 };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CHECK_RC(replica__path_parse(wrong[i], REPLICA_NUL, &path, &test_err), REPLICA_EINVAL);
    CHECK_STR(test_err.message, "'a..b' is no path");
    CHECK_RC(replica__path_parse("a\0b", 3, &path, &test_err), REPLICA_EINVAL);
    CHECK_INT(path.n, 7);
}

TEST(a_failed_allocation_fails_the_parsing)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        struct replica__path path;
        int r;

        fault_alloc(nth);
        r = replica__path_parse("a.b", REPLICA_NUL, &path, &test_err);
        failed = fault_stop();
        CHECK_INT(r, failed ? REPLICA_ENOMEM : 0);
        if (r == 0)
            replica__path_free(&path);
    }
}

/* ---- the one value --------------------------------------------------------------- */

TEST(the_value_at_a_path_is_found_in_place)
{
    static const struct {
        const char *path, *json, *value; /* value NULL: missing */
        bool array;
    } cases[] = {
        { "a", "{\"a\":1}", "1", false },
        { "a", "{\"b\":1}", NULL, false },
        { "a.b", "{\"a\":{\"b\":\"x\"}}", "\"x\"", false },
        { "a.b", "{\"a\":null}", NULL, false },
        { "a.b", "{\"\\u0061\":{\"\\u0062\":2}}", "2", false },
        { "a", "{\"a\":[1,2]}", "[1,2]", true },
        { "a.1", "{\"a\":[1, 2 ]}", "2", true },
        { "a.2", "{\"a\":[1,2]}", NULL, true },
        { "a.99999999999999999999999", "{\"a\":[1,2]}", NULL, true },
        { "a.1", "{\"a\":{\"1\":5}}", "5", false },
        { "a.b", "{\"a\":[{\"b\":1}]}", NULL, true },
        { "a.0.b", "{\"a\":[{\"b\":1}]}", "1", true },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct replica__path path = path_of(cases[i].path);
        bool array = !cases[i].array;
        struct replica__json_value v =
            replica__path_value(&path, cases[i].json, strlen(cases[i].json), &array);

        CHECK_INT(v.type != REPLICA_JSON_NONE, cases[i].value != NULL);
        if (cases[i].value)
            CHECK_MEM(v.text.data, v.text.len, cases[i].value, strlen(cases[i].value));
        CHECK_INT(array, cases[i].array);
        replica__path_free(&path);
    }
}

/* ---- all that a query may see ---------------------------------------------------- */

static int collect(void *ctx, struct replica__json_value v)
{
    struct replica__buf *out = ctx;

    replica__buf_str(out, out->len ? " | " : "");
    replica__buf_add(out, v.text.data, v.text.len);
    if (v.type == REPLICA_JSON_NONE)
        replica__buf_str(out, "missing");
    return 0;
}

TEST(every_value_that_a_query_may_compare_is_met)
{
    static const char *const cases[][3] = {
        { "a", "{\"a\":1}", "1" },
        { "a", "{}", "missing" },
        { "a", "{\"a\":[]}", "[]" },
        { "a", "{\"a\":[1,\"x\"]}", "[1,\"x\"] | 1 | \"x\"" },
        { "a", "{\"a\":[[1],2]}", "[[1],2] | [1] | 1 | 2" },
        { "a.b", "{\"a\":{\"b\":1}}", "1" },
        { "a.b", "{\"a\":[{\"b\":1},{\"c\":2},{\"b\":[3]}]}", "[1,[3]] | 1 | [3] | 3" },
        { "a.b", "{\"a\":[{\"b\":[1,2]}]}", "[1,2] | 1 | 2" },
        { "a.b", "{\"a\":[5,null]}", "[]" },
        { "a.b", "{\"a\":5}", "missing" },
        { "a.0.b", "{\"a\":[{\"b\":1},{\"b\":2}]}", "1" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct replica__path path = path_of(cases[i][0]);
        REPLICA_BUF met = REPLICA_BUF_INIT;

        CHECK_INT(replica__path_each(&path, cases[i][1], strlen(cases[i][1]), collect, &met), 0);
        CHECK_STR(met.data, cases[i][2]);
        replica__path_free(&path);
    }
}

static int stop(void *ctx, struct replica__json_value v)
{
    return --*(int *)ctx == 0 ? 42 : 0;
}

TEST(a_result_ends_the_walk)
{
    struct replica__path path = path_of("a");
    const char *json = "{\"a\":[1,2,3]}";
    int left = 2;

    CHECK_INT(replica__path_each(&path, json, strlen(json), stop, &left), 42);
    CHECK_INT(left, 0);
    replica__path_free(&path);
}

TEST(a_failed_allocation_fails_the_walk)
{
    struct replica__path path = path_of("a.b");
    const char *json = "{\"a\":[{\"b\":1}]}";

    for (int nth = 0, failed = 1; failed; nth++) {
        REPLICA_BUF met = REPLICA_BUF_INIT;
        int r;

        replica__buf_reserve(&met, 100);
        fault_alloc(nth);
        r = replica__path_each(&path, json, strlen(json), collect, &met);
        failed = fault_stop();
        CHECK_INT(r, failed ? REPLICA_ENOMEM : 0);
    }
    replica__path_free(&path);
}

/* ---- $exists --------------------------------------------------------------------- */

TEST(what_exists_behind_arrays_is_what_one_element_has)
{
    static const struct {
        const char *path, *json;
        bool there;
    } cases[] = {
        { "a.b", "{\"a\":{\"b\":null}}", true },
        { "a.b", "{\"a\":{}}", false },
        { "a.b", "{}", false },
        { "a.b", "{\"a\":[{},{\"b\":1}]}", true },
        { "a.b", "{\"a\":[{},5]}", false },
        { "a.b", "{\"a\":[]}", false },
        { "a.b", "{\"a\":[[]]}", true }, /* as mingo has it: an array in an array is something */
        { "a.b.c", "{\"a\":[{\"b\":{\"c\":1}}]}", true },
        { "a.b.c", "{\"a\":[{\"b\":{}}]}", false },
        { "a.b.c", "{\"a\":[{\"b\":[]}]}", true },
        { "a.b.c", "{\"a\":{\"b\":[]}}", false },
        { "a.0.b", "{\"a\":[{\"b\":1}]}", true },
        { "a.1.b", "{\"a\":[{\"b\":1}]}", false },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct replica__path path = path_of(cases[i].path);
        const char *json = cases[i].json;

        if (replica__path_exists(&path, 0, replica__json_value(json, strlen(json))) !=
            cases[i].there)
            test_fail(__FILE__, __LINE__, "%s in %s", cases[i].path, json);
        replica__path_free(&path);
    }
}

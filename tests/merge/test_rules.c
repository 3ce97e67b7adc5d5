#include "tests/merge/merge_help.h"

static void check_refused(const char *json, int code, const char *where)
{
    struct replica__rules *rules = NULL;

    memset(&test_err, 0, sizeof(test_err));
    CHECK_INT(replica__rules_compile(json, REPLICA_NUL, &rules, &test_err), code);
    CHECK(!rules);
    CHECK_STR(test_err.where, where);
}

TEST(unknown_names_are_refused_with_their_path)
{
    check_refused("{\"\":\"merge\",\"/a\":\"mrege\"}", REPLICA_EINVAL, "/a");
    CHECK_STR(test_err.message, "no rule is called 'mrege'");
}

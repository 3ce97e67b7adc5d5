/* Conflict rules and the three-way merge from outside. */
#include "libreplica/merge.h"

#include "tests/support/fault.h"
#include "tests/support/test.h"

struct merged {
    replica_rules *rules;
    replica_text *text;
};

static void merged_free(struct merged *m)
{
    m->rules = replica_rules_unref(m->rules);
    replica_text_free(m->text);
}
#define MERGED __attribute__((cleanup(merged_free))) struct merged

static struct merged start(const char *rules)
{
    struct merged m = { NULL, NULL };

    if (rules)
        CHECK_RC(replica_rules_compile(rules, REPLICA_NUL, &m.rules, &test_err), 0);
    CHECK_RC(replica_text_new(&m.text, &test_err), 0);
    return m;
}

static int merge(const struct merged *m, const char *base, const char *ours, const char *theirs)
{
    const replica_side b = { .json = base, .len = REPLICA_NUL };
    const replica_side o = { .json = ours, .len = REPLICA_NUL, .deleted = !ours };
    const replica_side t = { .json = theirs, .len = REPLICA_NUL, .deleted = !theirs };

    return replica_merge3(m->rules, base ? &b : NULL, &o, &t, m->text, &test_err);
}

TEST(three_states_become_one_by_rules)
{
    MERGED m = start("{\"\":\"merge\",\"/n\":\"sum\"}");
    size_t len = 7;

    CHECK_STR(replica_text_json(m.text, &len), "");
    CHECK_INT(len, 0);
    CHECK_INT(merge(&m, "{\"n\":1,\"s\":1}", "{\"n\":2,\"s\":2}", "{\"n\":3,\"s\":1}"),
              REPLICA_MERGED_TEXT);
    CHECK_STR(replica_text_json(m.text, &len), "{\"n\":4,\"s\":2}");
    CHECK_INT(len, strlen("{\"n\":4,\"s\":2}"));
    CHECK_INT(replica_rules_additive(m.rules), 1);
    CHECK_INT(replica_rules_additive(NULL), 0);
}

TEST(a_text_is_written_anew_by_each_merge_and_left_alone_where_a_side_wins)
{
    MERGED m = start("merge");

    CHECK_INT(merge(&m, "{}", "{\"a\":1}", "{\"b\":1}"), REPLICA_MERGED_TEXT);
    CHECK_INT(merge(&m, "{}", "{\"c\":1}", "{\"d\":1}"), REPLICA_MERGED_TEXT);
    CHECK_STR(replica_text_json(m.text, NULL), "{\"d\":1,\"c\":1}");
    CHECK_INT(merge(&m, "{}", "{\"c\":1}", "{}"), REPLICA_MERGED_OURS);
    CHECK_STR(replica_text_json(m.text, NULL), "{\"d\":1,\"c\":1}");
}

TEST(a_part_of_a_document_can_be_merged_by_itself)
{
    MERGED m = start("sum");

    CHECK_INT(merge(&m, " 1", "2 ", "\n3"), REPLICA_MERGED_TEXT);
    CHECK_STR(replica_text_json(m.text, NULL), "4");
}

TEST(rules_of_a_part_may_be_none_of_a_document)
{
    MERGED part = start("sum");
    MERGED doc = start("{\"\":\"merge\",\"/n\":\"sum\"}");

    CHECK_INT(replica_rules_check(part.rules, NULL, &test_err), REPLICA_EINVAL);
    CHECK_STR(test_err.where, "");
    CHECK_RC(replica_rules_check(doc.rules, NULL, &test_err), 0);
    CHECK_RC(replica_rules_check(doc.rules, "id", &test_err), 0);
    CHECK_INT(replica_rules_check(doc.rules, "n", &test_err), REPLICA_EINVAL);
    CHECK_STR(test_err.where, "/n");
    CHECK_RC(replica_rules_check(NULL, "id", &test_err), 0);
}

TEST(each_outcome_has_its_name)
{
    MERGED none = start(NULL);
    MERGED copy = start("{\"delete\":\"keep-copy\"}");
    MERGED ask = start("{\"delete\":\"ask\"}");

    CHECK_INT(merge(&none, "1", "2", "3"), REPLICA_MERGED_THEIRS);
    CHECK_INT(merge(&none, "1", "2", "1"), REPLICA_MERGED_OURS);
    CHECK_INT(merge(&none, NULL, NULL, NULL), REPLICA_MERGED_THEIRS);
    CHECK_INT(merge(&copy, "1", NULL, "3"), REPLICA_MERGED_COPY);
    CHECK_INT(merge(&ask, "1", "2", NULL), REPLICA_MERGED_ASK);
}

TEST(a_state_that_is_no_json_is_refused_by_its_name)
{
    MERGED m = start("merge");

    CHECK_RC(merge(&m, "1", "{\"a\":", "3"), REPLICA_EJSON);
    CHECK_STR(test_err.where, "ours");
    CHECK_INT(test_err.offset, 5);
    memset(&test_err, 0, sizeof(test_err));
    CHECK_RC(merge(&m, "", "2", "3"), REPLICA_EJSON);
    CHECK_STR(test_err.where, "base");
    memset(&test_err, 0, sizeof(test_err));
    CHECK_RC(merge(&m, "1", "2", "x"), REPLICA_EJSON);
    CHECK_STR(test_err.where, "theirs");
}

TEST(a_state_that_is_too_deep_is_refused)
{
    MERGED m = start("merge");
    char deep[2003];

    memset(deep, '[', 1001);
    memset(deep + 1001, ']', 1001);
    deep[2002] = '\0';
    CHECK_RC(merge(&m, "1", deep, "3"), REPLICA_ELIMIT);
}

TEST(what_is_missing_is_an_error_and_no_crash)
{
    MERGED m = start("merge");
    const replica_side side = { .json = "1", .len = 1 };
    replica_rules *rules = NULL;

    CHECK_RC(replica_merge3(NULL, NULL, NULL, &side, m.text, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_merge3(NULL, NULL, &side, NULL, m.text, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_merge3(NULL, NULL, &side, &side, NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_rules_compile(NULL, 0, &rules, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_rules_compile("merge", 5, NULL, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_rules_compile("{\"\":1}", REPLICA_NUL, &rules, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_rules_compile("{", 1, &rules, &test_err), REPLICA_EJSON);
    CHECK_RC(replica_text_new(NULL, &test_err), REPLICA_EINVAL);
    CHECK(!rules);
    replica_text_free(NULL);
    CHECK(!replica_rules_unref(NULL));
}

TEST(rules_live_as_long_as_somebody_counts_on_them)
{
    MERGED m = start("client-wins");
    replica_rules *same = replica_rules_ref(m.rules);

    CHECK(same == m.rules);
    m.rules = replica_rules_unref(m.rules);
    m.rules = same;
    CHECK_INT(merge(&m, "1", "2", "3"), REPLICA_MERGED_OURS);
}

TEST(a_failed_allocation_fails_the_merge_and_leaves_the_text)
{
    MERGED m = start("merge");

    bool merged = false;

    replica_text_add(m.text, "before", 6);
    for (int nth = 0, failed = 1; failed; nth++) {
        replica_text *text = NULL;
        int r;

        fault_alloc(nth);
        r = merge(&m, "{}", "{\"a\":1}", "{\"b\":2}");
        merged = merged || r == REPLICA_MERGED_TEXT;
        if (r > 0)
            r = replica_text_new(&text, &test_err);
        failed = fault_stop();
        CHECK_RC(r, failed ? REPLICA_ENOMEM : 0);
        CHECK_STR(replica_text_json(m.text, NULL), merged ? "{\"b\":2,\"a\":1}" : "before");
        CHECK(failed == !text);
        replica_text_free(text);
    }
}

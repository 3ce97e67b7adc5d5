#include "libreplica/query/mango.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

#include <stdio.h>

static struct replica__selector *parse(const char *text)
{
    struct replica__selector *s = NULL;

    CHECK_RC(replica__selector_parse(text, REPLICA_NUL, &s, &test_err), 0);
    return s;
}

static int match(const char *selector, const char *json)
{
    struct replica__selector *s = parse(selector);
    int r = replica__selector_match(s, json, strlen(json));

    CHECK_INT(replica__selector_match_within(s, json, strlen(json)), r);
    replica__selector_free(s);
    return r;
}

struct pair {
    const char *selector;
    const char *yes[4]; /* documents that match */
    const char *no[5];  /* and that do not */
};

static void check_pairs(const struct pair *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (int k = 0; k < 4 && pairs[i].yes[k]; k++) {
            if (match(pairs[i].selector, pairs[i].yes[k]) != 1)
                test_fail(__FILE__, __LINE__, "%s misses %s", pairs[i].selector, pairs[i].yes[k]);
        }
        for (int k = 0; k < 5 && pairs[i].no[k]; k++) {
            if (match(pairs[i].selector, pairs[i].no[k]) != 0)
                test_fail(__FILE__, __LINE__, "%s finds %s", pairs[i].selector, pairs[i].no[k]);
        }
    }
}
#define CHECK_PAIRS(pairs) check_pairs(pairs, sizeof(pairs) / sizeof((pairs)[0]))

/* ---- operators ------------------------------------------------------------------- */

TEST(an_empty_selector_matches_all)
{
    CHECK_INT(match("{}", "{\"a\":1}"), 1);
    CHECK_INT(replica__selector_match(NULL, "{}", 2), 1);
}

TEST(equality_is_of_values_not_of_spellings)
{
    static const struct pair pairs[] = {
        { "{\"a\":1}",
          { "{\"a\":1}", "{\"a\":1.0}", "{\"\\u0061\":10e-1}", "{\"a\":[2,1]}" },
          { "{\"a\":2}", "{\"a\":\"1\"}", "{}", "{\"a\":null}", "{\"a\":[[1]]}" } },
        { "{\"a\":\"\xC3\xA9\\u0000\"}",
          { "{\"a\":\"\\u00e9\\u0000\"}" },
          { "{\"a\":\"\xC3\xA9\"}" } },
        { "{\"a\":{\"b\":1,\"c\":[2]}}",
          { "{\"a\":{\"c\":[2.0],\"b\":1}}" },
          { "{\"a\":{\"b\":1}}", "{\"a\":{\"b\":1,\"c\":[2],\"d\":3}}" } },
        { "{\"a\":[1,2]}", { "{\"a\":[1,2]}", "{\"a\":[[1,2],3]}" }, { "{\"a\":[2,1]}" } },
        { "{\"a\":null}",
          { "{\"a\":null}", "{}", "{\"a\":[null]}" },
          { "{\"a\":0}", "{\"a\":[]}" } },
        { "{\"a\":{\"$ne\":1}}",
          { "{\"a\":2}", "{}", "{\"a\":[2]}" },
          { "{\"a\":1}", "{\"a\":[1]}" } },
        { "{\"a\":{\"$eq\":{}}}", { "{\"a\":{}}" }, { "{\"a\":[]}" } },
    };

    CHECK_PAIRS(pairs);
}

TEST(numbers_are_exact_beyond_doubles)
{
    static const struct pair pairs[] = {
        { "{\"a\":9007199254740993}",
          { "{\"a\":9007199254740993}" },
          { "{\"a\":9007199254740992}" } },
        { "{\"a\":{\"$gt\":1e400}}",
          { "{\"a\":1e401}", "{\"a\":1.00001e400}" },
          { "{\"a\":1e400}", "{\"a\":9e399}" } },
        { "{\"a\":{\"$in\":[0.1]}}", { "{\"a\":1e-1}" }, { "{\"a\":0.1000000000000000000001}" } },
        { "{\"a\":{\"$mod\":[10,3]}}",
          { "{\"a\":9007199254740993}", "{\"a\":1.00000000000000000003e20}" },
          { "{\"a\":9007199254740994}" } },
    };

    CHECK_PAIRS(pairs);
}

TEST(comparisons_stay_within_a_type)
{
    static const struct pair pairs[] = {
        { "{\"a\":{\"$gt\":1}}",
          { "{\"a\":2}", "{\"a\":1.5}", "{\"a\":[0,2]}" },
          { "{\"a\":1}", "{\"a\":\"2\"}", "{}", "{\"a\":true}", "{\"a\":[[2]]}" } },
        { "{\"a\":{\"$gte\":\"b\"}}",
          { "{\"a\":\"b\"}", "{\"a\":\"ba\"}" },
          { "{\"a\":\"a\"}", "{\"a\":5}" } },
        { "{\"a\":{\"$lt\":\"\xEE\x80\x80\"}}",
          { "{\"a\":\"\xF0\x9F\x98\x80\"}", "{\"a\":\"\\ud83d\"}" },
          { "{\"a\":\"\xEE\x80\x80\"}", "{\"a\":\"\xEF\xBF\xBD\"}" } },
        { "{\"a\":{\"$lt\":\"\\ud83e\"}}",
          { "{\"a\":\"\xF0\x9F\x98\x80\"}" },
          { "{\"a\":\"\\ud83e\"}" } },
        { "{\"a\":{\"$gt\":false}}", { "{\"a\":true}" }, { "{\"a\":false}", "{\"a\":1}" } },
        { "{\"a\":{\"$lte\":null}}", { "{\"a\":null}" }, { "{}", "{\"a\":0}" } },
        { "{\"a\":{\"$gt\":{\"x\":1}}}",
          { "{\"a\":{\"x\":2}}", "{\"a\":{\"y\":0}}" },
          { "{\"a\":{\"x\":1}}", "{\"a\":{\"w\":9}}", "{\"a\":9}" } },
        { "{\"a\":{\"$lt\":[2]}}",
          { "{\"a\":[[1,5]]}", "{\"a\":[[]]}" },
          { "{\"a\":[1]}", "{\"a\":[[3]]}" } },
        { "{\"a\":{\"$gt\":1,\"$lt\":5}}",
          { "{\"a\":3}", "{\"a\":[0,9]}" },
          { "{\"a\":1}", "{\"a\":[0]}" } },
    };

    CHECK_PAIRS(pairs);
}

TEST(lists_are_looked_through)
{
    static const struct pair pairs[] = {
        { "{\"a\":{\"$in\":[3,\"x\",null,{\"b\":1},true]}}",
          { "{\"a\":3.0}", "{}", "{\"a\":[null]}", "{\"a\":{\"b\":1}}" },
          { "{\"a\":1}", "{\"a\":\"y\"}", "{\"a\":false}", "{\"a\":[]}", "{\"a\":[[3]]}" } },
        { "{\"a\":{\"$in\":[[1,2]]}}", { "{\"a\":[[1,2]]}" }, { "{\"a\":[1,2]}" } },
        { "{\"a\":{\"$in\":[]}}", { NULL }, { "{}", "{\"a\":1}" } },
        { "{\"a\":{\"$nin\":[1,2]}}",
          { "{\"a\":3}", "{}", "{\"a\":[]}" },
          { "{\"a\":1}", "{\"a\":[3,2]}" } },
        { "{\"a\":{\"$all\":[1,\"x\"]}}",
          { "{\"a\":[\"x\",2,1]}" },
          { "{\"a\":[1]}", "{\"a\":1}" } },
        { "{\"a\":{\"$all\":[]}}", { NULL }, { "{\"a\":[]}", "{\"a\":[1]}" } },
        { "{\"a\":{\"$all\":[{\"$elemMatch\":{\"b\":1}},{\"$elemMatch\":{\"b\":2}}]}}",
          { "{\"a\":[{\"b\":2},{\"b\":1}]}" },
          { "{\"a\":[{\"b\":1}]}" } },
    };

    CHECK_PAIRS(pairs);
}

TEST(exists_type_size_and_mod_ask_what_a_value_is)
{
    static const struct pair pairs[] = {
        { "{\"a\":{\"$exists\":true}}", { "{\"a\":null}", "{\"a\":[]}" }, { "{}" } },
        { "{\"a\":{\"$exists\":0}}", { "{}" }, { "{\"a\":null}" } },
        { "{\"a.b\":{\"$exists\":true}}",
          { "{\"a\":[{},{\"b\":1}]}" },
          { "{\"a\":[{}]}", "{\"a\":1}" } },
        { "{\"a\":{\"$type\":\"string\"}}",
          { "{\"a\":\"\"}" },
          { "{\"a\":1}", "{}", "{\"a\":[\"x\"]}" } },
        { "{\"a\":{\"$type\":[\"int\",4,\"bool\"]}}",
          { "{\"a\":1.0}", "{\"a\":[]}", "{\"a\":true}" },
          { "{\"a\":1.5}", "{\"a\":null}" } },
        { "{\"a\":{\"$type\":\"undefined\"}}", { "{}", "{\"a\":null}" }, { "{\"a\":0}" } },
        { "{\"a\":{\"$type\":\"date\"}}", { NULL }, { "{\"a\":\"2020-01-01\"}" } },
        { "{\"a\":{\"$size\":2}}",
          { "{\"a\":[1,[]]}" },
          { "{\"a\":[1]}", "{\"a\":2}", "{\"a\":[1,2,3]}" } },
        { "{\"a\":{\"$size\":-1}}", { NULL }, { "{\"a\":[]}", "{}" } },
        { "{\"a\":{\"$mod\":[4,-1]}}",
          { "{\"a\":-5}", "{\"a\":[2,-9]}" },
          { "{\"a\":5}", "{\"a\":\"-5\"}" } },
        { "{\"a\":{\"$mod\":[2,1.5]}}", { "{\"a\":5.5}" }, { "{\"a\":5}" } },
        { "{\"a\":{\"$mod\":[0,0]}}", { NULL }, { "{\"a\":0}", "{\"a\":5}" } },
    };

    CHECK_PAIRS(pairs);
}

TEST(regular_expressions_look_anywhere_in_strings)
{
    static const struct pair pairs[] = {
        { "{\"a\":{\"$regex\":\"b+$\"}}",
          { "{\"a\":\"abb\"}", "{\"a\":[1,\"b\"]}", "{\"a\":[[\"b\"]]}" },
          { "{\"a\":\"ba\"}", "{\"a\":1}", "{}", "{\"a\":[[[\"b\"]]]}" } },
        { "{\"a\":{\"$regex\":\"^A\",\"$options\":\"i\"}}",
          { "{\"a\":\"\\u0061b\"}" },
          { "{\"a\":\"ba\"}" } },
        { "{\"a\":{\"$options\":\"m\",\"$regex\":\"^b\"}}",
          { "{\"a\":\"a\\nb\"}" },
          { "{\"a\":\"ab\"}" } },
        { "{\"a\":{\"$not\":{\"$regex\":\"x\"}}}", { "{\"a\":\"y\"}", "{}" }, { "{\"a\":\"x\"}" } },
        { "{\"a\":{\"$elemMatch\":{\"$regex\":\"X\",\"$options\":\"i\"}}}",
          { "{\"a\":[\"x\"]}" },
          { "{\"a\":\"x\"}" } },
    };

    CHECK_PAIRS(pairs);
}

TEST(elements_are_asked_as_values_or_as_documents)
{
    static const struct pair pairs[] = {
        { "{\"a\":{\"$elemMatch\":{\"$gt\":1,\"$lt\":5}}}",
          { "{\"a\":[9,3]}" },
          { "{\"a\":[0,9]}", "{\"a\":3}" } },
        { "{\"a\":{\"$elemMatch\":{\"b\":1,\"c\":2}}}",
          { "{\"a\":[{\"b\":1,\"c\":2}]}" },
          { "{\"a\":[{\"b\":1},{\"c\":2}]}" } },
        { "{\"a\":{\"$elemMatch\":{}}}", { "{\"a\":[1,{}]}" }, { "{\"a\":[1]}", "{\"a\":[]}" } },
        { "{\"a\":{\"$elemMatch\":{\"$or\":[{\"b\":1},{\"b\":2}]}}}",
          { "{\"a\":[{\"b\":2}]}" },
          { "{\"a\":[{\"b\":3}]}" } },
        { "{\"a\":{\"$elemMatch\":{\"$elemMatch\":{\"$gt\":1}}}}",
          { "{\"a\":[[2]]}" },
          { "{\"a\":[2]}" } },
        { "{\"a\":{\"$elemMatch\":{\"$not\":{\"$gt\":1}}}}",
          { "{\"a\":[2,1]}" },
          { "{\"a\":[2]}" } },
    };

    CHECK_PAIRS(pairs);
}

TEST(logic_joins_selectors)
{
    static const struct pair pairs[] = {
        { "{\"$or\":[{\"a\":1},{\"b\":{\"$gt\":5}}]}",
          { "{\"a\":1}", "{\"b\":6}" },
          { "{\"a\":2,\"b\":5}" } },
        { "{\"$and\":[{\"a\":1},{\"$or\":[{\"b\":1},{\"c\":1}]}],\"d\":1}",
          { "{\"a\":1,\"c\":1,\"d\":1}" },
          { "{\"a\":1,\"c\":1}", "{\"a\":1,\"d\":1}" } },
        { "{\"$nor\":[{\"a\":1},{\"b\":1}]}", { "{}", "{\"a\":2}" }, { "{\"b\":1}" } },
        { "{\"$or\":[]}", { NULL }, { "{}" } },
        { "{\"$and\":[]}", { "{}" }, { NULL } },
        { "{\"$nor\":[]}", { "{}" }, { NULL } },
        { "{\"a\":{\"$not\":{\"$gt\":1,\"$lt\":5}}}", { "{\"a\":7}", "{}" }, { "{\"a\":3}" } },
        { "{\"a\":{\"$not\":3}}", { "{\"a\":4}" }, { "{\"a\":3}", "{\"a\":[3]}" } },
    };

    CHECK_PAIRS(pairs);
}

TEST(paths_go_through_objects_and_arrays)
{
    static const struct pair pairs[] = {
        { "{\"a.b\":1}",
          { "{\"a\":{\"b\":1}}", "{\"a\":[{\"b\":2},{\"b\":1}]}", "{\"a\":[{\"b\":[1]}]}" },
          { "{\"a\":1}", "{\"a.b\":1}", "{\"a\":[[{\"b\":1}]]}" } },
        { "{\"a.1\":\"x\"}",
          { "{\"a\":[0,\"x\"]}", "{\"a\":{\"1\":\"x\"}}" },
          { "{\"a\":[\"x\"]}" } },
        { "{\"a.0.b\":{\"$gt\":1}}",
          { "{\"a\":[{\"b\":2}]}" },
          { "{\"a\":[{\"b\":1},{\"b\":2}]}" } },
        { "{\"a.b\":null}", { "{}", "{\"a\":{}}", "{\"a\":1}" }, { "{\"a\":[{}]}" } },
        { "{\"$\":1,\"$-\":2}", { "{\"$\":1,\"$-\":2}" }, { "{\"$\":1}" } },
    };

    CHECK_PAIRS(pairs);
}

TEST(more_names_than_there_is_room_to_remember_are_found_all_the_same)
{
    REPLICA_BUF selector = REPLICA_BUF_INIT;
    REPLICA_BUF doc = REPLICA_BUF_INIT;

    for (int i = 0; i < 60; i++) {
        replica__buf_printf(&selector, "%c\"n%d.x\":%d", i ? ',' : '{', i, i);
        replica__buf_printf(&doc, "%c\"n%d\":{\"x\":%d}", i ? ',' : '{', 59 - i, 59 - i);
    }
    replica__buf_char(&selector, '}');
    replica__buf_char(&doc, '}');
    CHECK_INT(match(selector.data, doc.data), 1);
    doc.data[doc.len - 3] = '7'; /* n0 */
    CHECK_INT(match(selector.data, doc.data), 0);
}

/* ---- refusals -------------------------------------------------------------------- */

TEST(what_is_not_understood_is_refused_with_its_place)
{
    static const struct {
        const char *selector, *where, *message;
        int offset;
    } cases[] = {
        { "{\"a\":{\"$gtt\":1}}", "a", "unknown operator '$gtt'", 7 },
        { "{\"a.b\":{\"$gt\":1,\"x\":2}}", "a.b", "unknown operator 'x'", 17 },
        { "{\"$where\":\"1\"}", "$where", "'$where' is no operator that stands for a field", 2 },
        { "{\"$not\":{\"a\":1}}", "$not", "'$not' is no operator that stands for a field", 2 },
        { "{\"a\":{\"$and\":[]}}", "a", "unknown operator '$and'", 7 },
        { "{\"$or\":{\"a\":1}}", "", "$or takes an array of selectors", 7 },
        { "{\"$or\":[1]}", "", "a selector is an object", 8 },
        { "[]", "", "a selector is an object", 0 },
        { "{\"a..b\":1}", "a..b", "'a..b' is no path", 8 },
        { "{\"\":1}", "", "'' is no path", 4 },
        { "{\"a\":{\"$in\":1}}", "a", "$in and $nin take an array", 12 },
        { "{\"a\":{\"$type\":\"strin\"}}", "a", "$type has no type '\"strin\"'", 14 },
        { "{\"a\":{\"$type\":0}}", "a", "$type has no type '0'", 14 },
        { "{\"a\":{\"$mod\":[1]}}", "a", "$mod takes two numbers", 13 },
        { "{\"a\":{\"$mod\":[1,2,3]}}", "a", "$mod takes two numbers", 18 },
        { "{\"a\":{\"$mod\":[1,\"2\"]}}", "a", "$mod takes two numbers", 16 },
        { "{\"a\":{\"$size\":\"1\"}}", "a", "$size takes a number", 14 },
        { "{\"a\":{\"$all\":1}}", "a", "$all takes an array", 13 },
        { "{\"a\":{\"$elemMatch\":1}}", "a", "$elemMatch takes an object", 19 },
        { "{\"a\":{\"$elemMatch\":{\"$gt\":1,\"b\":2}}}", "a",
          "'$gt' is no operator that stands for a field", 21 },
        { "{\"a\":{\"$regex\":1}}", "a", "$regex takes a string", 15 },
        { "{\"a\":{\"$regex\":\"a\",\"$options\":null}}", "a", "$options takes a string", 30 },
        { "{\"a\":{\"$options\":\"i\"}}", "a", "unknown operator '$options'", 7 },
        { "{\"b\":1,\"a\":{\"$not\":{\"$foo\":1}}}", "a", "unknown operator '$foo'", 21 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct replica__selector *s = (struct replica__selector *)(uintptr_t)16;
        replica_error err = { 0 };

        CHECK_RC(replica__selector_parse(cases[i].selector, REPLICA_NUL, &s, &err), REPLICA_EINVAL);
        CHECK_STR(err.message, cases[i].message);
        CHECK_STR(err.where, cases[i].where);
        CHECK_INT(err.offset, cases[i].offset);
        CHECK(s == (struct replica__selector *)(uintptr_t)16);
    }
}

TEST(a_wrong_pattern_or_flag_is_refused)
{
    static const char *const wrong[] = {
        "{\"a\":{\"$regex\":\"(\"}}",
        "{\"a\":{\"$regex\":\"a\",\"$options\":\"x\"}}",
        "{\"$and\":[{\"a\":{\"$not\":{\"$regex\":\"a{2,1}\"}}}]}",
    };
    struct replica__selector *s = NULL;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        replica_error err = { 0 };

        CHECK_RC(replica__selector_parse(wrong[i], REPLICA_NUL, &s, &err), REPLICA_EINVAL);
        CHECK_STR(err.where, "a");
        CHECK(err.message[0] && err.offset > 0);
    }
}

TEST(text_that_is_no_json_is_refused_as_such)
{
    struct replica__selector *s = NULL;

    CHECK_RC(replica__selector_parse("{\"a\":", REPLICA_NUL, &s, &test_err), REPLICA_EJSON);
    CHECK_RC(replica__selector_parse("{\"a\":1,\"a\":2}", REPLICA_NUL, &s, &test_err),
             REPLICA_EJSON);
}

TEST(text_longer_than_a_document_is_refused)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;
    struct replica__selector *s = NULL;

    replica__buf_str(&text, "{\"a\":\"");
    CHECK(replica__buf_reserve(&text, 17 << 20) != NULL);
    memset(text.data + text.len, 'x', 17 << 20);
    text.len += 17 << 20;
    replica__buf_str(&text, "\"}");
    CHECK_RC(replica__selector_parse(text.data, text.len, &s, &test_err), REPLICA_ELIMIT);
}

/* ---- limits and failures --------------------------------------------------------- */

TEST(a_pattern_that_takes_too_long_ends_the_match)
{
    struct replica__selector *s = parse("{\"a\":{\"$regex\":\"^(a|a)*(a|a)*(a|a)*$\"}}");
    REPLICA_BUF doc = REPLICA_BUF_INIT;

    replica__buf_str(&doc, "{\"a\":\"");
    for (int i = 0; i < 200; i++)
        replica__buf_char(&doc, 'a');
    replica__buf_str(&doc, "b\"}");
    CHECK_RC(replica__selector_match(s, doc.data, doc.len), REPLICA_ELIMIT);
    replica__selector_free(s);
    s = parse("{\"a\":{\"$not\":{\"$regex\":\"^(a|a)*(a|a)*(a|a)*$\"}}}");
    CHECK_RC(replica__selector_match(s, doc.data, doc.len), REPLICA_ELIMIT);
    replica__selector_free(s);
}

/* A document of so many elements. */
static void add_elements(struct replica__buf *doc, size_t n, const char *element)
{
    replica__buf_str(doc, "{\"a\":[");
    for (size_t i = 0; i < n; i++) {
        replica__buf_str(doc, i ? "," : "");
        replica__buf_str(doc, element);
    }
    replica__buf_str(doc, "]}");
}

/* So many alternatives, each of which looks at all of it. */
static struct replica__selector *alternatives(size_t n, const char *condition)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;

    replica__buf_str(&text, "{\"$or\":[");
    for (size_t i = 0; i < n; i++)
        replica__buf_printf(&text, "%s{%s}", i ? "," : "", condition);
    replica__buf_str(&text, "]}");
    return parse(text.data);
}

TEST(what_conditions_and_elements_multiply_to_is_bounded_for_strangers)
{
    static const char *const conditions[] = {
        "\"a\":2", "\"a\":{\"$in\":[2,{\"x\":1}]}", "\"a\":{\"$gt\":7}", "\"a\":{\"$mod\":[2,0]}",
        "\"a\":{\"$all\":[2]}", "\"a\":{\"$elemMatch\":{\"$eq\":2}}", "\"a\":{\"$size\":1}",
        "\"a.99999.b\":2", "\"a.b.c\":{\"$exists\":true}", "\"a\":{\"$regex\":\"x\"}",
        "\"a\":{\"$elemMatch\":{\"b\":2}}",
    };
    REPLICA_BUF doc = REPLICA_BUF_INIT;

    add_elements(&doc, 100000, "1");
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
        struct replica__selector *few = alternatives(3, conditions[i]);
        struct replica__selector *many = alternatives(60, conditions[i]);

        if (replica__selector_match_within(few, doc.data, doc.len) != 0)
            test_fail(__FILE__, __LINE__, "%s cannot be asked", conditions[i]);
        if (replica__selector_match_within(many, doc.data, doc.len) != REPLICA_ELIMIT)
            test_fail(__FILE__, __LINE__, "%s has no bound", conditions[i]);
        replica__selector_free(few);
        replica__selector_free(many);
    }
    CHECK_RC(match("{\"a\":2}", doc.data), 0);
}

TEST(nor_do_regular_expressions_and_arrays_in_arrays)
{
    struct replica__selector *s = parse("{\"a\":{\"$regex\":\"(?:x|1){0,400}[cd]\"}}");
    REPLICA_BUF texts = REPLICA_BUF_INIT;
    REPLICA_BUF arrays = REPLICA_BUF_INIT;
    REPLICA_BUF text = REPLICA_BUF_INIT;

    add_elements(&texts, 50000, "\"1111111111111111\"");
    CHECK_RC(replica__selector_match_within(s, texts.data, texts.len), REPLICA_ELIMIT);
    replica__buf_str(&text, "{\"a\":\"");
    for (int i = 0; i < 4000000; i++)
        replica__buf_char(&text, '1');
    replica__buf_str(&text, "\"}");
    CHECK_RC(replica__selector_match_within(s, text.data, text.len), REPLICA_ELIMIT);
    replica__selector_free(s);

    add_elements(&arrays, 100000, "[[]]");
    s = alternatives(60, "\"a.b.c\":2");
    CHECK_RC(replica__selector_match_within(s, arrays.data, arrays.len), REPLICA_ELIMIT);
    replica__selector_free(s);
}

static const char all_of_it[] =
    "{\"\\u0061.b\":{\"$in\":[1,null,{\"x\":[1]}],\"$nin\":[\"q\"],\"$exists\":true},"
    "\"t\":{\"$regex\":\"^\\u0061b\",\"$options\":\"\",\"$not\":{\"$size\":3}},"
    "\"l\":{\"$all\":[1,{\"$elemMatch\":{\"$gt\":0}}],\"$elemMatch\":{\"$gte\":1}},"
    "\"o\":{\"$gt\":{\"k\":1},\"$type\":\"object\"},\"n\":{\"$mod\":[2,1],\"$lt\":9},"
    "\"e\":{\"b\":2,\"a\":1},\"$or\":[{\"z\":1},{\"$nor\":[{\"z\":2}]}]}";

static const char its_match[] =
    "{\"a\":[{\"b\":7},{\"b\":1}],\"t\":\"\\u0061bc\",\"l\":[1,2],\"o\":{\"k\":2},\"n\":3,"
    "\"e\":{\"a\":1,\"b\":2}}";

TEST(a_failed_allocation_fails_the_parsing_and_nothing_leaks)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        struct replica__selector *s = NULL;
        int r;

        fault_alloc(nth);
        r = replica__selector_parse(all_of_it, REPLICA_NUL, &s, &test_err);
        failed = fault_stop();
        CHECK(r == 0 || (failed && r == REPLICA_ENOMEM)); /* some memory is only for speed */
        CHECK((s == NULL) == (r < 0));
        replica__selector_free(s);
    }
}

TEST(a_failed_allocation_fails_the_match)
{
    struct replica__selector *s = parse(all_of_it);

    for (int nth = 0, failed = 1; failed; nth++) {
        int r;

        fault_alloc(nth);
        r = replica__selector_match(s, its_match, strlen(its_match));
        failed = fault_stop();
        CHECK_INT(r, failed ? REPLICA_ENOMEM : 1);
    }
    replica__selector_free(s);
}

/* What selectors tell indexes: never wrong, and as much as can be said. */
#include "libreplica/query/key_internal.h"
#include "libreplica/query/mango.h"
#include "tests/libreplica/random_json.h"
#include "tests/support/test.h"

#include <stdio.h>

/* ---- what is said ---------------------------------------------------------------- */

static void add_bytes(struct replica__buf *out, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        replica__buf_printf(out, "%02x", (unsigned char)bytes[i]);
}

static void add_ranges(struct replica__buf *out, const struct replica__range_of_keys *ranges,
                       size_t n)
{
    for (size_t i = 0; i < n; i++) {
        replica__buf_char(out, ' ');
        add_bytes(out, ranges[i].low, ranges[i].low_len);
        replica__buf_char(out, '-');
        add_bytes(out, ranges[i].high, ranges[i].high_len);
    }
}

static void describe(const char *selector, struct replica__buf *out)
{
    struct replica__selector *s = NULL;
    const struct replica__condition *c = NULL;
    size_t n;

    CHECK_RC(replica__selector_parse(selector, REPLICA_NUL, &s, &test_err), 0);
    n = replica__selector_conditions(s, &c);
    for (size_t i = 0; i < n; i++) {
        replica__buf_printf(out, "%s:", c[i].path);
        add_ranges(out, c[i].ranges, c[i].n);
        replica__buf_str(out, " narrow");
        add_ranges(out, c[i].narrow, c[i].narrow_n);
        replica__buf_printf(out, "%s%s; ", c[i].point ? " point" : "", c[i].exact ? " exact" : "");
    }
    replica__buf_str(out, replica__selector_only_conditions(s) ? "only" : "more");
    replica__selector_free(s);
}

TEST(conditions_are_the_ranges_that_tests_ask_for)
{
    static const char *const cases[][2] = {
        { "{}", "only" },
        { "{\"a\":5}", "a: 20b16400-20b16401 narrow 20b16400-20b16401 point exact; only" },
        { "{\"a\":null}", "a: 1000-1001 1800-1801 narrow 1000-1001 1800-1801 point exact; only" },
        { "{\"a\":{\"$gt\":5}}", "a: 20b164ff-21 narrow 20b164ff-21 exact; only" },
        { "{\"a\":{\"$gte\":\"a\"}}", "a: 306100-31 narrow 306100-31 exact; only" },
        { "{\"a\":{\"$lt\":\"a\"}}", "a: 30-306100 narrow 30-306100 exact; only" },
        { "{\"a\":{\"$lte\":false}}", "a: 60-6001 narrow 60-6001 exact; only" },
        { "{\"a\":{\"$lt\":false}}", "a: narrow exact; only" },
        { "{\"a\":{\"$gt\":1,\"$lt\":5}}", "a: 20b114ff-21 narrow 20b114ff-20b164 exact; only" },
        { "{\"a\":{\"$gt\":5},\"$and\":[{\"a\":{\"$lt\":1}}]}",
          "a: 20b164ff-21 narrow exact; only" },
        { "{\"a\":{\"$gt\":1,\"$in\":[1,2,2.0]}}",
          "a: 20b11400-20b11401 20b12800-20b12801 narrow 20b12800-20b12801 point exact; only" },
        { "{\"a\":{\"$in\":[]}}", "a: narrow point exact; only" },
        { "{\"a\":{\"$eq\":{\"x\":[1]}}}", "a: 403078000150"
                                           "20b1140100-403078000150"
                                           "20b1140101 narrow 403078000150"
                                           "20b1140100-403078000150"
                                           "20b1140101 point; more" },
        { "{\"a\":{\"$regex\":\"^ab\\\\.c*\"}}",
          "a: 3061622e-3061622f narrow 3061622e-3061622f; more" },
        { "{\"a\":{\"$regex\":\"^a|b\"}}", "a: 30-31 narrow 30-31; more" },
        { "{\"a\":{\"$regex\":\"^a\",\"$options\":\"i\"}}", "a: 30-31 narrow 30-31; more" },
        { "{\"a\":{\"$regex\":\"^a\",\"$options\":\"m\"}}", "a: 30-31 narrow 30-31; more" },
        { "{\"a\":{\"$exists\":true}}", "a: 11-ff narrow 11-ff exact; only" },
        { "{\"a\":{\"$exists\":false}}", "a: 1000-1001 narrow 1000-1001 point exact; only" },
        { "{\"a.b\":{\"$exists\":false}}", "a.b: -ff narrow 1000-1001 point exact; only" },
        { "{\"a\":{\"$all\":[5,6]}}", "a: 20b16400-20b16401 narrow 20b16400-20b16401 point; more" },
        { "{\"a\":{\"$elemMatch\":{\"$gt\":5,\"$ne\":7}}}",
          "a: 20b164ff-21 narrow 20b164ff-21; more" },
        { "{\"a\":{\"$elemMatch\":{\"b\":5}}}", "more" },
        { "{\"a\":{\"$ne\":5}}", "more" },
        { "{\"a\":{\"$ne\":5,\"$gt\":5}}", "a: 20b164ff-21 narrow 20b164ff-21; more" },
        { "{\"a\":{\"$gt\":[5]}}", "more" },
        { "{\"a\":5,\"$or\":[{\"b\":1}]}",
          "a: 20b16400-20b16401 narrow 20b16400-20b16401 point exact; more" },
        { "{\"a\":5,\"b\":6}", "a: 20b16400-20b16401 narrow 20b16400-20b16401 point exact; "
                               "b: 20b17800-20b17801 narrow 20b17800-20b17801 point exact; only" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        REPLICA_BUF said = REPLICA_BUF_INIT;

        describe(cases[i][0], &said);
        CHECK_STR(said.data, cases[i][1]);
    }
}

TEST(no_selector_has_no_conditions)
{
    const struct replica__condition *c = NULL;

    CHECK_INT(replica__selector_conditions(NULL, &c), 0);
    CHECK(replica__selector_only_conditions(NULL));
}

TEST(more_paths_than_an_index_can_have_are_not_all_that_is_asked)
{
    REPLICA_BUF selector = REPLICA_BUF_INIT;
    struct replica__selector *s = NULL;
    const struct replica__condition *c = NULL;

    for (int i = 0; i < 40; i++)
        replica__buf_printf(&selector, "%c\"n%d\":1", i ? ',' : '{', i);
    replica__buf_char(&selector, '}');
    CHECK_RC(replica__selector_parse(selector.data, selector.len, &s, &test_err), 0);
    CHECK_INT(replica__selector_conditions(s, &c), 32);
    CHECK_STR(c[31].path, "n31");
    CHECK(!replica__selector_only_conditions(s));
    replica__selector_free(s);
}

/* ---- never wrong ----------------------------------------------------------------- */

static bool lies_in(const struct replica__buf *key, const struct replica__range_of_keys *r,
                    size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t low = r[i].low_len < key->len ? r[i].low_len : key->len;
        size_t high = r[i].high_len < key->len ? r[i].high_len : key->len;
        int above = memcmp(key->data, r[i].low, low);
        int below = memcmp(key->data, r[i].high, high);

        if ((above > 0 || (above == 0 && key->len >= r[i].low_len)) &&
            (below < 0 || (below == 0 && key->len < r[i].high_len)))
            return true;
    }
    return false;
}

struct look {
    const struct replica__condition *c;
    bool within;
};

static int look_at(void *ctx, struct replica__json_value v)
{
    struct look *look = ctx;
    REPLICA_BUF key = REPLICA_BUF_INIT;

    replica__key_add(&key, v);
    look->within = look->within || lies_in(&key, look->c->ranges, look->c->n);
    return key.r;
}

/* Whether the condition, where it is exact, is fulfilled. */
static bool check_condition(const struct replica__condition *c, const char *selector,
                            const struct replica__buf *doc, bool matches)
{
    struct replica__path path;
    struct look look = { c, false };
    REPLICA_BUF key = REPLICA_BUF_INIT;
    bool array = false;
    bool narrow;

    CHECK_RC(replica__path_parse(c->path, REPLICA_NUL, &path, &test_err), 0);
    CHECK_INT(replica__path_each(&path, doc->data, doc->len, look_at, &look), 0);
    replica__key_add(&key, replica__path_value(&path, doc->data, doc->len, &array));
    narrow = lies_in(&key, c->narrow, c->narrow_n);
    if ((matches && !look.within) || (matches && !array && !narrow) ||
        (narrow && !array && !look.within))
        test_fail(__FILE__, __LINE__, "%s: %s of %s", doc->data, c->path, selector);
    replica__path_free(&path);
    return c->exact && !array && narrow;
}

static void random_tests(uint64_t *dice, struct replica__buf *out)
{
    static const char *const operators[] = { "$eq", "$ne", "$gt", "$gte", "$lt", "$lte" };
    size_t what = random_below(dice, 12);

    if (what < 6) {
        replica__buf_printf(out, "\"%s\":", operators[what]);
        random_value(dice, 2, out);
    } else if (what == 6) {
        replica__buf_str(out, "\"$in\":[");
        random_value(dice, 2, out);
        replica__buf_char(out, ',');
        random_value(dice, 1, out);
        replica__buf_char(out, ']');
    } else if (what == 7) {
        replica__buf_printf(out, "\"$exists\":%s", random_below(dice, 2) ? "true" : "false");
    } else if (what == 8) {
        replica__buf_str(out, "\"$all\":[");
        random_value(dice, 1, out);
        replica__buf_char(out, ']');
    } else if (what == 9) {
        replica__buf_str(out, "\"$elemMatch\":{");
        random_tests(dice, out);
        replica__buf_char(out, '}');
    } else if (what == 10) {
        replica__buf_str(out, "\"$not\":{");
        random_tests(dice, out);
        replica__buf_char(out, '}');
    } else {
        replica__buf_printf(out, "\"$regex\":\"%s\"", random_below(dice, 2) ? "^ab?" : "a");
    }
}

static void random_selector(uint64_t *dice, struct replica__buf *out)
{
    static const char *const paths[] = { "a", "b", "a.b", "b.a", "a.0", "a.b.c", "b.0.a" };
    size_t first = random_below(dice, 7);
    size_t n = 1 + random_below(dice, 2);

    replica__buf_char(out, '{');
    for (size_t i = 0; i < n; i++) {
        replica__buf_printf(out, "%s\"%s\":{", i ? "," : "", paths[(first + i) % 7]);
        random_tests(dice, out);
        replica__buf_char(out, '}');
    }
    replica__buf_printf(out, ",\"$and\":[{\"%s\":{", paths[first]);
    random_tests(dice, out);
    replica__buf_str(out, "}}]}");
}

LONG_TEST(every_match_has_its_keys_where_the_conditions_say)
{
    uint64_t dice = 3;
    int matched = 0;

    for (int round = 0; round < 60000; round++) {
        REPLICA_BUF selector = REPLICA_BUF_INIT;
        REPLICA_BUF doc = REPLICA_BUF_INIT;
        struct replica__selector *s = NULL;
        const struct replica__condition *c = NULL;
        bool all = true;
        bool matches;

        random_selector(&dice, &selector);
        replica__buf_str(&doc, "{\"a\":");
        random_value(&dice, 4, &doc);
        replica__buf_str(&doc, ",\"b\":");
        random_value(&dice, 4, &doc);
        replica__buf_char(&doc, '}');
        CHECK_RC(replica__selector_parse(selector.data, selector.len, &s, &test_err), 0);
        matches = replica__selector_match(s, doc.data, doc.len) > 0;
        for (size_t i = replica__selector_conditions(s, &c); i-- > 0;)
            all = check_condition(&c[i], selector.data, &doc, matches) && all;
        if (all && !matches && replica__selector_only_conditions(s))
            test_fail(__FILE__, __LINE__, "%s is exact for %s", selector.data, doc.data);
        matched += matches;
        replica__selector_free(s);
    }
    CHECK(matched > 1000);
}

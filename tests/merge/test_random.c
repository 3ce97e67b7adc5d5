/* What holds for any three states: asked of random ones, from fixed seeds. */
#include "tests/merge/merge_help.h"

#include "base/json.h"

static uint64_t seed;

static unsigned pick(unsigned n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed >> 33) % n;
}

/* ---- documents of one kind, so that each rule meets what it can serve ---------------- */

enum { ITEMS = 5, TAGS = 6, WORDS = 8 };

struct doc {
    int numbers[4]; /* -1: absent */
    int tags[TAGS], tag_n;
    struct {
        int id, n, v;
    } items[ITEMS];
    int item_n;
    int words[WORDS];
};

static void shuffle(int *values, int n)
{
    for (int i = n - 1; i > 0; i--) {
        int j = (int)pick((unsigned)i + 1);
        int value = values[i];

        values[i] = values[j];
        values[j] = value;
    }
}

static struct doc make(void)
{
    struct doc d = { .tag_n = (int)pick(4), .item_n = (int)pick(4) };

    for (int i = 0; i < 4; i++)
        d.numbers[i] = (int)pick(5) - (i > 0); /* the first is always there */
    for (int i = 0; i < d.tag_n; i++)
        d.tags[i] = i * 2;
    shuffle(d.tags, d.tag_n);
    for (int i = 0; i < d.item_n; i++) {
        d.items[i].id = i;
        d.items[i].n = (int)pick(3);
        d.items[i].v = (int)pick(3);
    }
    for (int i = 0; i < WORDS; i++)
        d.words[i] = i;
    return d;
}

static bool has_item(const struct doc *d, int id)
{
    for (int i = 0; i < d->item_n; i++)
        if (d->items[i].id == id)
            return true;
    return false;
}

static void edit(struct doc *d)
{
    int i = (int)pick(8);

    switch (i) {
    case 0:
    case 1:
    case 2:
        i = (int)pick(4);
        d->numbers[i] = (int)pick(6) - (i > 0);
        break;
    case 3:
        if (d->tag_n > 0) {
            d->tags[pick((unsigned)d->tag_n)] = d->tags[d->tag_n - 1];
            d->tag_n--;
        }
        break;
    case 4:
        if (d->tag_n < TAGS) {
            d->tags[d->tag_n] = 7 + d->tag_n * 3 + (int)pick(3);
            d->tag_n++;
        }
        break;
    case 5:
        if (d->item_n > 0) {
            d->items[pick((unsigned)d->item_n)] = d->items[d->item_n - 1];
            d->item_n--;
        }
        break;
    case 6:
        i = 10 + d->item_n * 3 + (int)pick(3);
        if (d->item_n < ITEMS && !has_item(d, i)) {
            d->items[d->item_n].id = i;
            d->items[d->item_n].n = (int)pick(3);
            d->items[d->item_n++].v = (int)pick(3);
        } else if (d->item_n > 0) {
            d->items[0].n += 1 + (int)pick(3);
        }
        break;
    default:
        d->words[pick(WORDS)] = 10 + (int)pick(90);
    }
}

static void write_doc(const struct doc *d, struct replica__buf *out)
{
    static const char *const names[] = { "n", "x", "a", "b" };
    unsigned turn = pick(4);

    replica__buf_str(out, "{\"id\":\"k\"");
    for (unsigned i = 0; i < 4; i++)
        if (d->numbers[(i + turn) % 4] >= 0)
            replica__buf_printf(out, ",\"%s\":%d%s", names[(i + turn) % 4],
                                d->numbers[(i + turn) % 4], pick(2) ? "" : ".0");
    replica__buf_str(out, ",\"tags\":[");
    for (int i = 0; i < d->tag_n; i++)
        replica__buf_printf(out, "%s%d", i ? "," : "", d->tags[i]);
    replica__buf_str(out, "],\"items\":[");
    for (int i = 0; i < d->item_n; i++)
        replica__buf_printf(out, "%s{\"id\":%d,\"n\":%d,\"v\":%d}", i ? "," : "", d->items[i].id,
                            d->items[i].n, d->items[i].v);
    replica__buf_str(out, "],\"words\":\"");
    for (int i = 0; i < WORDS; i++)
        replica__buf_printf(out, "%sword%d", i ? " " : "", d->words[i]);
    replica__buf_str(out, "\"}");
}

static const char *const rules_of_all_kinds[] = {
    "server-wins",
    "client-wins",
    "last-write-wins",
    "merge",
    "{\"\":{\"merge\":\"client-wins\"},\"/tags\":\"set-union\","
    "\"/items\":{\"list-by-key\":\"id\"}}",
    "{\"\":\"client-wins\",\"/n\":\"max\",\"/items\":{\"list-by-key\":\"id\"}}",
    "{\"\":{\"merge\":\"last-write-wins\"},\"/words\":\"text\","
    "\"/items\":{\"list-by-key\":\"id\"}}",
    "{\"\":{\"merge\":{\"last-write-wins\":\"n\"}},\"/items/*\":{\"list-by-key\":\"id\"}}",
};

static bool same(const char *a, size_t a_len, const char *b)
{
    return replica__json_equal(a, a_len, b, strlen(b), 0) == 1;
}

struct states {
    struct replica__buf base, ours, theirs;
    int stamp;
};

static void states_free(struct states *s)
{
    replica__buf_free(&s->base);
    replica__buf_free(&s->ours);
    replica__buf_free(&s->theirs);
}
#define STATES __attribute__((cleanup(states_free))) struct states

static void make_states(struct states *s)
{
    struct doc base = make();
    struct doc ours = base;
    struct doc theirs = base;

    for (unsigned n = pick(4) + 1; n > 0; n--)
        edit(&ours);
    for (unsigned n = pick(4) + 1; n > 0; n--)
        edit(&theirs);
    write_doc(&base, &s->base);
    write_doc(&ours, &s->ours);
    write_doc(&theirs, &s->theirs);
    s->stamp = (int)pick(3) - 1;
}

/* The text that a merge ends with. */
static void result(const char *rules, const char *base, const char *ours, const char *theirs,
                   int later, struct replica__buf *out)
{
    int r = merge_at(rules, base, ours, theirs, later, out);

    CHECK(r == REPLICA_MERGED_THEIRS || r == REPLICA_MERGED_OURS || r == REPLICA_MERGED_TEXT);
    if (r != REPLICA_MERGED_TEXT)
        replica__buf_str(out, r == REPLICA_MERGED_OURS ? ours : theirs);
    CHECK_RC(replica__json_check(out->data, out->len, NULL, &test_err), 0);
}

#define CHECK_SAME(is, want)                                                                  \
    do {                                                                                      \
        if (!same((is)->data, (is)->len, (want)))                                             \
            test_fail(__FILE__, __LINE__, "base %s ours %s theirs %s: %s, not %s", s.base.data, \
                      s.ours.data, s.theirs.data, (is)->data, (want));                        \
    } while (0)

LONG_TEST(a_side_that_changed_nothing_loses_and_two_that_agree_have_agreed)
{
    static const char *const adding[] = {
        "sum", "{\"\":{\"merge\":\"sum\"},\"/items\":{\"list-by-key\":\"id\"}}"
    };
    size_t n = sizeof(rules_of_all_kinds) / sizeof(rules_of_all_kinds[0]);

    seed = 1;
    for (unsigned round = 0; round < 4000; round++) {
        STATES s = { .stamp = 0 };
        REPLICA_BUF kept = REPLICA_BUF_INIT;
        REPLICA_BUF taken = REPLICA_BUF_INIT;
        REPLICA_BUF agreed = REPLICA_BUF_INIT;
        size_t which = round % (n + 2);
        const char *rules = which < n ? rules_of_all_kinds[which] : adding[which - n];

        make_states(&s);
        result(rules, s.base.data, s.ours.data, s.base.data, s.stamp, &kept);
        CHECK_SAME(&kept, s.ours.data);
        result(rules, s.base.data, s.base.data, s.theirs.data, s.stamp, &taken);
        CHECK_SAME(&taken, s.theirs.data);
        if (which >= n)
            continue;
        result(rules, s.base.data, s.ours.data, s.ours.data, s.stamp, &agreed);
        CHECK_SAME(&agreed, s.ours.data);
    }
}

LONG_TEST(the_sides_do_not_matter_where_no_side_was_named)
{
    static const char *const rules[] = {
        "last-write-wins",
        "{\"\":{\"merge\":\"last-write-wins\"},\"/n\":\"sum\",\"/tags\":\"set-union\","
        "\"/items\":{\"list-by-key\":\"id\"},\"/items/*/n\":\"sum\",\"/words\":\"text\"}",
        "{\"\":{\"merge\":\"last-write-wins\"},\"/n\":\"max\",\"/x\":\"min\",\"/a\":\"sum\","
        "\"/tags\":\"set-union\",\"/items/*\":{\"list-by-key\":\"id\"},\"/items/*/v\":\"max\","
        "\"/words\":{\"text\":\"last-write-wins\"}}",
        "{\"\":\"last-write-wins\",\"/n\":\"sum\",\"/items\":{\"list-by-key\":\"id\"}}",
    };

    seed = 2;
    for (unsigned round = 0; round < 8000; round++) {
        STATES s = { .stamp = 0 };
        REPLICA_BUF here = REPLICA_BUF_INIT;
        REPLICA_BUF there = REPLICA_BUF_INIT;

        make_states(&s);
        result(rules[round % 4], s.base.data, s.ours.data, s.theirs.data, s.stamp, &here);
        result(rules[round % 4], s.base.data, s.theirs.data, s.ours.data, -s.stamp, &there);
        if (!strstr(here.data, "<<<<<<< server"))
            CHECK_SAME(&here, there.data);
    }
}

static int number_of(const char *json, size_t len, const char *name)
{
    struct replica__json_value v =
        replica__json_member(replica__json_value(json, len), name, REPLICA_NUL);
    int64_t n = 0;

    CHECK(v.type == REPLICA_JSON_NONE || replica__json_int(v, &n));
    return (int)n;
}

TEST(a_counter_has_every_increment_and_no_other)
{
    seed = 3;
    for (unsigned round = 0; round < 4000; round++) {
        STATES s = { .stamp = 0 };
        REPLICA_BUF out = REPLICA_BUF_INIT;

        make_states(&s);
        result("{\"\":\"merge\",\"/n\":\"sum\"}", s.base.data, s.ours.data, s.theirs.data, s.stamp,
               &out);
        CHECK_INT(number_of(out.data, out.len, "n"),
                  number_of(s.ours.data, s.ours.len, "n") +
                      number_of(s.theirs.data, s.theirs.len, "n") -
                      number_of(s.base.data, s.base.len, "n"));
    }
}

/* ---- anything at all ----------------------------------------------------------------- */

static void write_any(struct replica__buf *out, int depth)
{
    static const char *const scalars[] = { "0", "1", "1.0", "\"a\"", "\"b c\"", "null", "true" };
    static const char *const names[] = { "a", "b", "id", "n" };
    unsigned kind = pick(depth > 0 ? 3 : 1);
    bool first = true;

    if (kind == 0) {
        replica__buf_str(out, scalars[pick(7)]);
        return;
    }
    replica__buf_char(out, kind == 1 ? '[' : '{');
    for (unsigned i = 0; i < 4; i++) {
        if (pick(2))
            continue;
        if (!first)
            replica__buf_char(out, ',');
        if (kind == 2)
            replica__buf_printf(out, "\"%s\":", names[i]);
        write_any(out, depth - 1);
        first = false;
    }
    replica__buf_char(out, kind == 1 ? ']' : '}');
}

LONG_TEST(any_rules_give_json_for_any_values_and_keep_what_only_one_side_changed)
{
    static const char *const rules[] = {
        ("{\"\":{\"merge\":\"text\"},\"/a\":\"sum\",\"/*/a\":\"set-union\",\"/b\":{\"list-by-key\":"
         "\"id\"},\"/b/*/n\":\"max\",\"/n\":\"client-wins\",\"/n/a\":\"merge\"}"),
        "{\"/a\":\"set-union\",\"/b\":\"max\",\"/*/*\":{\"list-by-key\":\"id\"},\"/n/b\":\"sum\"}",
        "{\"\":{\"list-by-key\":\"id\"},\"/*\":\"last-write-wins\",\"/*/n\":\"sum\"}",
        "{\"\":{\"merge\":{\"list-by-key\":\"id\"}},\"/*/a/b\":\"text\"}",
        "set-union", "text", "sum", "max",
    };

    seed = 4;
    for (unsigned round = 0; round < 40000; round++) {
        STATES s = { .stamp = (int)pick(3) - 1 };
        REPLICA_BUF out = REPLICA_BUF_INIT;
        REPLICA_BUF kept = REPLICA_BUF_INIT;

        write_any(&s.base, 4);
        write_any(&s.ours, 4);
        write_any(&s.theirs, 4);
        result(rules[round % 8], s.base.data, s.ours.data, s.theirs.data, s.stamp, &out);
        result(rules[round % 8], s.base.data, s.ours.data, s.base.data, s.stamp, &kept);
        CHECK_SAME(&kept, s.ours.data);
    }
}

/* The three-way merge of a document of 2.5 KB, beside the gate that its three states pass. */
#include "base/json.h"
#include "libreplica/merge.h"
#include "merge/merge.h"
#include "tests/bench/bench.h"

#include <string.h>

#define MERGES 20000
#define DOCUMENT 2560

struct states {
    struct replica__rules *plain, *all, *text;
    struct replica__buf base, ours, theirs;
};

/* A document whose parts were edited by some of 1 (ours) and 2 (theirs). */
static void write_doc(struct replica__buf *out, int side)
{
    const bool ours = side == 1, theirs = side == 2;

    replica__buf_printf(out,
                        "{\"id\":\"c000042\",\"name\":\"Andorra la Vella\",\"lat\":42.50779,"
                        "\"lng\":%s,\"country\":\"AD\",\"visits\":%d,\"state\":\"%s\","
                        "\"tags\":[\"ad\",\"geo\"%s%s],"
                        "\"address\":{\"street\":\"%s\",\"number\":\"12\",\"floor\":%d},",
                        theirs ? "1.52110" : "1.52109", ours ? 7 : theirs ? 9 : 4,
                        ours ? "open" : theirs ? "closed" : "new", ours ? ",\"old\"" : "",
                        theirs ? ",\"new\"" : "",
                        ours ? "Avinguda Meritxell" : "Carrer Major", theirs ? 2 : 1);
    replica__buf_str(out, "\"items\":[");
    for (int i = 0; i < 12; i++)
        replica__buf_printf(out, "%s{\"id\":\"i%d\",\"label\":\"something to do %d\",\"count\":%d}",
                            i ? "," : "", i, i, ours && i == 3 ? 5 : theirs && i == 3 ? 6 : i);
    if (theirs)
        replica__buf_str(out, ",{\"id\":\"i99\",\"label\":\"one more\",\"count\":1}");
    replica__buf_printf(out,
                        "],\"note\":\"The %s stands at the end of the street,\\nand was %s when we "
                        "came by last year.\\n\",\"updatedBy\":\"%s\",\"fill\":\"",
                        ours ? "big house" : "house", theirs ? "closed" : "open",
                        ours ? "alice" : theirs ? "bob" : "seed");
    while (out->len < DOCUMENT - 2)
        replica__buf_char(out, (char)('a' + out->len % 26));
    replica__buf_str(out, "\"}");
}

static double merge_with(const struct states *s, const struct replica__rules *rules)
{
    const struct replica__side base = { .json = s->base.data, .len = s->base.len };
    const struct replica__side ours = { .json = s->ours.data, .len = s->ours.len };
    const struct replica__side theirs = { .json = s->theirs.data, .len = s->theirs.len };
    int64_t started = bench_now_us();
    REPLICA_BUF out = REPLICA_BUF_INIT;
    replica_error err = { 0 };

    for (int i = 0; i < MERGES; i++) {
        int r = bench_ok(replica__merge3(rules, &base, &ours, &theirs, &out, &err), &err, "merge");

        if (r != REPLICA_MERGED_TEXT)
            bench_fail("the merge has no text of its own");
        replica__buf_clear(&out);
    }
    return MERGES * 1e6 / (double)(bench_now_us() - started);
}

static double plain(void *ctx, int round)
{
    const struct states *s = ctx;

    return merge_with(s, s->plain);
}

static double all(void *ctx, int round)
{
    const struct states *s = ctx;

    return merge_with(s, s->all);
}

static double text(void *ctx, int round)
{
    const struct states *s = ctx;

    return merge_with(s, s->text);
}

static double gate(void *ctx, int round)
{
    const struct states *s = ctx;
    int64_t started = bench_now_us();
    replica_error err = { 0 };

    for (int i = 0; i < MERGES; i++) {
        bench_ok(replica__json_check(s->base.data, s->base.len, NULL, &err), &err, "check");
        bench_ok(replica__json_check(s->ours.data, s->ours.len, NULL, &err), &err, "check");
        bench_ok(replica__json_check(s->theirs.data, s->theirs.len, NULL, &err), &err, "check");
    }
    return MERGES * 1e6 / (double)(bench_now_us() - started);
}

static struct replica__rules *rules_of(const char *json)
{
    struct replica__rules *rules = NULL;
    replica_error err = { 0 };

    bench_ok(replica__rules_compile(json, REPLICA_NUL, &rules, &err), &err, json);
    return rules;
}

int main(void)
{
    struct states s = { .plain = rules_of("merge") };

    s.all = rules_of("{\"\":\"merge\",\"/visits\":\"sum\",\"/tags\":\"set-union\",\"/items\":"
                     "{\"list-by-key\":\"id\"},\"/items/*/count\":\"max\"}");
    s.text = rules_of("{\"\":\"merge\",\"/note\":\"text\"}");
    write_doc(&s.base, 0);
    write_doc(&s.ours, 1);
    write_doc(&s.theirs, 2);
    bench_start("three states of 2.5 KB into one");
    bench_compare("merge", "merges/s", plain, gate, &s);
    bench_compare("merge, sum, set-union, list-by-key, max", "merges/s", all, gate, &s);
    bench_compare("merge, text", "merges/s", text, gate, &s);
    replica__rules_unref(s.plain);
    replica__rules_unref(s.all);
    replica__rules_unref(s.text);
    replica__buf_free(&s.base);
    replica__buf_free(&s.ours);
    replica__buf_free(&s.theirs);
    return 0;
}

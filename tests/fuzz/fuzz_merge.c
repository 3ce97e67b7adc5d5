/* Rules and merges: the input is rules, then three states, with a 0x1E byte between them.
 *
 * Rules that are taken are taken again as they give themselves; whatever three JSON values they
 * meet, the result is JSON, and a side that changed nothing loses. */
#include "base/json.h"
#include "libreplica/merge.h"
#include "merge/merge.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define MUST(condition)   \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

enum { RULES, BASE, OURS, THEIRS, PARTS };

static bool same(const struct replica__side *a, const char *json, size_t len)
{
    return replica__json_equal(a->json, a->len, json, len, 0) == 1;
}

/* A side that changed nothing: the result is the other. */
static void ask_one_sided(const struct replica__rules *rules, const struct replica__side *base,
                          const struct replica__side *side)
{
    REPLICA_BUF out = REPLICA_BUF_INIT;
    int r = replica__merge3(rules, base, base, side, &out, NULL);

    MUST(r == REPLICA_MERGED_THEIRS);
    r = replica__merge3(rules, base, side, base, &out, NULL);
    MUST(r == REPLICA_MERGED_OURS ||
         (r == REPLICA_MERGED_THEIRS && same(side, base->json, base->len)));
}

static void ask(const struct replica__rules *rules, const struct replica__side *sides)
{
    REPLICA_BUF out = REPLICA_BUF_INIT;
    REPLICA_BUF again = REPLICA_BUF_INIT;
    int r = replica__merge3(rules, &sides[BASE], &sides[OURS], &sides[THEIRS], &out, NULL);

    MUST(r == REPLICA_MERGED_THEIRS || r == REPLICA_MERGED_OURS || r == REPLICA_MERGED_TEXT);
    MUST(r == REPLICA_MERGED_TEXT || out.len == 0);
    if (r == REPLICA_MERGED_TEXT) {
        static const struct replica__json_limits deep = { .max_depth = 1000 };

        MUST(replica__json_check(out.data, out.len, &deep, NULL) == 0);
        MUST(!same(&sides[OURS], out.data, out.len) && !same(&sides[THEIRS], out.data, out.len));
    }
    MUST(replica__merge3(rules, &sides[BASE], &sides[OURS], &sides[THEIRS], &again, NULL) == r);
    MUST(again.len == out.len && (out.len == 0 || memcmp(again.data, out.data, out.len) == 0));
    ask_one_sided(rules, &sides[BASE], &sides[OURS]);
    ask_one_sided(rules, &sides[BASE], &sides[THEIRS]);
    r = replica__merge3(rules, NULL, &sides[OURS], &sides[THEIRS], &again, NULL);
    MUST(r > 0 && again.r == 0);
}

static void ask_deleted(const struct replica__rules *rules, struct replica__side *sides)
{
    REPLICA_BUF out = REPLICA_BUF_INIT;
    int r;

    sides[OURS].deleted = true;
    r = replica__merge3(rules, &sides[BASE], &sides[OURS], &sides[THEIRS], &out, NULL);
    MUST(r > 0 && r != REPLICA_MERGED_TEXT && out.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct replica__side sides[PARTS] = { { .json = "1", .len = 1 }, { .json = "1", .len = 1 },
                                          { .json = "2", .len = 1, .stamp = 1 },
                                          { .json = "3", .len = 1 } };
    struct replica__rules *rules = NULL;
    struct replica__rules *again = NULL;
    const char *text = (const char *)data;
    replica_error err = { 0 };
    int r;

    for (int i = 0; i < PARTS && len > 0; i++) {
        const char *cut = memchr(text, 0x1E, len);
        size_t n = cut ? (size_t)(cut - text) : len;

        if (i == RULES || replica__json_check(text, n, NULL, NULL) == 0) {
            sides[i].json = text;
            sides[i].len = n;
        }
        text += n + (cut != NULL);
        len -= n + (cut != NULL);
    }
    r = replica__rules_compile(sides[RULES].json, sides[RULES].len, &rules, &err);
    MUST(r == 0 || r == REPLICA_EINVAL || r == REPLICA_EJSON || r == REPLICA_ELIMIT);
    MUST((r == 0) == (rules != NULL) && (r == 0 || (err.code == r && err.message[0])));
    if (r < 0)
        return 0;
    MUST(replica__rules_compile(replica__rules_json(rules), REPLICA_NUL, &again, NULL) == 0);
    MUST(strcmp(replica__rules_name(rules), replica__rules_name(again)) == 0);
    replica__rules_unref(again);
    ask(rules, sides);
    ask_deleted(rules, sides);
    replica__rules_unref(rules);
    return 0;
}

/* Short forms for tests of merging: texts with a NUL in, results out. */
#ifndef TESTS_MERGE_MERGE_HELP_H
#define TESTS_MERGE_MERGE_HELP_H

#include "libreplica/merge.h"
#include "merge/merge.h"
#include "tests/support/test.h"

static inline void rules_drop(struct replica__rules **rules)
{
    replica__rules_unref(*rules);
}
#define RULES __attribute__((cleanup(rules_drop))) struct replica__rules

static inline struct replica__rules *rules_of(const char *json)
{
    struct replica__rules *rules = NULL;

    CHECK_RC(replica__rules_compile(json, REPLICA_NUL, &rules, &test_err), 0);
    return rules;
}

/* NULL: none; "!": deleted; "!{...}": deleted, and what it was. */
static inline struct replica__side side_of(const char *text)
{
    struct replica__side side = { .json = text, .len = text ? strlen(text) : 0 };

    if (text && *text == '!') {
        side.deleted = true;
        side.json = text[1] ? text + 1 : NULL;
        side.len = strlen(text + 1);
    }
    return side;
}

/* Three sides by stamps: -1: ours was later, 1: theirs. */
static inline int merge_at(const char *rules_json, const char *base, const char *ours,
                           const char *theirs, int later, struct replica__buf *out)
{
    RULES *rules = rules_of(rules_json);
    struct replica__side b = side_of(base);
    struct replica__side o = side_of(ours);
    struct replica__side t = side_of(theirs);

    o.stamp = 10 - later;
    t.stamp = 10 + later;
    return replica__merge3(rules, base ? &b : NULL, &o, &t, out, &test_err);
}

static inline const char *outcome_name(int r)
{
    static const char *const names[] = { "none", "theirs", "ours", "text", "copy", "ask" };

    CHECK(r >= 1 && r <= 5);
    return names[r];
}

/* want: "theirs", "ours", "copy", "ask", or the text. */
static inline void check_at(const char *rules, const char *base, const char *ours,
                            const char *theirs, int later, const char *want, int line)
{
    REPLICA_BUF out = REPLICA_BUF_INIT;
    int r = merge_at(rules, base, ours, theirs, later, &out);
    const char *is = r == REPLICA_MERGED_TEXT ? out.data : outcome_name(r);

    CHECK_INT(out.r, 0);
    if (strcmp(is, want) != 0)
        test_fail(__FILE__, line, "%s of %s, %s, %s is %s, not %s", rules, base ? base : "(none)",
                  ours ? ours : "(none)", theirs ? theirs : "(none)", is, want);
    if (r == REPLICA_MERGED_TEXT)
        CHECK_RC(replica__json_check(out.data, out.len, NULL, &test_err), 0);
    else
        CHECK_INT(out.len, 0);
}
#define CHECK_MERGE(rules, base, ours, theirs, want) \
    check_at((rules), (base), (ours), (theirs), 0, (want), __LINE__)
#define CHECK_LATER(rules, base, ours, theirs, later, want) \
    check_at((rules), (base), (ours), (theirs), (later), (want), __LINE__)

#endif

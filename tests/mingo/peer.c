/* Answers queries for compare.mjs: a line in, a line out.
 *
 *     in   {"query": {"selector": ..., "sort": ...}, "documents": [{"id": "0", ...}, ...]}
 *     out  the matching documents' places in the array, in the order of the result: 2 0 1
 *          or ! and what is wrong: the query is refused, or a condition does not hold
 *
 * What conditions promise to indexes is checked with every document. */
#include "libreplica/query/mango.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DOCUMENTS = 64, WRONG = 1000 };

struct place {
    struct replica__buf bytes;
    size_t document;
};

struct state {
    struct replica__query *query;
    char wrong[WRONG];
    struct place places[DOCUMENTS];
    size_t n;
};

static void say(struct state *s, const char *what, const char *which)
{
    if (!s->wrong[0])
        snprintf(s->wrong, sizeof(s->wrong), "%s %s", what, which);
}

/* ---- conditions ------------------------------------------------------------------ */

static int order(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int cmp = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return cmp ? cmp : (a_len > b_len) - (a_len < b_len);
}

static bool lies_in(const struct replica__buf *key, const struct replica__range_of_keys *ranges,
                    size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (order(ranges[i].low, ranges[i].low_len, key->data, key->len) <= 0 &&
            order(key->data, key->len, ranges[i].high, ranges[i].high_len) < 0)
            return true;
    }
    return false;
}

struct look {
    const struct replica__condition *condition;
    size_t within;
};

static int look_at(void *ctx, struct replica__json_value v)
{
    struct look *look = ctx;
    REPLICA_BUF key = REPLICA_BUF_INIT;

    replica__key_add(&key, v);
    look->within += lies_in(&key, look->condition->ranges, look->condition->n);
    return key.r;
}

static void check_ranges(struct state *s, const struct replica__range_of_keys *r, size_t n,
                         const char *path)
{
    for (size_t i = 0; i < n; i++) {
        if (order(r[i].low, r[i].low_len, r[i].high, r[i].high_len) >= 0)
            say(s, "an empty range at", path);
        if (i > 0 && order(r[i - 1].high, r[i - 1].high_len, r[i].low, r[i].low_len) > 0)
            say(s, "ranges that overlap at", path);
    }
}

/* Returns whether the condition alone, where it is exact, says that the document matches. */
static bool check_condition(struct state *s, const struct replica__condition *c,
                            struct replica__json_value v, bool matches)
{
    struct replica__path path;
    struct look look = { .condition = c };
    REPLICA_BUF key = REPLICA_BUF_INIT;
    bool array = false;
    bool narrow;

    if (replica__path_parse(c->path, REPLICA_NUL, &path, NULL) < 0)
        abort();
    if (replica__path_each(&path, v.text.data, v.text.len, look_at, &look) < 0)
        abort();
    replica__key_add(&key, replica__path_value(&path, v.text.data, v.text.len, &array));
    narrow = lies_in(&key, c->narrow, c->narrow_n);
    if (matches && look.within == 0)
        say(s, "a match has no key in the ranges at", c->path);
    if (matches && !array && !narrow)
        say(s, "a match has its key outside the narrow ranges at", c->path);
    if (narrow && !array && look.within == 0)
        say(s, "narrow ranges that are wider at", c->path);
    check_ranges(s, c->ranges, c->n, c->path);
    check_ranges(s, c->narrow, c->narrow_n, c->path);
    replica__path_free(&path);
    return c->exact && !array && narrow;
}

static void check_conditions(struct state *s, struct replica__json_value v, bool matches)
{
    const struct replica__condition *conditions = NULL;
    size_t n = replica__selector_conditions(s->query->selector, &conditions);
    bool all = true;

    for (size_t i = 0; i < n; i++)
        all = check_condition(s, &conditions[i], v, matches) && all;
    if (all && !matches && replica__selector_only_conditions(s->query->selector))
        say(s, "conditions that are called exact", "but are not");
}

/* ---- the answer ------------------------------------------------------------------ */

static void add_document(struct state *s, struct replica__json_value v, size_t number)
{
    struct replica__json_value key = replica__json_member(v, "id", REPLICA_NUL);
    int r = replica__selector_match(s->query->selector, v.text.data, v.text.len);
    struct place *place = &s->places[s->n];
    REPLICA_BUF id = REPLICA_BUF_INIT;

    if (r < 0)
        say(s, "matching failed:", replica_error_name(r));
    check_conditions(s, v, r > 0);
    if (r <= 0)
        return;
    place->document = number;
    replica__json_unescape((struct replica__slice){ key.text.data + 1, key.text.len - 2 }, &id);
    replica__query_place(s->query, v.text.data, v.text.len, id.data, id.len, &place->bytes);
    s->n++;
}

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a;
    const struct place *y = b;

    return order(x->bytes.data, x->bytes.len, y->bytes.data, y->bytes.len);
}

static void answer(const char *line, size_t len)
{
    static struct state s;
    struct replica__json_value v = replica__json_value(line, len);
    struct replica__json_value query = replica__json_member(v, "query", REPLICA_NUL);
    struct replica__json_iter it =
        replica__json_iter(replica__json_member(v, "documents", REPLICA_NUL));
    replica_error err = { 0 };

    s.query = NULL;
    s.wrong[0] = '\0';
    s.n = 0;
    if (replica__query_parse(query.text.data, query.text.len, &s.query, &err) < 0)
        say(&s, "refused:", err.message);
    for (size_t i = 0; s.query && i < DOCUMENTS && replica__json_next(&it); i++)
        add_document(&s, it.value, i);
    qsort(s.places, s.n, sizeof(s.places[0]), compare_places);
    if (s.wrong[0])
        printf("!%s", s.wrong);
    for (size_t i = 0; i < s.n; i++) {
        if (!s.wrong[0])
            printf("%s%zu", i ? " " : "", s.places[i].document);
        replica__buf_free(&s.places[i].bytes);
    }
    putchar('\n');
    replica__query_free(s.query);
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;

    while ((n = getline(&line, &room, stdin)) > 0) {
        answer(line, (size_t)n);
        if (line[0] == '\n')
            break;
        fflush(stdout);
    }
    free(line);
    return 0;
}

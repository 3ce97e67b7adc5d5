/* The difference of two texts.
 *
 * Lines are compared first, and where lines differ, the words in them, with E. W. Myers' algorithm
 * ("An O(ND) Difference Algorithm and Its Variations", 1986), which finds the fewest insertions and
 * deletions.  Its work and memory grow with the square of the number of differences, so both are
 * bounded: where a stretch differs more than that, it is one difference. */
#include "merge/diff.h"

#include "base/alloc.h"

#include <string.h>

enum {
    MAX_TOKENS = 100000,  /* of a stretch */
    MAX_EDITS = 1000,     /* tokens inserted and deleted */
    MAX_STEPS = 8000000   /* of all searches in one text */
};

/* Its tokens, each from where the one before it ends. */
struct tokens {
    const char *text;
    size_t *ends;
    size_t n;
};

static size_t token_start(const struct tokens *t, size_t i)
{
    return i > 0 ? t->ends[i - 1] : 0;
}

static bool same_token(const struct tokens *a, size_t i, const struct tokens *b, size_t j)
{
    size_t len = a->ends[i] - token_start(a, i);

    return len == b->ends[j] - token_start(b, j) &&
           memcmp(a->text + token_start(a, i), b->text + token_start(b, j), len) == 0;
}

/* ---- cutting a text into tokens ---------------------------------------------------- */

static size_t line_end(const char *text, size_t len, size_t at)
{
    const char *newline = memchr(text + at, '\n', len - at);

    return newline ? (size_t)(newline - text) + 1 : len;
}

enum class { BLANK, LETTER, IDEOGRAPH, OTHER };

/* What the character is, and its bytes. */
static enum class classify(const char *text, size_t len, size_t at, size_t *ret_width)
{
    unsigned char c = (unsigned char)text[at];
    unsigned long code = c & (c >= 0xF0 ? 0x07u : 0x0Fu);
    size_t width = c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;

    *ret_width = width = width <= len - at ? width : len - at;
    if (c == ' ' || c == '\t')
        return BLANK;
    if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_')
        return LETTER;
    if (c < 0x80)
        return OTHER;
    for (size_t i = 1; i < width; i++)
        code = code << 6 | ((unsigned char)text[at + i] & 0x3F);
    if (width >= 3 && ((code >= 0x2E80 && code <= 0x9FFF) || (code >= 0xF900 && code <= 0xFAFF) ||
                       (code >= 0x20000 && code <= 0x3FFFF)))
        return IDEOGRAPH; /* written without blanks: each is a word */
    return LETTER;
}

/* A run of letters, a run of blanks, or one character of any other kind. */
static size_t word_end(const char *text, size_t len, size_t at)
{
    size_t width;
    enum class first = classify(text, len, at, &width);

    at += width;
    if (first == BLANK || first == LETTER)
        while (at < len && classify(text, len, at, &width) == first)
            at += width;
    return at;
}

/* 1, 0: too many, or REPLICA_ENOMEM. */
static int tokenize(const char *text, size_t len,
                    size_t (*end)(const char *text, size_t len, size_t at), struct tokens *t)
{
    size_t n = 0;

    for (size_t at = 0; at < len; n++) {
        at = end(text, len, at);
        if (n == MAX_TOKENS)
            return 0;
    }
    t->text = text;
    t->ends = replica__realloc(NULL, n + 1, sizeof(*t->ends));
    if (!t->ends)
        return REPLICA_ENOMEM;
    for (size_t at = 0; at < len;)
        t->ends[t->n++] = at = end(text, len, at);
    return 1;
}

/* ---- the fewest edits -------------------------------------------------------------- */

struct myers {
    const struct tokens *a, *b;
    size_t prefix; /* tokens that both start with; a_n and b_n are those behind it that count */
    int a_n, b_n;
    int *reached; /* how far each diagonal got with d edits: 2 * d + 1 of them, from d * d on */
    size_t room;
    int *steps; /* that were made so far */
};

static void myers_free(struct myers *m)
{
    replica__free(m->reached);
}

/* Of the diagonals with d edits the one in the middle. */
static int *reached(const struct myers *m, int d)
{
    return m->reached + (size_t)d * (size_t)d + d;
}

static bool make_room(struct myers *m, int d)
{
    size_t need = (size_t)(d + 1) * (size_t)(d + 1);
    size_t room = m->room ? m->room * 2 : 256;
    int *all;

    if (need <= m->room)
        return true;
    room = room < need ? need : room;
    all = replica__realloc(m->reached, room, sizeof(int));
    if (!all)
        return false;
    m->reached = all;
    m->room = room;
    return true;
}

/* Along a diagonal as long as the tokens are the same. */
static int slide(struct myers *m, int x, int k)
{
    while (x < m->a_n && x - k < m->b_n &&
           same_token(m->a, m->prefix + (size_t)x, m->b, m->prefix + (size_t)(x - k))) {
        x++;
        ++*m->steps;
    }
    return x;
}

/* Where diagonal k starts with d edits, from what d - 1 reached; -1: it cannot be reached. */
static int step(const struct myers *m, int d, int k)
{
    const int *last = reached(m, d - 1);
    int down = k + 1 <= d - 1 ? last[k + 1] : -1;     /* a token of b inserted */
    int right = k - 1 >= -(d - 1) ? last[k - 1] : -1; /* a token of a deleted */

    if (right >= m->a_n)
        right = -1;
    if (down >= 0 && down - k > m->b_n)
        down = -1;
    return right >= 0 && right + 1 > down ? right + 1 : down;
}

/* 1 and the number of edits, 0: too many, or REPLICA_ENOMEM. */
static int search(struct myers *m, int *ret_edits)
{
    for (int d = 0; d <= MAX_EDITS && *m->steps < MAX_STEPS; d++) {
        int *round;

        if (!make_room(m, d))
            return REPLICA_ENOMEM;
        *m->steps += d;
        round = reached(m, d);
        for (int k = -d; k <= d; k++)
            round[k] = -1;
        for (int k = -d; k <= d; k += 2) {
            int x = d > 0 ? step(m, d, k) : 0;

            if (x < 0)
                continue;
            round[k] = x = slide(m, x, k);
            if (x == m->a_n && x - k == m->b_n) {
                *ret_edits = d;
                return 1;
            }
        }
    }
    return 0;
}

/* Which tokens are not the same: those of a, then those of b. */
static void mark(const struct myers *m, int edits, bool *marks_a, bool *marks_b)
{
    int x = m->a_n;
    int y = m->b_n;

    for (int d = edits; d > 0; d--) {
        int k = x - y;
        int start = step(m, d, k);
        int right = k - 1 >= -(d - 1) ? reached(m, d - 1)[k - 1] : -1;

        if (right >= 0 && start == right + 1) {
            x = start - 1;
            y = start - k;
            marks_a[m->prefix + (size_t)x] = true;
        } else {
            x = start;
            y = start - k - 1;
            marks_b[m->prefix + (size_t)y] = true;
        }
    }
}

/* ---- hunks ------------------------------------------------------------------------- */

/* Blanks and the like between two edits belong to them: nobody who writes a sentence anew keeps its
 * commas. */
static bool is_gap(const char *text, size_t from, size_t to)
{
    size_t width;

    for (size_t at = from; at < to; at += width) {
        enum class class = classify(text, to, at, &width);

        if (class == LETTER || class == IDEOGRAPH || text[at] == '\n')
            return false;
    }
    return true;
}

static int add_hunk(struct hunks *hunks, const char *base, struct hunk h)
{
    struct hunk *last = hunks->n > 0 ? &hunks->all[hunks->n - 1] : NULL;

    if (last && is_gap(base, last->to, h.from)) {
        last->to = h.to;
        last->side_to = h.side_to;
        return 0;
    }
    if (hunks->n == hunks->room) {
        size_t room = hunks->room ? hunks->room * 2 : 8;
        struct hunk *all = replica__realloc(hunks->all, room, sizeof(*all));

        if (!all)
            return REPLICA_ENOMEM;
        hunks->all = all;
        hunks->room = room;
    }
    hunks->all[hunks->n++] = h;
    return 0;
}

struct texts {
    struct replica__slice base, side;
    size_t (*end)(const char *text, size_t len, size_t at);
    int (*found)(const struct texts *t, struct hunk h, struct hunks *ret);
    int *steps;
};

static int compare(const struct texts *t, struct hunk within, struct hunks *ret);

static int keep(const struct texts *t, struct hunk h, struct hunks *ret)
{
    return add_hunk(ret, t->base.data, h);
}

/* Lines that differ: what in them? */
static int look_closer(const struct texts *t, struct hunk h, struct hunks *ret)
{
    const struct texts words = { t->base, t->side, word_end, keep, t->steps };

    if (h.from == h.to || h.side_from == h.side_to)
        return keep(t, h, ret);
    return compare(&words, h, ret);
}

struct marks {
    bool *a, *b;
};

static void marks_free(struct marks *marks)
{
    replica__free(marks->a);
    replica__free(marks->b);
}

static int report(const struct texts *t, struct hunk within, const struct tokens *a,
                  const struct tokens *b, const struct marks *marks, struct hunks *ret)
{
    size_t i = 0;
    size_t j = 0;

    while (i < a->n || j < b->n) {
        struct hunk h = { .from = within.from + token_start(a, i),
                          .side_from = within.side_from + token_start(b, j) };
        size_t i_start = i;
        size_t j_start = j;
        int r;

        while (i < a->n && marks->a[i])
            i++;
        while (j < b->n && marks->b[j])
            j++;
        if (i == i_start && j == j_start) {
            i++;
            j++;
            continue;
        }
        h.to = within.from + token_start(a, i);
        h.side_to = within.side_from + token_start(b, j);
        r = t->found(t, h, ret);
        if (r < 0)
            return r;
    }
    return 0;
}

/* 1: marks has the tokens that differ; 0: too many; REPLICA_ENOMEM. */
static int find_edits(const struct tokens *a, const struct tokens *b, int *steps,
                      struct marks *marks)
{
    __attribute__((cleanup(myers_free))) struct myers m = { a, b, .steps = steps };
    size_t suffix = 0;
    int edits;
    int r;

    marks->a = replica__alloc_zero(a->n + 1, sizeof(bool));
    marks->b = replica__alloc_zero(b->n + 1, sizeof(bool));
    if (!marks->a || !marks->b)
        return REPLICA_ENOMEM;
    while (m.prefix < a->n && m.prefix < b->n && same_token(a, m.prefix, b, m.prefix))
        m.prefix++;
    while (suffix < a->n - m.prefix && suffix < b->n - m.prefix &&
           same_token(a, a->n - suffix - 1, b, b->n - suffix - 1))
        suffix++;
    m.a_n = (int)(a->n - m.prefix - suffix);
    m.b_n = (int)(b->n - m.prefix - suffix);
    r = search(&m, &edits);
    if (r == 1)
        mark(&m, edits, marks->a, marks->b);
    return r;
}

static void tokens_free(struct tokens *t)
{
    replica__free(t->ends);
}
#define TOKENS __attribute__((cleanup(tokens_free))) struct tokens

/* Hand each difference within this stretch to t->found. */
static int compare(const struct texts *t, struct hunk within, struct hunks *ret)
{
    __attribute__((cleanup(marks_free))) struct marks marks = { NULL, NULL };
    TOKENS a = { NULL };
    TOKENS b = { NULL };
    int r = tokenize(t->base.data + within.from, within.to - within.from, t->end, &a);

    if (r == 1)
        r = tokenize(t->side.data + within.side_from, within.side_to - within.side_from, t->end,
                     &b);
    if (r == 1)
        r = find_edits(&a, &b, t->steps, &marks);
    if (r < 0)
        return r;
    return r == 1 ? report(t, within, &a, &b, &marks, ret) : t->found(t, within, ret);
}

static bool starts_line(struct replica__slice s, size_t at)
{
    return at == 0 || s.data[at - 1] == '\n';
}

/* What is left without the lines that both start and end with. */
static struct hunk trim(struct replica__slice base, struct replica__slice side)
{
    size_t least = base.len < side.len ? base.len : side.len;
    size_t from = 0;
    size_t tail = 0;

    while (from < least && base.data[from] == side.data[from])
        from++;
    if (from == base.len && from == side.len)
        return (struct hunk){ from, from, from, from };
    while (!starts_line(base, from))
        from--;
    while (tail < least - from && base.data[base.len - 1 - tail] == side.data[side.len - 1 - tail])
        tail++;
    while (tail > 0 &&
           !(starts_line(base, base.len - tail) && starts_line(side, side.len - tail)))
        tail--;
    return (struct hunk){ from, base.len - tail, from, side.len - tail };
}

int replica__diff(struct replica__slice base, struct replica__slice side, struct hunks *ret)
{
    int steps = 0;
    const struct texts lines = { base, side, line_end, look_closer, &steps };

    return compare(&lines, trim(base, side), ret);
}

void replica__hunks_free(struct hunks *hunks)
{
    replica__free(hunks->all);
}

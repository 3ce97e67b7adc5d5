/* Texts, three ways: what only one side changed is taken from it, by words; where the changes of
 * the two touch, whole lines of both are kept, marked, or the side that a rule tells. */
#include "merge/value.h"

#include "base/alloc.h"
#include "merge/diff.h"

#include <string.h>

enum { OURS, THEIRS, SIDES };

/* A stretch of the base in which somebody changed something: the hunks of each side. */
struct region {
    size_t from, to;
    size_t first[SIDES], end[SIDES];
};

struct texts {
    struct replica__buf base, sides[SIDES]; /* what the strings mean */
    struct hunks hunks[SIDES];
    struct region *regions;
    size_t n;
};

static void texts_free(struct texts *t)
{
    replica__buf_free(&t->base);
    for (int i = 0; i < SIDES; i++) {
        replica__buf_free(&t->sides[i]);
        replica__hunks_free(&t->hunks[i]);
    }
    replica__free(t->regions);
}

static struct replica__slice slice(const struct replica__buf *b)
{
    return (struct replica__slice){ b->data ? b->data : "", b->len };
}

static int read_all(struct texts *t, const struct three *v)
{
    int r;

    if (v->base.type == REPLICA_JSON_STRING)
        replica__json_unescape(merge_inside(v->base), &t->base);
    replica__json_unescape(merge_inside(v->ours), &t->sides[OURS]);
    replica__json_unescape(merge_inside(v->theirs), &t->sides[THEIRS]);
    if (t->base.r < 0 || t->sides[OURS].r < 0 || t->sides[THEIRS].r < 0)
        return REPLICA_ENOMEM;
    r = replica__diff(slice(&t->base), slice(&t->sides[OURS]), &t->hunks[OURS]);
    if (r == 0)
        r = replica__diff(slice(&t->base), slice(&t->sides[THEIRS]), &t->hunks[THEIRS]);
    if (r < 0)
        return r;
    t->regions = replica__realloc(NULL, t->hunks[OURS].n + t->hunks[THEIRS].n + 1,
                                  sizeof(*t->regions));
    return t->regions ? 0 : REPLICA_ENOMEM;
}

/* ---- regions ----------------------------------------------------------------------- */

static bool changed(const struct region *r, int side)
{
    return r->end[side] > r->first[side];
}

/* What a side has for a region. */
static struct replica__slice part(const struct texts *t, const struct region *r, int side)
{
    const struct hunk *h = t->hunks[side].all;
    size_t from = r->from;
    size_t to = r->to;

    if (r->first[side] > 0)
        from += h[r->first[side] - 1].side_to - h[r->first[side] - 1].to;
    if (r->end[side] > 0)
        to += h[r->end[side] - 1].side_to - h[r->end[side] - 1].to;
    return (struct replica__slice){ slice(&t->sides[side]).data + from, to - from };
}

static bool is_conflict(const struct texts *t, const struct region *r)
{
    struct replica__slice ours;
    struct replica__slice theirs;

    if (!changed(r, OURS) || !changed(r, THEIRS))
        return false;
    ours = part(t, r, OURS);
    theirs = part(t, r, THEIRS);
    return ours.len != theirs.len || memcmp(ours.data, theirs.data, ours.len) != 0;
}

static bool ends_line(struct replica__slice s)
{
    return s.len == 0 || s.data[s.len - 1] == '\n';
}

/* To whole lines. */
static void widen(const struct texts *t, struct region *r)
{
    const char *base = slice(&t->base).data;
    bool whole = (r->to == 0 || base[r->to - 1] == '\n') && ends_line(part(t, r, OURS)) &&
                 ends_line(part(t, r, THEIRS));

    while (r->from > 0 && base[r->from - 1] != '\n')
        r->from--;
    while (!whole && r->to < t->base.len && base[r->to] != '\n')
        r->to++;
    if (!whole && r->to < t->base.len)
        r->to++;
}

static void join(struct region *into, const struct region *r)
{
    into->from = r->from < into->from ? r->from : into->from;
    into->to = r->to > into->to ? r->to : into->to;
    for (int i = 0; i < SIDES; i++) {
        into->first[i] = r->first[i] < into->first[i] ? r->first[i] : into->first[i];
        into->end[i] = r->end[i] > into->end[i] ? r->end[i] : into->end[i];
    }
}

/* A region behind all others, which may grow into them. */
static void push(struct texts *t, struct region r, bool lines)
{
    bool joined;

    do {
        joined = false;
        if (lines && is_conflict(t, &r))
            widen(t, &r);
        while (t->n > 0 && t->regions[t->n - 1].to > r.from) {
            join(&r, &t->regions[--t->n]);
            joined = true;
        }
    } while (joined);
    t->regions[t->n++] = r;
}

/* Hunks of the two that touch are one region. */
static void find_regions(struct texts *t, bool lines)
{
    size_t at[SIDES] = { 0, 0 };

    while (at[OURS] < t->hunks[OURS].n || at[THEIRS] < t->hunks[THEIRS].n) {
        struct region r = { SIZE_MAX, 0, { at[OURS], at[THEIRS] }, { at[OURS], at[THEIRS] } };
        bool grew = true;

        for (int i = 0; i < SIDES; i++)
            if (at[i] < t->hunks[i].n && t->hunks[i].all[at[i]].from < r.from)
                r.from = r.to = t->hunks[i].all[at[i]].from;
        while (grew) {
            grew = false;
            for (int i = 0; i < SIDES; i++) {
                if (at[i] == t->hunks[i].n || t->hunks[i].all[at[i]].from > r.to)
                    continue;
                if (t->hunks[i].all[at[i]].to > r.to)
                    r.to = t->hunks[i].all[at[i]].to;
                r.end[i] = ++at[i];
                grew = true;
            }
        }
        push(t, r, lines);
    }
}

/* ---- writing ----------------------------------------------------------------------- */

static void add(struct replica__buf *out, struct replica__slice s)
{
    replica__buf_add(out, s.data, s.len);
}

static void end_line(struct replica__buf *out)
{
    if (out->len > 0 && out->data[out->len - 1] != '\n')
        replica__buf_char(out, '\n');
}

static void write_both(const struct texts *t, const struct region *r, struct replica__buf *out)
{
    struct replica__slice ours = part(t, r, OURS);
    struct replica__slice theirs = part(t, r, THEIRS);

    end_line(out);
    replica__buf_str(out, "<<<<<<< server\n");
    add(out, theirs);
    end_line(out);
    replica__buf_str(out, "=======\n");
    add(out, ours);
    end_line(out);
    replica__buf_str(out, ">>>>>>> client");
    if (r->to < t->base.len || (ends_line(ours) && ends_line(theirs)))
        replica__buf_char(out, '\n');
}

static void write_region(struct merge *m, const struct texts *t, const struct rule *overlap,
                         const struct region *r, struct replica__buf *out)
{
    if (!is_conflict(t, r))
        add(out, part(t, r, changed(r, OURS) ? OURS : THEIRS));
    else if (!overlap)
        write_both(t, r, out);
    else if (overlap->kind == REPLICA__RULE_LAST_WRITE_WINS)
        add(out, part(t, r, replica__merge_later(m, overlap) == TAKE_OURS ? OURS : THEIRS));
    else
        add(out, part(t, r, overlap->kind == REPLICA__RULE_CLIENT_WINS ? OURS : THEIRS));
}

static void write_text(struct merge *m, const struct texts *t, const struct rule *overlap,
                       struct replica__buf *out)
{
    const char *base = slice(&t->base).data;
    size_t at = 0;

    for (size_t i = 0; i < t->n; i++) {
        replica__buf_add(out, base + at, t->regions[i].from - at);
        write_region(m, t, overlap, &t->regions[i], out);
        at = t->regions[i].to;
    }
    replica__buf_add(out, base + at, t->base.len - at);
}

enum take replica__merge_text(struct merge *m, const struct rule *rule, const struct three *v,
                              struct slot *slot)
{
    __attribute__((cleanup(texts_free))) struct texts t = { .n = 0 };
    REPLICA_BUF text = REPLICA_BUF_INIT;
    int r;

    if (v->ours.type == REPLICA_JSON_NONE)
        return TAKE_THEIRS; /* an edit and a removal: the edit stays */
    if (v->theirs.type == REPLICA_JSON_NONE)
        return TAKE_OURS;
    if (!merge_all(v, REPLICA_JSON_STRING))
        return TAKE_THEIRS;
    r = read_all(&t, v);
    if (r == 0) {
        find_regions(&t, !rule->other);
        write_text(m, &t, rule->other, &text);
        r = text.r;
    }
    if (r < 0) {
        m->r = r;
        return TAKE_THEIRS;
    }
    replica__buf_json_string(slot_open(slot), text.data ? text.data : "", text.len);
    return TAKE_WRITTEN;
}

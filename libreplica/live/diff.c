#include "libreplica/live/diff.h"

#include "base/alloc.h"

#include <stdbool.h>
#include <string.h>

void replica__live_diff_free(struct replica__live_diff *diff)
{
    for (size_t i = 0; i < diff->n; i++)
        replica_doc_unref(diff->list[i].doc);
    replica__free(diff->list);
    *diff = (struct replica__live_diff){ 0 };
}

int replica__live_diff_reserve(struct replica__live_diff *diff, size_t n)
{
    size_t room = diff->room ? diff->room : 8;
    replica_live_change *list;

    while (room < diff->n + n)
        room *= 2;
    if (room == diff->room)
        return 0;
    list = replica__realloc(diff->list, room, sizeof *list);
    if (!list)
        return REPLICA_ENOMEM;
    diff->list = list;
    diff->room = room;
    return 0;
}

void replica__live_diff_add(struct replica__live_diff *diff, int what, replica_doc *doc,
                            size_t from, size_t to)
{
    diff->list[diff->n++] = (replica_live_change){
        .what = what, .doc = replica_doc_ref(doc), .from = from, .to = to
    };
}

/* ---- between two results --------------------------------------------------------- */

static bool same_id(replica_doc *a, replica_doc *b)
{
    return a == b || strcmp(replica_doc_id(a), replica_doc_id(b)) == 0;
}

static bool same_state(replica_doc *a, replica_doc *b)
{
    return a == b || replica_doc_sequence(a) == replica_doc_sequence(b);
}

/* A document that is in both results, as the work goes on. */
struct common {
    size_t to;    /* its place in `now`, less the beginning that is the same */
    bool same;    /* nobody changed it */
    bool settled; /* in order among those that are settled */
    bool moved;   /* told already */
};

/* What is left when the common beginning and end are taken off. */
struct middle {
    replica_doc *const *was, *const *now;
    size_t was_n, now_n, begin;
    size_t *by_id;         /* places in now, in the order of ids */
    bool *added;           /* of now: not in was */
    struct common *common; /* in the order of was, then more and more in that of now */
    size_t n;
};

static void middle_free(struct middle *m)
{
    replica__free(m->by_id);
    replica__free(m->added);
    replica__free(m->common);
}
#define MIDDLE __attribute__((cleanup(middle_free))) struct middle

static const char *id_at(const struct middle *m, size_t i)
{
    return replica_doc_id(m->now[m->by_id[i]]);
}

static void sift_down(struct middle *m, size_t at, size_t n)
{
    for (size_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        size_t moved;

        if (child + 1 < n && strcmp(id_at(m, child), id_at(m, child + 1)) < 0)
            child++;
        if (strcmp(id_at(m, at), id_at(m, child)) >= 0)
            return;
        moved = m->by_id[at];
        m->by_id[at] = m->by_id[child];
        m->by_id[child] = moved;
        at = child;
    }
}

/* A heap sort: qsort() may allocate behind our door, and knows no context. */
static void sort_by_id(struct middle *m)
{
    for (size_t i = 0; i < m->now_n; i++)
        m->by_id[i] = i;
    for (size_t i = m->now_n / 2; i-- > 0;)
        sift_down(m, i, m->now_n);
    for (size_t n = m->now_n; n-- > 1;) {
        size_t last = m->by_id[n];

        m->by_id[n] = m->by_id[0];
        m->by_id[0] = last;
        sift_down(m, 0, n);
    }
}

#define NOWHERE ((size_t)-1)
static size_t place_in_now(const struct middle *m, replica_doc *doc)
{
    size_t low = 0, high = m->now_n;

    while (low < high) {
        size_t at = low + (high - low) / 2;
        int order = strcmp(id_at(m, at), replica_doc_id(doc));

        if (order == 0)
            return m->by_id[at];
        if (order < 0)
            low = at + 1;
        else
            high = at;
    }
    return NOWHERE;
}

/* From the end on, so that the places before it stay.  Fills m->common. */
static void tell_removed(struct replica__live_diff *diff, struct middle *m)
{
    size_t n = m->was_n; /* common is filled from its end */

    for (size_t i = m->was_n; i-- > 0;) {
        size_t to = place_in_now(m, m->was[i]);
        bool same = to != NOWHERE && same_state(m->was[i], m->now[to]);

        if (to == NOWHERE) {
            replica__live_diff_add(diff, REPLICA_LIVE_REMOVED, m->was[i], m->begin + i, 0);
            continue;
        }

        m->added[to] = false;
        m->common[--n] = (struct common){ .to = to, .same = same, .settled = same };
    }
    m->n = m->was_n - n;
    memmove(m->common, m->common + n, m->n * sizeof *m->common);
}

/* Those that did not change are in order.  Of the others, settle whatever stands between its
 * neighbours as it should. */
static void settle(struct middle *m)
{
    size_t before = NOWHERE;

    for (size_t i = 0; i < m->n; i++) {
        size_t next = i + 1;

        if (!m->common[i].settled) {
            while (next < m->n && !m->common[next].settled)
                next++;
            m->common[i].settled = (before == NOWHERE || before < m->common[i].to) &&
                                   (next == m->n || m->common[i].to < m->common[next].to);
        }
        if (m->common[i].settled)
            before = m->common[i].to;
    }
}

/* Take each that is not settled out, and put it before the first settled one that comes behind. */
static void tell_moved(struct replica__live_diff *diff, struct middle *m)
{
    for (size_t from = 0; from < m->n;) {
        struct common c = m->common[from];
        size_t to = 0;

        if (c.settled) {
            from++;
            continue;
        }
        memmove(&m->common[from], &m->common[from + 1], (m->n - from - 1) * sizeof c);
        while (to < m->n - 1 && !(m->common[to].settled && m->common[to].to > c.to))
            to++;
        memmove(&m->common[to + 1], &m->common[to], (m->n - 1 - to) * sizeof c);
        c.settled = true;
        c.moved = to != from;
        m->common[to] = c;
        if (c.moved)
            replica__live_diff_add(diff, REPLICA_LIVE_MOVED, m->now[c.to], m->begin + from,
                                   m->begin + to);
        if (to <= from)
            from++; /* here is now what stood before it, and is settled */
    }
}

static void tell_added(struct replica__live_diff *diff, const struct middle *m)
{
    for (size_t i = 0; i < m->now_n; i++) {
        if (m->added[i])
            replica__live_diff_add(diff, REPLICA_LIVE_ADDED, m->now[i], 0, m->begin + i);
    }
}

static void tell_changed(struct replica__live_diff *diff, const struct middle *m)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct common *c = &m->common[i];

        if (!c->same && !c->moved)
            replica__live_diff_add(diff, REPLICA_LIVE_CHANGED, m->now[c->to], m->begin + c->to,
                                   m->begin + c->to);
    }
}

static int middle_new(struct middle *m)
{
    size_t longer = m->was_n > m->now_n ? m->was_n : m->now_n;

    m->by_id = replica__alloc_zero(m->now_n, sizeof *m->by_id);
    m->added = replica__alloc_zero(m->now_n, sizeof *m->added);
    m->common = replica__alloc_zero(longer, sizeof *m->common);
    if (!m->by_id || !m->added || !m->common)
        return REPLICA_ENOMEM;
    memset(m->added, 1, m->now_n * sizeof *m->added);
    sort_by_id(m);
    return 0;
}

/* The middle: from the first place to the last that has different documents in the two. */
static struct middle middle_of(replica_doc *const *was, size_t was_n, replica_doc *const *now,
                               size_t now_n)
{
    size_t begin = 0;

    while (begin < was_n && begin < now_n && same_id(was[begin], now[begin]))
        begin++;
    while (was_n > begin && now_n > begin && same_id(was[was_n - 1], now[now_n - 1])) {
        was_n--;
        now_n--;
    }
    return (struct middle){ .was = begin ? was + begin : was, /* NULL where there was nothing */
                            .was_n = was_n - begin,
                            .now = begin ? now + begin : now,
                            .now_n = now_n - begin,
                            .begin = begin };
}

/* Outside the middle each document has its counterpart: those that changed, in `now`. */
static size_t changed_outside(struct replica__live_diff *diff, const struct middle *m,
                              replica_doc *const *was, replica_doc *const *now, size_t now_n)
{
    size_t end = m->begin + m->now_n, changed = 0;

    for (size_t i = m->begin ? 0 : end; i < now_n; i = i + 1 == m->begin ? end : i + 1) {
        size_t then = i < m->begin ? i : i - m->now_n + m->was_n;

        if (same_state(was[then], now[i]))
            continue;
        changed++;
        if (diff)
            replica__live_diff_add(diff, REPLICA_LIVE_CHANGED, now[i], i, i);
    }
    return changed;
}

int replica__live_diff_between(struct replica__live_diff *diff, replica_doc *const *was,
                               size_t was_n, replica_doc *const *now, size_t now_n)
{
    MIDDLE m = middle_of(was, was_n, now, now_n);
    size_t changed = changed_outside(NULL, &m, was, now, now_n);

    if (replica__live_diff_reserve(diff, m.was_n + m.now_n + changed) < 0 || middle_new(&m) < 0)
        return REPLICA_ENOMEM;
    tell_removed(diff, &m);
    settle(&m);
    tell_moved(diff, &m);
    tell_added(diff, &m);
    tell_changed(diff, &m);
    changed_outside(diff, &m, was, now, now_n);
    return 0;
}

/* Does a document match?
 *
 * The document's text is walked, never built into a tree.  Its members at top level are met once,
 * as far as the answer needs them; what was met is remembered for the terms that come later.  An
 * error (no memory, a pattern that took too long) ends the match. */
#include "libreplica/query/selector_value.h"

#include <string.h>

struct match {
    const struct replica__selector *selector;
    struct replica__json_iter members; /* of the document: what was not met yet */
    bool all_met;
    uint32_t met; /* bits of slots */
    struct replica__json_value values[SELECTOR_SLOTS];
    struct replica__looking looking;
};
_Static_assert(SELECTOR_SLOTS <= 32, "a bit for each slot");

static bool match_group(struct match *m, const struct replica__group *g,
                        struct replica__json_value root, bool slots);
static bool match_tests(struct match *m, const struct replica__test *tests, size_t n,
                        const struct replica__seen *seen);

/* ---- elemMatch, all -------------------------------------------------------------- */

static bool element_matches(struct match *m, const struct replica__test *t,
                            struct replica__json_value element)
{
    const struct replica__seen seen = { .value = element };

    if (!replica__look(&m->looking, element.text.len))
        return false;
    if (t->group)
        return match_group(m, t->group, element, false);
    if (t->test_count == 0)
        return element.type == REPLICA_JSON_OBJECT;
    return match_tests(m, t->tests, t->test_count, &seen);
}

static bool has_element(struct match *m, const struct replica__test *t,
                        struct replica__json_value a)
{
    struct replica__json_iter it = replica__json_iter(a);

    if (a.type != REPLICA_JSON_ARRAY)
        return false;
    while (m->looking.r == 0 && replica__json_next(&it)) {
        if (element_matches(m, t, it.value))
            return true;
    }
    return false;
}

static bool has_all(struct match *m, const struct replica__test *t, struct replica__json_value a)
{
    if (a.type != REPLICA_JSON_ARRAY || t->value_count + t->test_count == 0)
        return false;
    for (size_t i = 0; i < t->value_count; i++) {
        if (!replica__has_equal(&m->looking, a, t->values[i]))
            return false;
    }
    for (size_t i = 0; i < t->test_count; i++) {
        if (!has_element(m, &t->tests[i], a))
            return false;
    }
    return true;
}

/* ---- tests ----------------------------------------------------------------------- */

static bool match_any(struct match *m, const struct replica__test *t, struct replica__json_value v)
{
    struct replica__json_iter it = replica__json_iter(v);

    if (v.type != REPLICA_JSON_ARRAY)
        return replica__is_one(&m->looking, t, v);
    while (m->looking.r == 0 && replica__json_next(&it)) {
        if (replica__is_one(&m->looking, t, it.value))
            return true;
        if (t->op == TEST_REGEX && it.value.type == REPLICA_JSON_ARRAY) {
            struct replica__json_iter inner = replica__json_iter(it.value);

            while (m->looking.r == 0 && replica__json_next(&inner)) {
                if (replica__is_one(&m->looking, t, inner.value))
                    return true;
            }
        }
    }
    return false;
}

static bool match_test(struct match *m, const struct replica__test *t,
                       const struct replica__seen *seen)
{
    switch (t->op) {
    case TEST_EQ:
        return replica__is_eq(&m->looking, seen, t->value);
    case TEST_NE:
        return !replica__is_eq(&m->looking, seen, t->value);
    case TEST_IN:
        return replica__is_in(&m->looking, t, seen->value);
    case TEST_NIN:
        return !replica__is_in(&m->looking, t, seen->value);
    case TEST_EXISTS:
        return replica__is_there(&m->looking, seen) == t->wanted;
    case TEST_TYPE:
        return replica__has_type(t->types, seen->value);
    case TEST_SIZE:
        return replica__has_size(&m->looking, seen->value, t->size);
    case TEST_ELEM:
        return has_element(m, t, seen->value);
    case TEST_ALL:
        return has_all(m, t, seen->value);
    case TEST_NOT:
        return !match_tests(m, t->tests, t->test_count, seen);
    default:
        return match_any(m, t, seen->value);
    }
}

static bool match_tests(struct match *m, const struct replica__test *tests, size_t n,
                        const struct replica__seen *seen)
{
    for (size_t i = 0; i < n && m->looking.r == 0; i++) {
        if (!match_test(m, &tests[i], seen))
            return false;
    }
    return m->looking.r == 0;
}

/* ---- terms ----------------------------------------------------------------------- */

static size_t slot_of(const struct replica__selector *s, struct replica__slice spelled)
{
    for (size_t i = 0; i < s->slot_count; i++) {
        const struct replica__slice *name = &s->slots[i];

        if (spelled.len == name->len ? memcmp(spelled.data, name->data, name->len) == 0
                                     : spelled.len > name->len &&
                                           replica__json_string_is(spelled, name->data, name->len))
            return i;
    }
    return NO_SLOT;
}

/* The document's member of that slot: the walk goes on until it is met. */
static struct replica__json_value member(struct match *m, size_t slot)
{
    while (!(m->met & UINT32_C(1) << slot) && !m->all_met) {
        size_t met;

        if (!replica__json_next(&m->members)) {
            m->all_met = true;
            break;
        }
        met = slot_of(m->selector, m->members.name);
        if (met == NO_SLOT)
            continue;
        m->met |= UINT32_C(1) << met;
        m->values[met] = m->members.value;
    }
    return m->values[slot];
}

/* How much a path may have to be looked for in. */
static size_t reach(struct match *m, const struct replica__term *t, struct replica__json_value root,
                    bool slots)
{
    if (!m->looking.bounded)
        return 0;
    if (!slots || t->slot == NO_SLOT)
        return root.text.len;
    return t->path->n > 1 ? member(m, t->slot).text.len : 0;
}

static bool match_path(struct match *m, const struct replica__term *t,
                       struct replica__json_value root, bool slots)
{
    REPLICA_BUF room = REPLICA_BUF_INIT;
    struct replica__seen seen = { .path = t->path, .root = root };

    if (!replica__look(&m->looking, reach(m, t, root, slots)))
        return false;
    if (root.type != REPLICA_JSON_OBJECT && root.type != REPLICA_JSON_ARRAY)
        seen.value = root; /* an element of an array that is asked as a document */
    else if (slots && t->slot != NO_SLOT)
        seen.value = replica__path_resolve(t->path, 1, member(m, t->slot), &room);
    else
        seen.value = replica__path_resolve(t->path, 0, root, &room);
    if (room.r < 0)
        return replica__look_fail(&m->looking, room.r);
    return match_tests(m, t->tests, t->test_count, &seen);
}

static bool match_any_group(struct match *m, const struct replica__term *t,
                            struct replica__json_value root, bool slots)
{
    for (size_t i = 0; i < t->group_count && m->looking.r == 0; i++) {
        if (match_group(m, &t->groups[i], root, slots))
            return true;
    }
    return false;
}

static bool match_all_groups(struct match *m, const struct replica__term *t,
                             struct replica__json_value root, bool slots)
{
    for (size_t i = 0; i < t->group_count && m->looking.r == 0; i++) {
        if (!match_group(m, &t->groups[i], root, slots))
            return false;
    }
    return true;
}

static bool match_term(struct match *m, const struct replica__term *t,
                       struct replica__json_value root, bool slots)
{
    switch (t->kind) {
    case TERM_AND:
        return match_all_groups(m, t, root, slots);
    case TERM_OR:
        return match_any_group(m, t, root, slots);
    case TERM_NOR:
        return !match_any_group(m, t, root, slots);
    default:
        return match_path(m, t, root, slots);
    }
}

/* slots: root is the document. */
static bool match_group(struct match *m, const struct replica__group *g,
                        struct replica__json_value root, bool slots)
{
    for (size_t i = 0; i < g->n; i++) {
        if (!match_term(m, &g->terms[i], root, slots))
            return false;
    }
    return true;
}

static int match_document(const struct replica__selector *s, const char *json, size_t len,
                          bool bounded)
{
    struct match m;
    struct replica__json_value root;
    bool matches;

    if (!s)
        return 1;
    root = replica__json_value(json, len);
    m.selector = s;
    m.members = replica__json_iter(root);
    m.all_met = root.type != REPLICA_JSON_OBJECT;
    m.met = 0;
    m.looking = replica__look_begin(len, bounded);
    memset(m.values, 0, s->slot_count * sizeof(m.values[0]));
    matches = match_group(&m, &s->root, root, m.all_met == false);
    return m.looking.r < 0 ? m.looking.r : matches;
}

int replica__selector_match(const struct replica__selector *s, const char *json, size_t len)
{
    return match_document(s, json, len, false);
}

int replica__selector_match_within(const struct replica__selector *s, const char *json, size_t len)
{
    return match_document(s, json, len, true);
}

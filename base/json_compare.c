/* Do two texts that passed the gate have the same content?
 *
 * Members of two objects are met side by side as long as they come in the same order, which is
 * nearly always; from the first difference on both are sorted by name. */
#include "base/alloc.h"
#include "base/json_internal.h"

/* Both 1, 0, or REPLICA_ENOMEM, and recursive: the gate bounds the depth. */
static int equal_values(struct replica__json_value a, struct replica__json_value b, unsigned flags);

static int equal_arrays(struct replica__json_value a, struct replica__json_value b, unsigned flags)
{
    struct replica__json_iter at_a = replica__json_iter(a);
    struct replica__json_iter at_b = replica__json_iter(b);

    while (replica__json_next(&at_a)) {
        int r = replica__json_next(&at_b) ? equal_values(at_a.value, at_b.value, flags) : 0;

        if (r != 1)
            return r;
    }
    return !replica__json_next(&at_b);
}

/* What is left of two objects, in whatever order. */
static int equal_sorted(const struct replica__json_iter *a, const struct replica__json_iter *b,
                        unsigned flags)
{
    bool skip = flags & REPLICA_JSON_SKIP_RESERVED;
    size_t n_a = 0;
    size_t n_b = 0;
    REPLICA_FREE struct json_name *names_a = replica__json_names(*a, skip, &n_a);
    REPLICA_FREE struct json_name *names_b = replica__json_names(*b, skip, &n_b);

    if (!names_a || !names_b)
        return REPLICA_ENOMEM;
    if (n_a != n_b)
        return 0;
    for (size_t i = 0; i < n_a; i++) {
        if (replica__json_name_compare(&names_a[i], &names_b[i]) != 0)
            return 0;
    }
    for (size_t i = 0; i < n_a; i++) {
        int r = equal_values(replica__json_value_of(names_a[i].spelled, a->end),
                             replica__json_value_of(names_b[i].spelled, b->end),
                             flags & ~REPLICA_JSON_SKIP_RESERVED);

        if (r != 1)
            return r;
    }
    return 1;
}

static bool next_member(struct replica__json_iter *it, unsigned flags)
{
    do {
        if (!replica__json_next(it))
            return false;
    } while ((flags & REPLICA_JSON_SKIP_RESERVED) && json_name_reserved(it->name));
    return true;
}

static int equal_objects(struct replica__json_value a, struct replica__json_value b, unsigned flags)
{
    struct replica__json_iter at_a = replica__json_iter(a);
    struct replica__json_iter at_b = replica__json_iter(b);

    for (;;) {
        struct replica__json_iter before_a = at_a;
        struct replica__json_iter before_b = at_b;
        bool more_a = next_member(&at_a, flags);
        bool more_b = next_member(&at_b, flags);
        int r;

        if (!more_a || !more_b)
            return more_a == more_b;
        if (replica__json_string_compare(at_a.name, at_b.name) != 0)
            return equal_sorted(&before_a, &before_b, flags);
        r = equal_values(at_a.value, at_b.value, flags & ~REPLICA_JSON_SKIP_RESERVED);
        if (r != 1)
            return r;
    }
}

static struct replica__slice between_quotes(struct replica__json_value string)
{
    return (struct replica__slice){ string.text.data + 1, string.text.len - 2 };
}

static int equal_values(struct replica__json_value a, struct replica__json_value b, unsigned flags)
{
    if (a.type != b.type)
        return 0;
    if (a.text.len == b.text.len && memcmp(a.text.data, b.text.data, a.text.len) == 0)
        return 1;
    switch (a.type) {
    case REPLICA_JSON_NUMBER:
        if (flags & REPLICA_JSON_AS_JAVASCRIPT)
            return replica__json_double(a) == replica__json_double(b);
        return replica__json_number_compare(a.text, b.text) == 0;
    case REPLICA_JSON_STRING:
        return replica__json_string_compare(between_quotes(a), between_quotes(b)) == 0;
    case REPLICA_JSON_ARRAY:
        return equal_arrays(a, b, flags & ~REPLICA_JSON_SKIP_RESERVED);
    case REPLICA_JSON_OBJECT:
        return equal_objects(a, b, flags);
    default:
        return 1; /* null, true, false */
    }
}

int replica__json_equal(const char *a, size_t a_len, const char *b, size_t b_len, unsigned flags)
{
    return equal_values(replica__json_value(a, a_len), replica__json_value(b, b_len), flags);
}

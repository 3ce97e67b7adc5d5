/* Keeping one's own spelling of what somebody else printed again.
 *
 * A peer that reads numbers as doubles sends back 9007199254740992 where 9007199254740993 was, and
 * means no change.  Values are met by their names in objects; in arrays from the front as long as
 * they are the same, and from there on as seen from the end, so that what was added or removed in
 * one place does not part the others. */
#include "base/alloc.h"
#include "base/json_internal.h"

/* Deeper values are compared and kept as a whole: each level is compared once more than the one
 * above it. */
enum { MAX_WALK = 32 };

static void keep(struct replica__json_value stored, struct replica__json_value next, int depth,
                 struct replica__buf *out);

/* 1, 0, or 0 with the failure in out. */
static bool same(struct replica__json_value stored, struct replica__json_value next,
                 struct replica__buf *out)
{
    int r = stored.type == next.type
                ? replica__json_equal(stored.text.data, stored.text.len, next.text.data,
                                      next.text.len, REPLICA_JSON_AS_JAVASCRIPT)
                : 0;

    if (r < 0 && out->r == 0)
        out->r = r;
    return r > 0;
}

/* ---- objects --------------------------------------------------------------------- */

/* Finds members by name: the next one first, for they mostly come in the same order. */
struct finder {
    struct replica__json_value object;
    struct replica__json_iter it;
    struct json_name *sorted; /* once the order was another */
    size_t n;
    int r;
};

static void finder_free(struct finder *f)
{
    replica__free(f->sorted);
}

static struct replica__json_value find(struct finder *f, struct replica__slice name)
{
    const struct replica__json_value none = { REPLICA_JSON_NONE, { NULL, 0 } };
    struct json_name wanted;
    struct json_name *found;

    if (!f->sorted) {
        if (replica__json_next(&f->it) && replica__json_string_compare(f->it.name, name) == 0)
            return f->it.value;
        f->sorted = replica__json_names(replica__json_iter(f->object), false, &f->n);
        if (!f->sorted) {
            f->r = REPLICA_ENOMEM;
            return none;
        }
    }
    wanted = replica__json_name(name);
    found = replica__json_names_find(f->sorted, f->n, &wanted);
    return found ? replica__json_value_of(found->spelled,
                                          f->object.text.data + f->object.text.len)
                 : none;
}

/* The object as next has it, with the text between its values unchanged. */
static void keep_members(struct replica__json_value stored, struct replica__json_value next,
                         int depth, struct replica__buf *out)
{
    __attribute__((cleanup(finder_free))) struct finder f = {
        .object = stored, .it = replica__json_iter(stored)
    };
    struct replica__json_iter it = replica__json_iter(next);
    const char *at = next.text.data;

    while (out->r == 0 && replica__json_next(&it)) {
        replica__buf_add(out, at, (size_t)(it.value.text.data - at));
        keep(find(&f, it.name), it.value, depth + 1, out);
        at = it.at;
        if (f.r < 0 && out->r == 0)
            out->r = f.r;
    }
    replica__buf_add(out, at, (size_t)(next.text.data + next.text.len - at));
}

/* ---- arrays ---------------------------------------------------------------------- */

static size_t length(struct replica__json_value array)
{
    struct replica__json_iter it = replica__json_iter(array);
    size_t n = 0;

    while (replica__json_next(&it))
        n++;
    return n;
}

static void keep_elements(struct replica__json_value stored, struct replica__json_value next,
                          int depth, struct replica__buf *out)
{
    const struct replica__json_value none = { REPLICA_JSON_NONE, { NULL, 0 } };
    struct replica__json_iter old = replica__json_iter(stored);
    struct replica__json_iter it = replica__json_iter(next);
    size_t n_old = length(stored);
    size_t n_new = length(next);
    size_t removed = n_old > n_new ? n_old - n_new : 0;
    size_t added = n_new > n_old ? n_new - n_old : 0;
    const char *at = next.text.data;
    bool from_the_front = true;

    while (out->r == 0 && replica__json_next(&it)) {
        struct replica__json_iter ahead = old;

        replica__buf_add(out, at, (size_t)(it.value.text.data - at));
        at = it.at;
        if (from_the_front && replica__json_next(&ahead) && same(ahead.value, it.value, out)) {
            old = ahead;
            replica__buf_add(out, old.value.text.data, old.value.text.len);
            continue;
        }
        from_the_front = false;
        for (; removed > 0; removed--)
            replica__json_next(&old);
        if (added > 0) {
            added--;
            keep(none, it.value, depth + 1, out);
        } else {
            keep(replica__json_next(&old) ? old.value : none, it.value, depth + 1, out);
        }
    }
    replica__buf_add(out, at, (size_t)(next.text.data + next.text.len - at));
}

/* ---- both ------------------------------------------------------------------------ */

static void keep(struct replica__json_value stored, struct replica__json_value next, int depth,
                 struct replica__buf *out)
{
    if (same(stored, next, out))
        replica__buf_add(out, stored.text.data, stored.text.len);
    else if (stored.type != next.type || depth == MAX_WALK)
        replica__buf_add(out, next.text.data, next.text.len);
    else if (next.type == REPLICA_JSON_OBJECT)
        keep_members(stored, next, depth, out);
    else if (next.type == REPLICA_JSON_ARRAY)
        keep_elements(stored, next, depth, out);
    else
        replica__buf_add(out, next.text.data, next.text.len);
}

void replica__json_keep_spelling(const char *stored, size_t stored_len, const char *next,
                                 size_t next_len, struct replica__buf *out)
{
    keep(replica__json_value(stored, stored_len), replica__json_value(next, next_len), 0, out);
}

/* Keeping one's own spelling of what somebody else printed again. */
#include "base/json.h"

/* Depth of the walk; deeper values are compared and kept as a whole. */
#define MAX_WALK 32

static void keep(struct replica__json_value stored, struct replica__json_value next, int depth,
                 struct replica__buf *out);

static struct replica__json_value find(struct replica__json_value in, struct replica__slice name,
                                       struct replica__buf *scratch)
{
    replica__buf_clear(scratch);
    replica__json_unescape(name, scratch);
    if (scratch->r < 0)
        return (struct replica__json_value){ .type = REPLICA_JSON_NONE };
    return replica__json_member(in, scratch->data ? scratch->data : "", scratch->len);
}

/* The object as next has it, with the text between its values unchanged. */
static void keep_members(struct replica__json_value stored, struct replica__json_value next,
                         int depth, struct replica__buf *out)
{
    REPLICA_BUF scratch = REPLICA_BUF_INIT;
    struct replica__json_iter it = replica__json_iter(next);
    const char *at = next.text.data;

    while (replica__json_next(&it)) {
        replica__buf_add(out, at, (size_t)(it.value.text.data - at));
        keep(find(stored, it.name, &scratch), it.value, depth + 1, out);
        at = it.value.text.data + it.value.text.len;
    }
    replica__buf_add(out, at, (size_t)(next.text.data + next.text.len - at));
    if (scratch.r < 0 && out->r == 0)
        out->r = scratch.r;
}

static void keep(struct replica__json_value stored, struct replica__json_value next, int depth,
                 struct replica__buf *out)
{
    int same = stored.type != next.type
                   ? 0
                   : replica__json_equal(stored.text.data, stored.text.len, next.text.data,
                                         next.text.len, REPLICA_JSON_AS_JAVASCRIPT);

    if (same > 0)
        replica__buf_add(out, stored.text.data, stored.text.len);
    else if (same < 0 && out->r == 0)
        out->r = same;
    else if (stored.type == REPLICA_JSON_OBJECT && next.type == REPLICA_JSON_OBJECT &&
             depth < MAX_WALK)
        keep_members(stored, next, depth, out);
    else
        replica__buf_add(out, next.text.data, next.text.len);
}

void replica__json_keep_spelling(const char *stored, size_t stored_len, const char *next,
                                 size_t next_len, struct replica__buf *out)
{
    keep(replica__json_value(stored, stored_len), replica__json_value(next, next_len), 0, out);
}

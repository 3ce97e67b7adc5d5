/* JSON merge patch (RFC 7396) on texts: what the patch does not name keeps its bytes. */
#include "base/alloc.h"
#include "base/json_internal.h"

#include <assert.h>

/* Append a value of the patch that meets no object: what is null within its objects is left out. */
static void add_without_nulls(struct replica__json_value v, struct replica__buf *out)
{
    struct json_edit e;

    if (v.type != REPLICA_JSON_OBJECT) {
        replica__buf_add(out, v.text.data, v.text.len);
        return;
    }
    e = replica__json_edit(v, out);
    while (replica__json_edit_next(&e)) {
        struct replica__json_value member = e.it.value;

        if (member.type == REPLICA_JSON_NULL) {
            replica__json_edit_cut(&e);
        } else if (member.type == REPLICA_JSON_OBJECT) {
            replica__json_edit_replace(&e);
            add_without_nulls(member, out);
        } else {
            replica__json_edit_keep(&e);
        }
    }
    replica__json_edit_finish(&e);
}

/* The names of a patch, and which of them the target has as well. */
struct names {
    struct json_name *sorted;
    size_t n;
    bool *met; /* beside sorted */
};

static struct json_name *find(const struct names *names, struct replica__slice spelled)
{
    struct json_name name = replica__json_name(spelled);

    return replica__json_names_find(names->sorted, names->n, &name);
}

static void add_new_members(struct json_edit *e, struct replica__json_value patch,
                            const struct names *names)
{
    struct replica__json_iter it = replica__json_iter(patch);

    while (replica__json_next(&it)) {
        if (it.value.type == REPLICA_JSON_NULL || names->met[find(names, it.name) - names->sorted])
            continue;
        replica__json_edit_append(e);
        replica__buf_add(e->out, it.name.data - 1, it.name.len + 2);
        replica__buf_char(e->out, ':');
        add_without_nulls(it.value, e->out);
    }
}

static void merge(struct replica__json_value target, struct replica__json_value patch,
                  struct replica__buf *out)
{
    struct json_edit e = replica__json_edit(target, out);
    struct names names = { NULL, 0, NULL };
    REPLICA_FREE struct json_name *sorted =
        replica__json_names(replica__json_iter(patch), false, &names.n);
    REPLICA_FREE bool *met = replica__alloc_zero(names.n, sizeof(*met));

    if (!sorted || !met) {
        if (out->r == 0)
            out->r = REPLICA_ENOMEM;
        return;
    }
    names.sorted = sorted;
    names.met = met;
    while (replica__json_edit_next(&e)) {
        struct json_name *name = find(&names, e.it.name);
        struct replica__json_value old = e.it.value;
        struct replica__json_value v;

        if (!name) {
            replica__json_edit_keep(&e);
            continue;
        }
        met[name - sorted] = true;
        v = replica__json_value_of(name->spelled, patch.text.data + patch.text.len);
        if (v.type == REPLICA_JSON_NULL) {
            replica__json_edit_cut(&e);
            continue;
        }
        replica__json_edit_replace(&e);
        if (v.type == REPLICA_JSON_OBJECT && old.type == REPLICA_JSON_OBJECT)
            merge(old, v, out);
        else
            add_without_nulls(v, out);
    }
    add_new_members(&e, patch, &names);
    replica__json_edit_finish(&e);
}

void replica__json_merge_patch(const char *target, size_t target_len, const char *patch,
                               size_t patch_len, struct replica__buf *out)
{
    struct replica__json_value t = replica__json_value(target, target_len);
    struct replica__json_value p = replica__json_value(patch, patch_len);

    assert(t.type == REPLICA_JSON_OBJECT && p.type == REPLICA_JSON_OBJECT);
    merge(t, p, out);
}

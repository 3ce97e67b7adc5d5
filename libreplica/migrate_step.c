/* Steps: from the text of one version to that of the next, by functions of the program. */
#include "libreplica/document.h"
#include "libreplica/migrate.h"
#include "libreplica/shape.h"
#include "libreplica/text.h"

#include <string.h>

/* What a step may say of why it failed. */
#define REASON 300

int replica__steps_copy(const replica_migration *steps, size_t n, struct replica__steps **ret_steps,
                        replica_error *err)
{
    struct replica__steps *copy;

    if (n == 0)
        return 0;
    if (!steps)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no migrations where some are counted");
    for (size_t i = 0; i < n; i++) {
        if (!steps[i].up || steps[i].to < 1)
            return replica__error_set(err, REPLICA_EINVAL, 0,
                                      "migration %zu has no function, or leads to version %d", i,
                                      steps[i].to);
        if (steps[i].down)
            return replica__error_set(err, REPLICA_ENOTSUP, 0,
                                      "migration %zu: a way back is not supported yet", i);
        for (size_t j = 0; j < i; j++) {
            if (steps[i].to == steps[j].to)
                return replica__error_set(err, REPLICA_EINVAL, 0,
                                          "two migrations lead to version %d", steps[i].to);
        }
    }
    copy = replica__alloc(sizeof *copy + n * sizeof copy->step[0]);
    if (!copy)
        return replica__enomem(err);
    copy->n = n;
    memcpy(copy->step, steps, n * sizeof copy->step[0]);
    *ret_steps = copy;
    return 0;
}

static const replica_migration *step_to(const struct replica__steps *steps, int64_t to)
{
    for (size_t i = 0; steps && i < steps->n; i++) {
        if (steps->step[i].to == to)
            return &steps->step[i];
    }
    return NULL;
}

int replica__steps_check(const struct replica__steps *steps, const char *collection, int from,
                         int to, replica_error *err)
{
    for (int v = from; v < to; v++) {
        if (!step_to(steps, v + 1))
            return replica__error_set(err, REPLICA_EINVAL, v + 1,
                                      "'%s' has documents of version %d, and there is no migration"
                                      " to version %d", collection, v, v + 1);
    }
    return 0;
}

/* Each version's text must be a document of the same key; the last one passes the collection's
 * gate. */
static int check_text(const replica_collection *coll, const char *id, bool last,
                      struct replica__slice *text, replica_error *why)
{
    struct replica__json_doc found;
    size_t pos = 0;
    int r = replica__json_scan(text->data, text->len, &pos, coll->key, &coll->db->limits, &found,
                               why);

    while (r >= 0 && pos < text->len && memchr(" \t\r\n", text->data[pos], 4))
        pos++;
    if (r >= 0 && pos < text->len)
        r = replica__error_set(why, REPLICA_EJSON, 0, "text behind the object");
    if (r >= 0 && found.reserved)
        r = replica__error_set(why, REPLICA_EJSON, 0,
                               "names with a leading underscore are reserved");
    if (r >= 0 && (!found.key.data || !replica__json_string_is(found.key, id, strlen(id))))
        r = replica__error_set(why, REPLICA_EJSON, 0, "the primary key '%s' is not '%s'",
                               coll->key, id);
    if (r >= 0 && last)
        r = replica__shape_check(coll, NULL, found.text.data, found.text.len, why);
    if (r >= 0)
        *text = found.text;
    return r;
}

/* What a step's answer means: REPLICA_MIGRATE_..., and the text of the next version. */
static int judge(const replica_collection *coll, replica_doc *doc, int64_t to, int made,
                 const struct replica__buf *out, struct replica__slice *ret_text,
                 replica_error *why)
{
    int r;

    if (made == REPLICA_MIGRATE_DROP)
        return made;
    if (made < 0 || made > REPLICA_MIGRATE_DROP)
        return replica__error_set(why, REPLICA_EUSER, 0, "%.*s", REASON,
                                  out->r == 0 && out->len > 0 ? out->data : "the step failed");
    if (made == REPLICA_MIGRATE_PUT && out->r < 0)
        return replica__error_set(why, out->r, 0, "the step's text is too large");
    if (made == REPLICA_MIGRATE_PUT)
        *ret_text = (struct replica__slice){ out->data ? out->data : "", out->len };
    else
        ret_text->data = replica_doc_json(doc, &ret_text->len);
    r = check_text(coll, replica_doc_id(doc), to == coll->version, ret_text, why);
    return r < 0 ? r : made;
}

/* One step; what it makes takes the place of *doc. */
static int run_step(const replica_collection *coll, replica_doc **doc, int64_t to,
                    replica_error *err)
{
    const replica_migration *step = step_to(coll->steps, to);
    replica_text out = { .buf = { .max = coll->db->limits.max_bytes } };
    replica_error why = { .offset = -1 };
    struct replica__slice text;
    replica_doc *next;
    int r;

    if (step)
        r = judge(coll, *doc, to, step->up(step->ctx, *doc, &out), &out.buf, &text, &why);
    else
        r = replica__error_set(&why, REPLICA_EINVAL, 0, "there is no step to it");
    if (r == REPLICA_ENOMEM) {
        replica__enomem(err);
    } else if (r < 0) {
        replica__error_set(err, r, 0, "'%s' cannot be migrated to version %lld: %s",
                           replica_doc_id(*doc), (long long)to, why.message);
        replica__error_where(err, "%s/%s", coll->name, replica_doc_id(*doc));
    } else if (r != REPLICA_MIGRATE_DROP) {
        next = replica__doc_with_text(*doc, text.data, text.len, to);
        if (next) {
            replica_doc_unref(*doc);
            *doc = next;
        } else {
            r = replica__enomem(err);
        }
    }
    replica__buf_free(&out.buf);
    return r;
}

int replica__migrate_state(const replica_collection *coll, replica_doc *doc, replica_doc **ret_doc,
                           replica_error *err)
{
    REPLICA_DOC at = replica_doc_ref(doc);
    const char *before, *after;
    size_t before_len, len;

    for (int64_t v = replica__doc_version(doc); v < coll->version; v++) {
        int r = run_step(coll, &at, v + 1, err);

        if (r < 0)
            return r;
        if (r == REPLICA_MIGRATE_DROP)
            return REPLICA__MIGRATED_DROP;
    }
    before = replica_doc_json(doc, &before_len);
    after = replica_doc_json(at, &len);
    *ret_doc = replica_doc_ref(at);
    return len == before_len && memcmp(before, after, len) == 0 ? REPLICA__MIGRATED_SAME
                                                                : REPLICA__MIGRATED_TEXT;
}

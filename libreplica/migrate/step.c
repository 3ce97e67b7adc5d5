/* Steps: from the text of one version to that of the next, by functions of the program. */
#include "base/arena.h"
#include "libreplica/document.h"
#include "libreplica/migrate/migrate.h"
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

/* One step, up to this version or down to it; what it makes takes the place of *doc. */
static int run_step(const replica_collection *coll, replica_doc **doc, int64_t to, bool down,
                    replica_error *err)
{
    const replica_migration *step = step_to(coll->steps, to + down);
    replica_migrate_fn fn = !step ? NULL : down ? step->down : step->up;
    replica_text out = { .buf = { .max = coll->db->limits.max_bytes } };
    replica_error why = { .offset = -1 };
    struct replica__slice text;
    replica_doc *next;
    int r;

    if (fn)
        r = judge(coll, *doc, to, fn(step->ctx, *doc, &out), &out.buf, &text, &why);
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
        int r = run_step(coll, &at, v + 1, false, err);

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

bool replica__migrate_leads_down(const replica_collection *coll, int64_t version)
{
    for (int64_t v = coll->version; v > version; v--) {
        const replica_migration *step = step_to(coll->steps, v);

        if (!step || !step->down)
            return false;
    }
    return true;
}

/* The text of one row for its endpoint, into the page's arena. */
static int lower_row(struct replica__push_page *page, struct replica__push_row *row,
                     replica_error *why)
{
    REPLICA_DOC made = NULL;
    REPLICA_DOC at = NULL;
    const char *json;
    int r = replica__doc_new(row->coll, row->id, row->json, row->len, row->deleted, &made, why);

    if (r < 0)
        return r;
    at = replica__doc_with_text(made, row->json, row->len, row->version);
    if (!at)
        return replica__enomem(why);
    for (int64_t v = row->version; v > row->endpoint; v--) {
        r = run_step(row->coll, &at, v - 1, true, why);
        if (r == REPLICA_MIGRATE_DROP)
            return replica__error_set(why, REPLICA_EVERSION, (int)(v - 1),
                                      "it has no place in the server's version %lld",
                                      (long long)(v - 1));
        if (r < 0)
            return r;
    }
    json = replica_doc_json(at, &row->len);
    row->json = replica__arena_copy(page->arena, json, row->len);
    row->version = row->endpoint;
    return row->json ? 0 : replica__enomem(why);
}

bool replica__push_page_is_high(const struct replica__push_page *page)
{
    for (size_t i = 0; i < page->n; i++) {
        if (page->rows[i].version > page->rows[i].endpoint)
            return true;
    }
    return false;
}

int replica__push_page_lower(struct replica__push_page *page, replica_error *err)
{
    for (size_t i = 0; i < page->n; i++) {
        struct replica__push_row *row = &page->rows[i];
        replica_error why = { .offset = -1 };
        int r;

        if (row->version <= row->endpoint)
            continue;
        r = lower_row(page, row, &why);
        if (r >= 0)
            continue;
        if (r != REPLICA_ENOMEM && row->deleted) { /* a tombstone goes as it is */
            row->version = row->endpoint;
            continue;
        }
        row->held = r;
        row->why = r == REPLICA_ENOMEM ? NULL : replica__arena_text(page->arena, why.message);
        if (!row->why)
            return replica__enomem(err);
    }
    return 0;
}

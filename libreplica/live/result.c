#include "libreplica/live/result.h"

#include "libreplica/document.h"
#include "libreplica/migrate/migrate.h"

#include <limits.h>
#include <string.h>

/* Documents that are kept behind the window's end; up to twice as many before they are let go. */
#define MARGIN 50

/* ---- the query ------------------------------------------------------------------- */

/* The parts of the query that decide which documents match and in which order.  The others are
 * ours: what is outside the window is looked at, too, and fields are cut out behind the search. */
static void keep_parts(const char *query, size_t len, struct replica__buf *out)
{
    static const char *const parts[] = { "selector", "sort", "index" };
    struct replica__json_value all = replica__json_value(query, len);

    replica__buf_str(out, "{");
    for (int i = 0; i < 3; i++) {
        struct replica__json_value part = replica__json_member(all, parts[i], REPLICA_NUL);

        if (part.type == REPLICA_JSON_NONE)
            continue;
        if (out->len > 1)
            replica__buf_char(out, ',');
        replica__buf_json_string(out, parts[i], strlen(parts[i]));
        replica__buf_char(out, ':');
        replica__buf_add(out, part.text.data, part.text.len);
    }
}

int replica__live_result_new(replica_collection *coll, const char *query, size_t len,
                             struct replica__live_result **ret, replica_error *err)
{
    struct replica__live_result *result = replica__alloc_zero(1, sizeof *result);
    REPLICA_BUF text = REPLICA_BUF_INIT;
    int r;

    if (!result)
        return replica__enomem(err);
    if (len == REPLICA_NUL)
        len = strlen(query);
    r = replica__query_parse(query, len, &result->query, err);
    if (r >= 0) {
        keep_parts(query, len, &text);
        result->text = replica__buf_take(&text, NULL);
        r = result->text ? 0 : replica__enomem(err);
    }
    if (r < 0) {
        replica__live_result_free(result);
        return r;
    }
    result->coll = coll;
    result->windowed = result->query->skip > 0 || result->query->limit >= 0;
    result->stale = true;
    *ret = result;
    return 0;
}

static void free_shown(replica_doc **shown, size_t n)
{
    for (size_t i = 0; i < n; i++)
        replica_doc_unref(shown[i]);
    replica__free(shown);
}

void replica__live_result_free(struct replica__live_result *result)
{
    if (!result)
        return;
    replica__query_free(result->query);
    replica__free(result->text);
    replica__live_set_free(&result->set);
    free_shown(result->shown, result->shown_n);
    replica__live_diff_free(&result->diff);
    replica__buf_free(&result->bound);
    replica__buf_free(&result->key);
    replica__buf_free(&result->body);
    replica__free(result);
}

/* ---- the window ------------------------------------------------------------------ */

static size_t skip_of(const struct replica__live_result *result)
{
    return (size_t)result->query->skip;
}

/* Where the window ends; SIZE_MAX: nowhere. */
static size_t end_of(const struct replica__live_result *result)
{
    size_t limit = (size_t)result->query->limit;

    if (result->query->limit < 0 || limit > SIZE_MAX - skip_of(result))
        return SIZE_MAX;
    return skip_of(result) + limit;
}

/* How many documents are kept; SIZE_MAX: all. */
static size_t wanted(const struct replica__live_result *result)
{
    size_t end = end_of(result);

    return end > INT64_MAX - MARGIN ? SIZE_MAX : end + MARGIN;
}

size_t replica__live_result_count(const struct replica__live_result *result)
{
    return result->windowed ? result->shown_n : result->set.n;
}

replica_doc *replica__live_result_at(const struct replica__live_result *result, size_t place)
{
    if (place >= replica__live_result_count(result))
        return NULL;
    return result->windowed ? result->shown[place] : result->set.at[place]->doc;
}

/* From now on the set is what matches up to its last document. */
static int bind_to_last(struct replica__live_result *result, struct replica__live_set *set)
{
    const struct replica__placed *last = set->at[set->n - 1];

    replica__buf_clear(&result->bound);
    replica__buf_add(&result->bound, last->key, last->len);
    if (result->bound.r < 0)
        return REPLICA_ENOMEM;
    result->all = false;
    return 0;
}

/* Let go of what is far behind the window. */
static int trim(struct replica__live_result *result)
{
    size_t want = wanted(result);

    if (want == SIZE_MAX || result->set.n <= want + MARGIN)
        return 0;
    while (result->set.n > want)
        replica__placed_free(replica__live_set_take(&result->set, result->set.n - 1));
    return bind_to_last(result, &result->set);
}

/* ---- following ------------------------------------------------------------------- */

/* Does it match, and is it before the bound?  Leaves its place in result->key. */
static int belongs(struct replica__live_result *result, const struct replica__row *row,
                   replica_error *err)
{
    struct replica__buf *key = &result->key;
    int r;

    if (row->flags & REPLICA__FLAG_DELETED)
        return 0;
    r = replica__migrate_shows(result->coll, row, err);
    if (r <= 0)
        return r;
    r = replica__selector_match(result->query->selector, row->body, row->len);
    if (r < 0)
        replica__error_set(err, r, 0, r == REPLICA_ELIMIT ? "a regular expression took too long"
                                                          : "no memory");
    if (r <= 0)
        return r;
    replica__buf_clear(key);
    replica__query_place(result->query, row->body, row->len, row->id, row->id_len, key);
    if (key->r < 0)
        return replica__enomem(err);
    if (result->all)
        return 1;
    return replica__key_order(key->data, key->len, result->bound.data, result->bound.len) <= 0;
}

/* The row as it stands in the result, with the place that result->key says. */
static int place_row(struct replica__live_result *result, const struct replica__row *row,
                     struct replica__placed **ret, replica_error *err)
{
    struct replica__row shown = *row;
    REPLICA_DOC doc = NULL;
    struct replica__placed *placed;
    int r;

    if (result->query->field_count > 0) {
        replica__buf_clear(&result->body);
        replica__query_project(result->query, result->coll->key, row->body, row->len,
                               &result->body);
        if (result->body.r < 0)
            return replica__enomem(err);
        shown.body = result->body.data;
        shown.len = result->body.len;
    }
    r = replica__row_doc(result->coll->db, result->coll->name, &shown, &doc, err);
    if (r < 0)
        return r;
    placed = replica__placed_new(doc, result->key.data, result->key.len);
    if (!placed)
        return replica__enomem(err);
    *ret = placed;
    return 0;
}

static void note(struct replica__live_result *result, int what, replica_doc *doc, size_t from,
                 size_t to)
{
    result->touched = true;
    if (!result->windowed)
        replica__live_diff_add(&result->diff, what, doc, from, to);
}

static size_t place_of(const struct replica__live_result *result, const struct replica__placed *p)
{
    return replica__live_set_before(&result->set, p->key, p->len);
}

/* There is room for one more in the set and in the diff. */
static void apply(struct replica__live_result *result, struct replica__placed *old,
                  struct replica__placed *now)
{
    size_t from = old ? place_of(result, old) : 0;
    size_t to = now ? place_of(result, now) : 0;

    if (old && now && replica__place_compare(old, now->key, now->len) == 0) {
        replica__live_set_replace(&result->set, from, now);
        note(result, REPLICA_LIVE_CHANGED, now->doc, from, from);
        return;
    }
    if (old) {
        replica__live_set_take(&result->set, from);
        to -= now && to > from;
    }
    if (now)
        replica__live_set_put(&result->set, to, now);
    if (!old)
        note(result, REPLICA_LIVE_ADDED, now->doc, 0, to);
    else if (!now)
        note(result, REPLICA_LIVE_REMOVED, old->doc, from, 0);
    else
        note(result, from == to ? REPLICA_LIVE_CHANGED : REPLICA_LIVE_MOVED, now->doc, from, to);
    replica__placed_free(old);
}

static int follow(struct replica__live_result *result, const struct replica__row *row,
                  replica_error *err)
{
    struct replica__placed *old = replica__live_set_find(&result->set, row->id);
    struct replica__placed *now = NULL;
    int r;

    if (old && replica_doc_sequence(old->doc) >= row->seq)
        return 0;
    r = belongs(result, row, err);
    if (r < 0 || (r == 0 && !old))
        return r;
    if (replica__live_set_reserve(&result->set) < 0 ||
        replica__live_diff_reserve(&result->diff, 1) < 0)
        return replica__enomem(err);
    if (r > 0)
        r = place_row(result, row, &now, err);
    if (r < 0)
        return r;
    apply(result, old, now);
    return trim(result) < 0 ? replica__enomem(err) : 0;
}

int replica__live_result_follow(struct replica__live_result *result, const struct replica__row *row,
                                replica_error *err)
{
    int r = result->stale ? 0 : follow(result, row, err);

    if (r < 0)
        result->stale = true;
    return r;
}

/* ---- running the query ----------------------------------------------------------- */

static void cursor_close(replica_cursor **cursor)
{
    replica_cursor_close(*cursor);
}
static void set_free(struct replica__live_set *set)
{
    replica__live_set_free(set);
}

static int place_doc(struct replica__live_result *result, replica_doc *doc,
                     struct replica__live_set *set, replica_error *err)
{
    const struct replica__query *q = result->query;
    const char *id = replica_doc_id(doc);
    REPLICA_DOC cut = NULL;
    struct replica__placed *placed;
    size_t len = 0;
    const char *json = replica_doc_json(doc, &len);

    replica__buf_clear(&result->key);
    replica__query_place(q, json, len, id, strlen(id), &result->key);
    if (result->key.r < 0)
        return replica__enomem(err);
    if (q->field_count > 0) {
        replica__buf_clear(&result->body);
        replica__query_project(q, result->coll->key, json, len, &result->body);
        cut = result->body.r < 0 ? NULL
                                 : replica__doc_with_text(doc, result->body.data, result->body.len,
                                                          replica__doc_version(doc));
        if (!cut)
            return replica__enomem(err);
    }
    if (replica__live_set_reserve(set) < 0)
        return replica__enomem(err);
    placed = replica__placed_new(cut ? cut : doc, result->key.data, result->key.len);
    if (!placed)
        return replica__enomem(err);
    replica__live_set_put(set, replica__live_set_before(set, placed->key, placed->len), placed);
    return 0;
}

static int collect(struct replica__live_result *result, size_t limit,
                   struct replica__live_set *set, replica_error *err)
{
    __attribute__((cleanup(cursor_close))) replica_cursor *cursor = NULL;
    REPLICA_BUF text = REPLICA_BUF_INIT;
    replica_doc *doc = NULL;
    int r;

    replica__buf_str(&text, result->text);
    if (limit != SIZE_MAX)
        replica__buf_printf(&text, "%s\"limit\":%zu", text.len > 1 ? "," : "", limit);
    replica__buf_char(&text, '}');
    if (text.r < 0)
        return replica__enomem(err);
    r = replica_find(result->coll, text.data, text.len, &cursor, err);
    while (r >= 0 && (r = replica_cursor_next(cursor, &doc, err)) > 0)
        r = place_doc(result, doc, set, err);
    return r;
}

static replica_doc **docs_of(const struct replica__live_set *set, size_t from, size_t to)
{
    replica_doc **docs = replica__alloc_zero(to - from, sizeof(replica_doc *));

    for (size_t i = from; docs && i < to; i++)
        docs[i - from] = set->at[i]->doc;
    return docs;
}

/* The differences between what there was and the whole of set. */
static int compare_all(struct replica__live_result *result, const struct replica__live_set *set,
                       replica_error *err)
{
    REPLICA_FREE replica_doc **was = docs_of(&result->set, 0, result->set.n);
    REPLICA_FREE replica_doc **now = docs_of(set, 0, set->n);

    if (!was || !now ||
        replica__live_diff_between(&result->diff, was, result->set.n, now, set->n) < 0)
        return replica__enomem(err);
    return 0;
}

static int run_again(struct replica__live_result *result, replica_error *err)
{
    __attribute__((cleanup(set_free))) struct replica__live_set set = { 0 };
    struct replica__live_set old;
    size_t limit = wanted(result);
    int r = collect(result, limit, &set, err);

    if (r >= 0 && !result->windowed)
        r = compare_all(result, &set, err);
    if (r >= 0 && limit != SIZE_MAX && set.n == limit)
        r = bind_to_last(result, &set) < 0 ? replica__enomem(err) : 0;
    else if (r >= 0)
        result->all = true;
    if (r < 0)
        return r;
    old = result->set;
    result->set = set;
    set = old;
    result->stale = false;
    result->touched = true;
    return 0;
}

/* ---- settling -------------------------------------------------------------------- */

static int compare_windows(struct replica__live_result *result, replica_error *err)
{
    size_t n = result->set.n, end = end_of(result), skip = skip_of(result);
    replica_doc **now;

    end = end < n ? end : n;
    skip = skip < end ? skip : end;
    now = docs_of(&result->set, skip, end);
    if (!now || replica__live_diff_between(&result->diff, result->shown, result->shown_n, now,
                                           end - skip) < 0) {
        replica__free(now);
        return replica__enomem(err);
    }
    for (size_t i = 0; i < end - skip; i++)
        replica_doc_ref(now[i]);
    free_shown(result->shown, result->shown_n);
    result->shown = now;
    result->shown_n = end - skip;
    result->touched = false;
    return 0;
}

int replica__live_result_settle(struct replica__live_result *result, replica_error *err)
{
    int r = 0;

    if (!result->all && result->set.n < end_of(result))
        result->stale = true;
    if (result->stale)
        r = run_again(result, err);
    if (r >= 0 && result->windowed && result->touched)
        r = compare_windows(result, err);
    return r;
}

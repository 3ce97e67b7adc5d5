#include "libreplica/rules.h"

#include "libreplica/accept.h"
#include "libreplica/document.h"
#include "libreplica/shape.h"
#include "libreplica/stamp.h"
#include "merge/merge.h"
#include "schema/collection.h"

#include <inttypes.h>
#include <string.h>

/* ---- opening --------------------------------------------------------------------- */

static bool has_composite_key(const replica_collection *coll)
{
    const struct replica__collection_schema *s =
        coll->schema ? replica__schema_collection(coll->schema) : NULL;

    return s && s->key_field_count > 0;
}

/* Rules that the collection can be held to. */
static int check(const replica_collection *coll, const struct replica__rules *rules,
                 replica_error *err)
{
    int r = replica__rules_check_document(rules, coll->key, err);

    if (r < 0)
        return r;
    if (replica__rules_delete(rules) == REPLICA__DELETE_KEEP_COPY && has_composite_key(coll))
        return replica__error_set(err, REPLICA_EINVAL, 0,
                                  "'%s' has a composite key: no copy can be kept under another one",
                                  coll->name);
    if (!coll->schema)
        return 0;
    r = replica__collection_schema_check_rules(coll->schema_json, strlen(coll->schema_json), rules,
                                               err);
    if (r < 0 && err)
        err->where[0] = '\0'; /* it is not the schema that is wrong; the message has the path */
    return r;
}

static int compile(const replica_collection *coll, const char *json, size_t len,
                   struct replica__rules **ret, replica_error *err)
{
    struct replica__rules *rules = NULL;
    int r = replica__rules_compile(json, len, &rules, err);

    if (r >= 0)
        r = check(coll, rules, err);
    if (r < 0) {
        replica__rules_unref(rules);
        return r;
    }
    *ret = rules;
    return 0;
}

int replica__rules_open(replica_collection *coll, const char *given, replica_error *err)
{
    struct replica__rules *own = coll->schema ? replica__schema_rules(coll->schema) : NULL;
    int r;

    if (given)
        return compile(coll, given, strlen(given), &coll->rules, err);
    r = own ? check(coll, own, err) : 0;
    if (r >= 0 && own)
        coll->rules = replica__rules_ref(own);
    return r;
}

void replica__rules_copy(replica_collection *coll, const replica_collection *from)
{
    replica__rules_unref(coll->rules);
    coll->rules = from->rules ? replica__rules_ref(from->rules) : NULL;
}

bool replica__rules_agree(const replica_collection *coll, const char *given)
{
    struct replica__rules *rules = NULL;
    bool same;

    if (!given)
        return true;
    if (!coll->rules || replica__rules_compile(given, strlen(given), &rules, NULL) < 0)
        return false;
    same = replica__rules_same(coll->rules, rules);
    replica__rules_unref(rules);
    return same;
}

void replica__rules_close(replica_collection *coll)
{
    replica__rules_unref(coll->rules);
    replica__rules_unref(coll->told);
    coll->rules = coll->told = NULL;
}

const char *replica_collection_rules(replica_collection *coll)
{
    return coll && coll->rules ? replica__rules_json(coll->rules) : NULL;
}

/* ---- what the replicator asks ----------------------------------------------------- */

/* Its own ones; else, where nothing else decides, the server's. */
static const struct replica__rules *rules_of(const replica_collection *coll)
{
    return coll->rules || coll->handler.resolve ? coll->rules : coll->told;
}

static bool counts(const replica_collection *coll)
{
    const struct replica__rules *rules = rules_of(coll);

    return (coll->handler.flags & REPLICA_HANDLER_ADDITIVE) != 0 ||
           (rules && replica__rules_additive(rules));
}

static bool is_copy_of_conflict(const char *id)
{
    const char *of = strrchr(id, '~');
    size_t token_len;
    int64_t number;

    return of && (replica__operation_read(of + 1, strlen(of + 1), &token_len, &number) ||
                  strspn(of + 1, "0123456789abcdef") == 16);
}

/* A copy that two replicas have made of one state is one copy. */
bool replica__unsettled_counts(const struct replica__unsettled *u)
{
    return counts(u->coll) &&
           (u->assumed || !is_copy_of_conflict(replica_doc_id(u->local)));
}

bool replica__collection_has_rules(const replica_collection *coll)
{
    return rules_of(coll) != NULL;
}

int replica__collection_tell_rules(replica_collection *coll, const char *json, size_t len,
                                   replica_error *err)
{
    struct replica__rules *rules = NULL;
    const char *own = coll->rules ? replica__rules_json(coll->rules) : NULL;
    int r;

    if (own || coll->handler.resolve)
        return !own || replica__json_equal(own, strlen(own), json, len, 0) <= 0;
    r = json ? compile(coll, json, len, &rules, err) : 0;
    if (r < 0)
        return r;
    replica__rules_unref(coll->told);
    coll->told = rules;
    return 0;
}

/* ---- merging --------------------------------------------------------------------- */

static struct replica__side side_of(const replica_db *db, replica_doc *doc)
{
    struct replica__side side = { 0 };
    const char *writer = replica_doc_writer(doc);

    if (!doc)
        return side;
    side.json = replica_doc_json(doc, &side.len);
    side.deleted = replica_doc_deleted(doc);
    side.stamp = replica__stamp_bound(db, replica__doc_stamp(doc));
    side.writer = *writer ? writer : NULL;
    return side;
}

/* What decides: the policy for deletions where there is one to decide, or the rule. */
static const char *name_of(const struct replica__rules *rules, const struct replica__unsettled *u)
{
    if (replica_doc_deleted(u->real) == replica_doc_deleted(u->local))
        return replica__rules_name(rules);
    switch (replica__rules_delete(rules)) {
    case REPLICA__DELETE_EDIT_WINS: return "edit-wins";
    case REPLICA__DELETE_DELETE_WINS: return "delete-wins";
    case REPLICA__DELETE_KEEP_COPY: return "keep-copy";
    default: return replica__rules_name(rules);
    }
}

/* What no document of the collection may be is no answer.  It is never filled: it is not new. */
static int check_text(const replica_collection *coll, const char *id,
                      const struct replica__buf *json, replica_error *err)
{
    REPLICA_ACCEPTED a = { 0 };

    return replica__accept_write(coll, id, json->data, json->len, "", &a, err);
}

/* The key of a copy, the same wherever it is made: of the write that made the state or, where
 * nobody tells that, of what it says. */
static void copy_id(replica_doc *edited, struct replica__buf *out)
{
    const char *writer = replica_doc_writer(edited);
    size_t len;
    const char *json = replica_doc_json(edited, &len);

    replica__buf_printf(out, "%s~", replica_doc_id(edited));
    if (*writer)
        replica__buf_str(out, writer);
    else
        replica__buf_printf(out, "%016" PRIx64, replica__json_digest(json, len));
}

static int make_copy(const struct replica__unsettled *u, struct replica__buf *out,
                     replica_error *err)
{
    replica_doc *edited = replica_doc_deleted(u->real) ? u->local : u->real;
    REPLICA_BUF id = REPLICA_BUF_INIT;
    REPLICA_BUF patch = REPLICA_BUF_INIT;
    size_t len;
    const char *json = replica_doc_json(edited, &len);

    copy_id(edited, &id);
    replica__buf_char(&patch, '{');
    replica__buf_json_string(&patch, u->coll->key, strlen(u->coll->key));
    replica__buf_char(&patch, ':');
    if (id.r >= 0)
        replica__buf_json_string(&patch, id.data, id.len);
    replica__buf_char(&patch, '}');
    if (id.r >= 0 && patch.r >= 0)
        replica__json_merge_patch(json, len, patch.data, patch.len, out);
    return id.r < 0 || patch.r < 0 || out->r < 0 ? replica__enomem(err)
                                                 : check_text(u->coll, NULL, out, err);
}

int replica__unsettled_merge(const struct replica__unsettled *u, struct replica__buf *out,
                             int *ret_how, const char **ret_rule, replica_error *err)
{
    const struct replica__rules *rules = rules_of(u->coll);
    const replica_db *db = u->coll->db;
    struct replica__side base = side_of(db, u->assumed);
    struct replica__side ours = side_of(db, u->local);
    struct replica__side theirs = side_of(db, u->real);
    int how = 0;
    int r = replica__merge3(rules, &base, &ours, &theirs, out, err);

    switch (r) {
    case REPLICA_MERGED_THEIRS: how = REPLICA__SETTLE_REAL; break;
    case REPLICA_MERGED_OURS: how = REPLICA__SETTLE_LOCAL; break;
    case REPLICA_MERGED_COPY:
        how = REPLICA__SETTLE_COPY;
        r = make_copy(u, out, err);
        break;
    case REPLICA_MERGED_ASK: break;
    case REPLICA_MERGED_TEXT:
        how = REPLICA__SETTLE_JSON;
        r = check_text(u->coll, replica_doc_id(u->local), out, err);
        break;
    }
    if (r < 0)
        return r;
    *ret_how = how;
    *ret_rule = name_of(rules, u);
    return 0;
}

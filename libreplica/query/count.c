/* How many match, and how that is found out. */
#include "libreplica/query/find.h"
#include "libreplica/migrate/migrate.h"
#include "libreplica/txn.h"

#include <string.h>

static int64_t window(const struct replica__query *q, int64_t count)
{
    count = count > q->skip ? count - q->skip : 0;
    return q->limit >= 0 && count > q->limit ? q->limit : count;
}

struct counting {
    const struct replica__asked *asked;
    bool matches;
    int64_t count, most;
};

static int take(void *ctx, const struct replica__row *row, replica_error *err)
{
    struct counting *c = ctx;
    int r = replica__asked_match(c->asked, c->matches, row, err);

    c->count += r > 0;
    return r < 0 ? r : c->count >= c->most;
}

static int count_matches(struct replica__reader *reader, const struct replica__asked *asked,
                         const struct replica__plan *plan, int64_t *ret_count, replica_error *err)
{
    const struct replica__query *q = asked->query;
    bool bounded = q->limit >= 0 && q->limit <= INT64_MAX - q->skip;
    struct counting c = { .asked = asked,
                          .matches = plan->matches,
                          .most = bounded ? q->limit + q->skip : INT64_MAX };
    struct replica__scan scan;
    int r;

    replica__scan_begin(&scan, reader, asked->coll, plan);
    r = c.most > 0 ? replica__scan_run(&scan, take, &c, err) : 0;
    replica__scan_end(&scan);
    *ret_count = c.count;
    return r;
}

static int count(const struct replica__asked *asked, int64_t *ret_count, replica_error *err)
{
    struct replica__reader *reader = NULL;
    struct replica__plan plan = { 0 };
    REPLICA_READ read = NULL;
    bool unseen;
    int r = replica__asked_plan(asked, &reader, &read, &plan, err);

    if (r < 0)
        return r;
    unseen = !plan.matches && replica__migrate_shows_all(asked->coll);
    if (unseen && !plan.dedupes && plan.kind == REPLICA__SCAN_ENTRIES)
        r = replica__scan_count(reader, &plan, ret_count, err);
    else if (unseen && plan.all)
        r = replica_collection_count(asked->coll, ret_count, err);
    else
        r = count_matches(reader, asked, &plan, ret_count, err);
    replica__plan_free(&plan);
    return r;
}

int replica_count(replica_collection *coll, const char *query, size_t len, int64_t *ret_count,
                  replica_error *err)
{
    REPLICA_ASKED asked = { 0 };
    int64_t found = 0;
    int r;

    if (!ret_count)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no place for the count");
    r = replica__ask(coll, query, len, &asked, err);
    if (r >= 0)
        r = count(&asked, &found, err);
    if (r < 0)
        return r;
    *ret_count = window(asked.query, found);
    return 0;
}

int replica_explain(replica_collection *coll, const char *query, size_t len, replica_plan *ret_plan,
                    replica_error *err)
{
    REPLICA_ASKED asked = { 0 };
    struct replica__reader *reader = NULL;
    struct replica__plan plan = { 0 };
    REPLICA_READ read = NULL;
    int r;

    if (!ret_plan)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no place for the plan");
    r = replica__ask(coll, query, len, &asked, err);
    if (r >= 0)
        r = replica__asked_plan(&asked, &reader, &read, &plan, err);
    if (r < 0)
        return r;
    replica__plan_show(&plan, coll, asked.query, ret_plan);
    replica__plan_free(&plan);
    return 0;
}

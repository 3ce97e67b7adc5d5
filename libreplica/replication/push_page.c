/* Rows of a page: texts and assumed states, as they stand in the file. */
#include "libreplica/replication/push_page.h"

#include "libreplica/migrate/migrate.h"
#include "libreplica/stamp.h"

#include <stdlib.h>
#include <string.h>

bool replica__page_is_full(const struct replica__page *p)
{
    return p->ended || p->out.n >= p->max_rows || p->bytes >= p->max_bytes;
}

static char *copy(struct replica__page *p, const char *text, size_t len)
{
    return replica__arena_copy(p->arena, text, len);
}

static size_t index_of(const struct replica__feed *feed, const replica_collection *coll)
{
    size_t i = 0;

    while (feed->colls[i] != coll)
        i++;
    return i;
}

/* The assumed state of a row, into the arena. */
static int copy_base(struct replica__page *p, const struct replica__state *s,
                     struct replica__push_row *row, replica_error *err)
{
    replica_db *db = p->repl->db;
    REPLICA_STMT stmt = NULL;
    struct replica__kept k;
    const char *incarnation = NULL;
    int r;

    if (s->incarnation && s->server_seq) {
        r = replica__token_text(db, s->incarnation, &incarnation, err);
        if (r < 0)
            return r;
        row->assumed_incarnation = copy(p, incarnation, strlen(incarnation));
        row->assumed_sequence = s->server_seq;
    }
    if (!s->base)
        return 0;
    r = replica__kept_get(db, s->base, &stmt, &k, err);
    if (r < 0)
        return r;
    row->assumed = copy(p, k.body, k.len);
    row->assumed_len = k.len;
    row->assumed_deleted = (k.flags & REPLICA__FLAG_DELETED) != 0;
    p->bytes += k.len;
    return 0;
}

/* What of a stored state a row needs. */
struct state_text {
    int64_t seq, stamp, writer, wseq, flags, version;
    const char *bundle, *body;
    size_t len;
};

/* with: the row's assumed state. */
static int add_row(struct replica__page *p, const struct replica__row *doc,
                   const struct replica__push_row *with, const struct state_text *t, bool again,
                   replica_error *err)
{
    replica_db *db = p->repl->db;
    replica_collection *coll = replica__replication_collection(p->repl, doc->coll);
    char operation[REPLICA__OPERATION_SIZE];
    const char *opening = NULL;
    struct replica__push_row *row;
    int r;

    if (p->out.n == p->room) {
        size_t room = p->room ? p->room * 2 : 64;
        struct replica__push_row *grown = replica__realloc(p->out.rows, room, sizeof *grown);

        if (!grown)
            return replica__enomem(err);
        p->out.rows = grown;
        p->room = room;
    }
    r = replica__token_text(db, t->writer, &opening, err);
    if (r < 0)
        return r;
    row = &p->out.rows[p->out.n];
    *row = *with;
    row->coll = coll;
    row->coll_index = index_of(p->feed, coll);
    row->doc = doc->number;
    row->sequence = t->seq;
    row->deleted = (t->flags & REPLICA__FLAG_DELETED) != 0;
    row->stamp = replica__stamp_bound(db, t->stamp);
    row->again = again;
    row->version = t->version;
    row->endpoint = replica__endpoint_version(p->repl, coll);
    row->len = t->len;
    row->id = copy(p, doc->id, doc->id_len);
    row->operation = copy(p, operation, replica__operation_write(operation, opening, t->wseq));
    if (!row->bundle && t->bundle)
        row->bundle = copy(p, t->bundle, strlen(t->bundle));
    row->json = copy(p, t->body, t->len);
    if (p->arena->failed)
        return replica__enomem(err);
    p->bytes += t->len + doc->id_len;
    p->out.n++;
    return 0;
}

/* The operation is the token of the local revision: a pulled document that another replication
 * sends on has a local revision too. */
static struct state_text text_of_row(const struct replica__row *row)
{
    return (struct state_text){ .seq = row->seq, .stamp = row->stamp, .writer = row->opening,
                                .wseq = row->seq, .flags = row->flags, .bundle = row->bundle,
                                .body = row->body, .len = row->len,
                                .version = row->version };
}

/* A state that left before the document moved on. */
static int add_sent(struct replica__page *p, const struct replica__row *doc,
                    const struct replica__state *s, const struct replica__push_row *with,
                    replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    struct replica__kept k;
    int r = replica__kept_get(p->repl->db, s->sent, &stmt, &k, err);

    if (r < 0)
        return r;
    return add_row(p, doc, with,
                   &(struct state_text){ .seq = s->sent_seq, .stamp = k.stamp, .writer = k.opening,
                                         .wseq = s->sent_seq, .flags = k.flags, .bundle = k.bundle,
                                         .body = k.body, .len = k.len,
                                         .version = k.version },
                   true, err);
}

int replica__page_add(struct replica__page *p, int64_t number, bool again,
                      const struct replica__group *group, replica_error *err)
{
    replica_db *db = p->repl->db;
    REPLICA_STMT stmt = NULL;
    struct replica__state s;
    struct replica__row row;
    struct replica__push_row with = { 0 };
    struct state_text t;
    int r = replica__row_by_number(db, number, &stmt, &row, err);

    if (r <= 0)
        return r;
    r = replica__state_get(db, number, p->repl->number, &s, err);
    if (r >= 0)
        r = copy_base(p, &s, &with, err);
    if (r < 0)
        return r;
    with.unit = p->out.units;
    if (group && group->bundle) {
        with.bundle = copy(p, group->bundle, strlen(group->bundle));
        with.firm = group->firm;
    }
    if (s.sent) {
        r = add_sent(p, &row, &s, &with, err);
    } else {
        t = text_of_row(&row);
        r = add_row(p, &row, &with, &t, again || s.sent_seq, err);
    }
    return r < 0 ? r : 1;
}

static int compare_numbers(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

bool replica__page_is_out(const struct replica__feed *feed, int64_t number)
{
    for (const struct replica__out *out = feed->out; out; out = out->next) {
        if (bsearch(&number, out->docs, out->n, sizeof number, compare_numbers))
            return true;
    }
    return false;
}

struct replica__out *replica__page_waiting(const struct replica__page *p)
{
    struct replica__out *out = replica__alloc(sizeof *out + p->out.n * sizeof out->docs[0]);

    if (!out)
        return NULL;
    out->page = p->arena;
    out->n = p->out.n;
    for (size_t i = 0; i < out->n; i++)
        out->docs[i] = p->out.rows[i].doc;
    qsort(out->docs, out->n, sizeof out->docs[0], compare_numbers);
    return out;
}

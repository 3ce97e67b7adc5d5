/* The store against raw SQLite: the same documents, the same durability, 1000 writes to a
 * transaction, or one. */
#include "tests/bench/bare.h"
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOCS 100000
#define READS 100000
#define EDITS 20000
#define EDITS_FULL 5000

struct sides {
    const struct bench_doc *docs;
    const uint32_t *order;
    replica_collection *coll;
    struct bare_table table;
    bool shuffled;
    int edits;
    uint64_t seen; /* so that no read is optimized away */
};

static double per_second(int64_t started, int n)
{
    return n * 1e6 / (double)(bench_now_us() - started);
}

static const struct bench_doc *nth(const struct sides *s, int i)
{
    return &s->docs[s->shuffled ? s->order[i] : (uint32_t)i];
}

/* ---- bulk insert ----------------------------------------------------------------- */

static void fill_bare(struct sides *s)
{
    for (int from = 0; from < DOCS; from += BENCH_PAGE) {
        bare_begin(&s->table);
        for (int i = 0; i < BENCH_PAGE; i++) {
            const struct bench_doc *doc = nth(s, from + i);

            bare_put(&s->table, doc->id, 7, doc->text, doc->len);
        }
        bare_commit(&s->table);
    }
}

static double insert_ours(void *ctx, int round)
{
    struct sides *s = ctx;
    int64_t started;
    double speed;

    s->coll = bench_open(bench_new_file("ours.db"), NULL, NULL);
    started = bench_now_us();
    bench_fill(s->coll, s->docs, s->shuffled ? s->order : NULL, DOCS);
    speed = per_second(started, DOCS);
    bench_close(s->coll);
    return speed;
}

static double insert_bare(void *ctx, int round)
{
    struct sides *s = ctx;
    int64_t started;
    double speed;

    bare_open(&s->table, bench_new_file("bare.db"), false);
    started = bench_now_us();
    fill_bare(s);
    speed = per_second(started, DOCS);
    bare_close(&s->table);
    return speed;
}

/* ---- read by id ------------------------------------------------------------------ */

static double read_ours(void *ctx, int round)
{
    struct sides *s = ctx;
    int64_t started = bench_now_us();
    replica_error err = { 0 };

    for (int i = 0; i < READS; i++) {
        replica_doc *doc = NULL;
        size_t len = 0;

        if (bench_ok(replica_get(s->coll, s->docs[s->order[i]].id, &doc, &err), &err, "get") != 1)
            bench_fail("get: %s is not there", s->docs[s->order[i]].id);
        s->seen += (unsigned char)replica_doc_json(doc, &len)[len - 1] + len;
        replica_doc_unref(doc);
    }
    return per_second(started, READS);
}

/* A document outlives the statement that read it, so the bare one copies too. */
static double read_bare(void *ctx, int round)
{
    struct sides *s = ctx;
    int64_t started = bench_now_us();

    for (int i = 0; i < READS; i++) {
        const char *text;
        size_t len;
        char *copy;

        if (!bare_get(&s->table, s->docs[s->order[i]].id, 7, &text, &len))
            bench_fail("bare get: %s is not there", s->docs[s->order[i]].id);
        copy = malloc(len + 1);
        memcpy(copy, text, len);
        s->seen += (unsigned char)copy[len - 1] + len;
        free(copy);
    }
    return per_second(started, READS);
}

/* ---- read, modify, write --------------------------------------------------------- */

static int visit(void *ctx, replica_doc *current, replica_text *out)
{
    char text[4096];
    size_t len = 0;
    const char *json = replica_doc_json(current, &len);

    if (len + BENCH_MORE > sizeof text)
        return -1;
    replica_text_add(out, text, bench_add_visits(json, len, 1, text));
    return REPLICA_MODIFY_PUT;
}

static double modify_ours(void *ctx, int round)
{
    struct sides *s = ctx;
    int64_t started = bench_now_us();
    replica_error err = { 0 };

    for (int i = 0; i < s->edits; i++)
        bench_ok(replica_modify(s->coll, s->docs[s->order[i]].id, visit, s, NULL, &err), &err,
                 "modify");
    return per_second(started, s->edits);
}

static double modify_bare(void *ctx, int round)
{
    struct sides *s = ctx;
    int64_t started = bench_now_us();

    for (int i = 0; i < s->edits; i++) {
        const char *id = s->docs[s->order[i]].id;
        char copy[4096];
        const char *text;
        size_t len;

        bare_begin(&s->table);
        if (!bare_get(&s->table, id, 7, &text, &len) || len + BENCH_MORE > sizeof copy)
            bench_fail("bare get: %s is not there", id);
        len = bench_add_visits(text, len, 1, copy);
        bare_update(&s->table, id, 7, copy, len);
        bare_commit(&s->table);
    }
    return per_second(started, s->edits);
}

/* ---- the lines of the table ------------------------------------------------------ */

static void open_both(struct sides *s, bool full_sync)
{
    replica_db_options opts = REPLICA_DB_OPTIONS_INIT;

    if (full_sync)
        opts.flags = REPLICA_DB_FULL_SYNC;
    s->coll = bench_open(bench_new_file("ours.db"), &opts, NULL);
    bare_open(&s->table, bench_new_file("bare.db"), full_sync);
    bench_fill(s->coll, s->docs, s->shuffled ? s->order : NULL, DOCS);
    fill_bare(s);
}

static void close_both(struct sides *s)
{
    bench_close(s->coll);
    bare_close(&s->table);
}

int main(void)
{
    static struct sides s;

    s.docs = bench_cities(DOCS);
    s.order = bench_shuffled(DOCS);
    bench_start("the store and raw SQLite");
    bench_compare("bulk insert, 1000 to a transaction", "documents/s", insert_ours, insert_bare,
                  &s);
    s.shuffled = true;
    bench_compare("bulk insert, ids in random order", "documents/s", insert_ours, insert_bare, &s);
    s.shuffled = false;

    open_both(&s, false);
    bench_compare("read by id", "documents/s", read_ours, read_bare, &s);
    s.edits = EDITS;
    bench_compare("read, modify, write; a commit for each", "documents/s", modify_ours, modify_bare,
                  &s);
    close_both(&s);

    open_both(&s, true);
    s.edits = EDITS_FULL;
    bench_compare("the same, surviving a power cut", "documents/s", modify_ours, modify_bare, &s);
    close_both(&s);
    return s.seen == 0;
}

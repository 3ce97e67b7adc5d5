/* Two people at one stock of goods: who may write when, what counts together, who does the work,
 * and what becomes of a document that both have changed.
 *
 *     together [FILE]     (without a file: in memory) */
#include <libreplica/libreplica.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static replica_error err;

static void need(int r)
{
    if (r < 0) {
        fprintf(stderr, "together: %s\n", err.message);
        exit(1);
    }
}

static void put(replica_collection *coll, const char *json)
{
    need(replica_upsert(coll, json, REPLICA_NUL, NULL, &err));
}

/* ---- what counts together --------------------------------------------------------- */

/* One less in the stock, and a line in the book: both, or neither.  A server takes them as one,
 * too, and other clients never see one without the other. */
static int sell(replica_bundle *bundle, replica_collection *stock, replica_collection *book)
{
    replica_doc *apples = NULL;
    int r;

    need(replica_get(stock, "/fruit/apples", &apples, &err));
    r = replica_bundle_put(bundle, stock, "{\"id\":\"/fruit/apples\",\"left\":9}", REPLICA_NUL,
                           replica_doc_rev(apples), &err);
    if (r >= 0)
        r = replica_bundle_put(bundle, book, "{\"id\":\"s1\",\"sold\":\"apples\"}", REPLICA_NUL,
                               REPLICA_ANY_REV, &err);
    replica_doc_unref(apples);
    return r;
}

/* ---- who does the work ------------------------------------------------------------ */

struct shop {
    replica_collection *stock, *book;
};

/* One handler gets the order; its writes and "done" are one bundle. */
static void on_order(void *ctx, replica_command *command)
{
    struct shop *shop = ctx;

    printf("%s: %s\n", replica_command_address(command), replica_command_payload(command, NULL));
    need(sell(replica_command_bundle(command), shop->stock, shop->book));
    need(replica_command_done(command, "\"sold\"", REPLICA_NUL, &err));
}

static void order(replica_db *db, struct shop *shop)
{
    const replica_collection_options own = REPLICA_COLLECTION_OPTIONS_INIT;
    char id[REPLICA_COMMAND_ID_SIZE];
    replica_collection *orders;
    replica_handler *handler = NULL;
    replica_doc *done = NULL;

    need(replica_db_collection(db, "orders", &own, &orders, &err));
    need(replica_command_handle(orders, "/order/*", NULL, on_order, shop, NULL, &handler, &err));
    need(replica_command_send(orders, "/order/apples", "{\"pieces\":1}", REPLICA_NUL, NULL, id,
                              &err));
    need(replica_command_wait(orders, id, 10000, &done, &err));
    puts(done ? "the order is done" : "nobody took the order");
    replica_doc_unref(done);
    replica_handler_cancel(handler);
}

/* ---- a value of many documents ---------------------------------------------------- */

static void on_sum(void *ctx, const char *json, size_t len)
{
    printf("%.*s pieces of fruit\n", (int)len, json ? json : "no");
}

/* ---- who may write when ----------------------------------------------------------- */

/* Another handle, as another process on the file would have it. */
static void try_to_write(const char *path)
{
    replica_db *db = NULL;
    replica_collection *stock;

    need(replica_db_open(path, NULL, &db, &err));
    need(replica_db_collection(db, "stock", NULL, &stock, &err));
    if (replica_upsert(stock, "{\"id\":\"/fruit/pears\",\"left\":0}", REPLICA_NUL, NULL, &err) ==
        REPLICA_ELOCKED)
        printf("pears are locked by %s\n", err.where);
    replica_db_close(db);
}

static void count_pears(replica_collection *stock, const char *path)
{
    replica_lock_options opts = REPLICA_LOCK_OPTIONS_INIT;
    replica_lock *lock = NULL;

    opts.name = "alice, who counts";
    need(replica_lock_acquire(replica_collection_db(stock), stock, "/fruit/pears", &opts, &lock,
                              &err));
    if (strcmp(path, ":memory:") != 0)
        try_to_write(path);
    put(stock, "{\"id\":\"/fruit/pears\",\"left\":4}");
    replica_lock_release(lock);
}

/* ---- what both have changed -------------------------------------------------------- */

/* The same rules as an option of a collection would be used by every sync. */
static void merge(void)
{
    static const char rules[] = "{\"\":\"merge\",\"/left\":\"sum\",\"/tags\":\"set-union\"}";
    static const char base[] = "{\"left\":10,\"tags\":[\"new\"]}";
    static const char ours[] = "{\"left\":8,\"tags\":[\"new\",\"green\"]}";
    static const char theirs[] = "{\"left\":9,\"tags\":[],\"shelf\":3}";
    const replica_side sides[] = { { base, sizeof base - 1, 0, 0, NULL },
                                   { ours, sizeof ours - 1, 0, 0, NULL },
                                   { theirs, sizeof theirs - 1, 0, 0, NULL } };
    replica_rules *compiled = NULL;
    replica_text *out = NULL;

    need(replica_rules_compile(rules, REPLICA_NUL, &compiled, &err));
    need(replica_text_new(&out, &err));
    need(replica_merge3(compiled, &sides[0], &sides[1], &sides[2], out, &err));
    printf("merged: %s\n", replica_text_json(out, NULL));
    replica_text_free(out);
    replica_rules_unref(compiled);
}

int main(int argc, char **argv)
{
    const char *path = argc > 1 ? argv[1] : ":memory:";
    replica_observer *sum = NULL;
    struct shop shop;
    replica_db *db = NULL;

    need(replica_db_open(path, NULL, &db, &err));
    need(replica_db_collection(db, "stock", NULL, &shop.stock, &err));
    need(replica_db_collection(db, "book", NULL, &shop.book, &err));
    put(shop.stock, "{\"id\":\"/fruit/apples\",\"left\":10}");
    put(shop.stock, "{\"id\":\"/fruit/pears\",\"left\":5}");
    put(shop.stock, "{\"id\":\"/tools/knives\",\"left\":2}");
    need(replica_keys_derive(shop.stock, "/fruit/*", "left", REPLICA_DERIVE_SUM, on_sum, NULL, NULL,
                             &sum, &err));
    need(replica_db_wait(db, 0, &err));
    order(db, &shop);
    count_pears(shop.stock, path);
    need(replica_db_wait(db, 0, &err));
    merge();
    replica_observer_cancel(sum);
    replica_db_close(db);
    return 0;
}

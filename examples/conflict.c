/* A conflict handler that merges, at work.
 *
 *     conflict FILE URL COLLECTION[=KEY]...
 *
 * syncs these collections once, URL being the endpoint of the first, and shows each conflict: the
 * assumed master state (the common ancestor), the real one (the server's), the local one, and what
 * came of them.  The handler is in merge.c. */
#include "examples/merge.h"

#include <replicator/replicator.h>

#include <stdio.h>
#include <string.h>

#define COLLECTIONS_MAX 32

static void show(const char *name, replica_doc *doc)
{
    printf("  %-8s %s\n", name,
           !doc ? "-" : replica_doc_deleted(doc) ? "deleted" : replica_doc_json(doc, NULL));
}

static void on_event(void *ctx, const replica_sync_event *event)
{
    (void)ctx;
    if (event->kind == REPLICA_EVENT_REJECTED)
        printf("set aside %s/%s: %s\n", event->collection, event->id, event->reason);
    if (event->kind != REPLICA_EVENT_CONFLICT)
        return;
    printf("conflict %s/%s\n", event->collection, event->id);
    show("assumed", event->assumed);
    show("real", event->real);
    show("local", event->local);
    show("result", event->result ? event->result : event->real);
}

static int open_collection(replica_db *db, char *arg, replica_collection **ret, replica_error *err)
{
    replica_conflict_handler handler = REPLICA_CONFLICT_HANDLER_INIT;
    replica_collection_options opts = REPLICA_COLLECTION_OPTIONS_INIT;
    char *key = strchr(arg, '=');

    if (key)
        *key++ = '\0';
    merge_handler(NULL, &handler);
    opts.handler = &handler;
    opts.key = key;
    return replica_db_collection(db, arg, &opts, ret, err);
}

static int run(replica_db *db, const char *url, char **names, int count, replica_error *err)
{
    replica_collection *colls[COLLECTIONS_MAX];
    replica_sync_options opts = REPLICA_SYNC_OPTIONS_INIT;
    replica_sync *sync = NULL;
    int r;

    for (int i = 0; i < count; i++) {
        r = open_collection(db, names[i], &colls[i], err);
        if (r < 0)
            return r;
    }
    opts.url = url;
    opts.collections = colls;
    opts.collection_count = (size_t)count;
    opts.flags = REPLICA_SYNC_ONCE;
    opts.on_event = on_event;
    r = replica_sync_start(db, &opts, &sync, err);
    if (r >= 0)
        r = replica_sync_wait_in_sync(sync, 60000, err);
    while (r >= 0 && replica_db_wait(db, 0, NULL) > 0) /* events that are still to be told */
        continue;
    replica_sync_cancel(sync);
    return r;
}

int main(int argc, char **argv)
{
    replica_error err = { 0 };
    replica_db *db = NULL;
    int r;

    if (argc < 4 || argc - 3 > COLLECTIONS_MAX) {
        fprintf(stderr, "usage: conflict FILE URL COLLECTION[=KEY]...\n");
        return 2;
    }
    r = replica_db_open(argv[1], NULL, &db, &err);
    if (r >= 0)
        r = run(db, argv[2], argv + 3, argc - 3, &err);
    replica_db_close(db);
    if (r > 0)
        return 0;
    fprintf(stderr, "conflict: %s\n", r < 0 ? err.message : "not in sync in time");
    return 1;
}

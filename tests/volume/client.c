/* A program with very many documents, or a bad disk, for test_volume.py and test_disk.py; each line
 * that it says is JSON.
 *
 *     client sync DB URL          until in sync; every status on the way
 *     client live DB URL          until its input ends; every status and error on the way.  A line
 *                                 of input is a document that it puts, or "now": try now
 *     client edit DB FROM TO N    N edits of the documents d<FROM> to d<TO - 1>, in turn
 *     client delete DB FROM TO    deletes them */
#include "replicator/replicator.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static replica_db *db;
static replica_collection *coll;

static void must(int r, const replica_error *err)
{
    if (r >= 0)
        return;
    fprintf(stderr, "%s: %s\n", replica_error_name(r), err->message);
    exit(1);
}

static void open_file(const char *path)
{
    replica_db_options o = REPLICA_DB_OPTIONS_INIT;
    replica_error err = { 0 };

    o.busy_ms = 20000;
    must(replica_db_open(path, &o, &db, &err), &err);
    must(replica_db_collection(db, "notes", NULL, &coll, &err), &err);
}

static void on_status(void *ctx, const replica_sync_status *s)
{
    (void)ctx;
    printf("{\"pulled\":%lld,\"pull_remaining\":%lld,\"pushed\":%lld,\"push_remaining\":%lld,"
           "\"in_sync\":%d,\"bytes_down\":%lld}\n",
           (long long)s->pulled, (long long)s->pull_remaining, (long long)s->pushed,
           (long long)s->push_remaining, s->in_sync, (long long)s->bytes_down);
    fflush(stdout);
}

static void on_error(void *ctx, const replica_error *error)
{
    (void)ctx;
    printf("{\"error\":\"%s\",\"detail\":%d}\n", replica_error_name(error->code), error->detail);
    fprintf(stderr, "%s\n", error->message);
    fflush(stdout);
}

static replica_sync *start(const char *url, unsigned flags)
{
    replica_sync_options opts = REPLICA_SYNC_OPTIONS_INIT;
    replica_sync *sync = NULL;
    replica_error err = { 0 };

    opts.url = url;
    opts.collections = &coll;
    opts.collection_count = 1;
    opts.flags = flags;
    opts.on_status = on_status;
    opts.on_error = on_error;
    must(replica_sync_start(db, &opts, &sync, &err), &err);
    return sync;
}

static void sync_once(const char *url)
{
    replica_sync *sync = start(url, REPLICA_SYNC_ONCE);
    replica_error err = { 0 };

    must(replica_sync_wait_in_sync(sync, -1, &err), &err);
    replica_sync_cancel(sync);
}

static void obey(replica_sync *sync, char *line)
{
    replica_error err = { 0 };
    int r;

    line[strcspn(line, "\n")] = '\0';
    if (strcmp(line, "now") == 0) {
        must(replica_sync_now(sync, &err), &err);
        return;
    }
    r = replica_put(coll, line, REPLICA_NUL, REPLICA_ANY_REV, NULL, NULL, &err);
    printf("{\"put\":\"%s\"}\n", r < 0 ? replica_error_name(r) : "done");
    fflush(stdout);
}

static void live(const char *url)
{
    replica_sync *sync = start(url, 0);
    replica_error err = { 0 };
    char line[4096];

    setvbuf(stdin, NULL, _IONBF, 0); /* what poll does not see would wait */
    for (;;) {
        struct pollfd fds[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
                                 { .fd = replica_db_fd(db), .events = POLLIN } };

        poll(fds, 2, replica_db_timeout(db));
        replica_db_dispatch(db, 0, &err); /* a disk that fails is told by on_error */
        if (!fds[0].revents)
            continue;
        if (!fgets(line, sizeof line, stdin))
            break;
        obey(sync, line);
    }
    replica_sync_cancel(sync);
}

static int count_up(void *ctx, replica_doc *doc, replica_text *out)
{
    const char *json = replica_doc_json(doc, NULL);
    const char *n = strstr(json, "\"n\":");
    char text[400];

    (void)ctx;
    snprintf(text, sizeof text, "%.*s\"n\":%d}", (int)(n - json), json, atoi(n + 4) + 1);
    replica_text_add(out, text, REPLICA_NUL);
    return REPLICA_MODIFY_PUT;
}

static void each(int from, int to, int n, void (*act)(const char *id))
{
    for (int i = 0; i < n; i++) {
        char id[20];

        snprintf(id, sizeof id, "d%07d", from + i % (to - from));
        act(id);
    }
}

static void edit(const char *id)
{
    replica_error err = { 0 };

    must(replica_modify(coll, id, count_up, NULL, NULL, &err), &err);
}

static void delete(const char *id)
{
    replica_error err = { 0 };

    must(replica_delete(coll, id, REPLICA_ANY_REV, NULL, &err), &err);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    open_file(argv[2]);
    if (strcmp(argv[1], "sync") == 0)
        sync_once(argv[3]);
    else if (strcmp(argv[1], "live") == 0)
        live(argv[3]);
    else if (strcmp(argv[1], "edit") == 0 && argc == 6)
        each(atoi(argv[3]), atoi(argv[4]), atoi(argv[5]), edit);
    else if (strcmp(argv[1], "delete") == 0 && argc == 5)
        each(atoi(argv[3]), atoi(argv[4]), atoi(argv[4]) - atoi(argv[3]), delete);
    else
        return 2;
    replica_db_close(db);
    return 0;
}

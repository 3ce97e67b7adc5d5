/* A handler of commands that may be killed at any moment, for test_commands.py.
 *
 *     handler send DB FROM TO   commands to "/count", with these numbers
 *     handler handle DB         handles them until its input ends: one more in "counts", and a
 *                               document for each command, which must be new
 *
 * What a command does is written with its acknowledgement; so each counts once. */
#include "libreplica/libreplica.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static replica_db *db;
static replica_collection *commands, *counts;

static void must(int r, const replica_error *err)
{
    if (r >= 0)
        return;
    fprintf(stderr, "%s: %s (%s)\n", replica_error_name(r), err->message, err->where);
    exit(1);
}

static void open_file(const char *path)
{
    replica_db_options o = REPLICA_DB_OPTIONS_INIT;
    replica_error err = { 0 };

    o.busy_ms = 20000;
    must(replica_db_open(path, &o, &db, &err), &err);
    must(replica_db_collection(db, "commands", NULL, &commands, &err), &err);
    must(replica_db_collection(db, "counts", NULL, &counts, &err), &err);
}

static int send_all(long from, long to)
{
    replica_error err = { 0 };
    char payload[40];

    for (long i = from; i < to; i++) {
        snprintf(payload, sizeof payload, "%ld", i);
        must(replica_command_send(commands, "/count", payload, REPLICA_NUL, NULL, NULL, &err),
             &err);
    }
    return 0;
}

/* Into the command's bundle: the count, one higher, and what is there once for each command. */
static int fill(replica_command *c, replica_error *err)
{
    replica_bundle *bundle = replica_command_bundle(c);
    replica_doc *doc = NULL;
    const char *n;
    char json[200];
    int r = replica_get(counts, "count", &doc, err);

    if (r < 0)
        return r;
    n = doc ? strstr(replica_doc_json(doc, NULL), "\"n\":") : NULL;
    snprintf(json, sizeof json, "{\"id\":\"count\",\"n\":%ld}",
             n ? strtol(n + 4, NULL, 10) + 1 : 1);
    r = replica_bundle_put(bundle, counts, json, REPLICA_NUL, doc ? replica_doc_rev(doc) : NULL,
                           err);
    replica_doc_unref(doc);
    if (r < 0)
        return r;
    snprintf(json, sizeof json, "{\"id\":\"of %s\",\"attempt\":%d}",
             replica_command_payload(c, NULL), replica_command_attempt(c));
    return replica_bundle_put(bundle, counts, json, REPLICA_NUL, NULL, err);
}

static void handle(void *ctx, replica_command *c)
{
    replica_error err = { 0 };
    int r = REPLICA_ECONFLICT;

    (void)ctx;
    for (int round = 0; r == REPLICA_ECONFLICT && round < 100; round++) {
        r = fill(c, &err);
        if (r >= 0)
            r = replica_command_done(c, NULL, 0, &err);
    }
    if (r == REPLICA_ECANCELLED)
        return; /* another one has it now */
    if (r == REPLICA_ECONFLICT) { /* it is as good as done, says what is here; the server knows */
        r = replica_command_fail(c, "its document is there already", 1, &err);
        return;
    }
    must(r, &err);
}

static int handle_all(void)
{
    replica_handler_options o = REPLICA_HANDLER_OPTIONS_INIT;
    struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
    replica_error err = { 0 };

    o.lease_ms = 1000;
    o.max_attempts = 1000;
    must(replica_command_handle(commands, "/count", &o, handle, NULL, NULL, NULL, &err), &err);
    puts("ready");
    fflush(stdout);
    while (poll(&in, 1, 0) == 0)
        must(replica_db_wait(db, 50, &err), &err);
    return 0;
}

int main(int argc, char **argv)
{
    int r = 2;

    if (argc < 3)
        return r;
    open_file(argv[2]);
    if (strcmp(argv[1], "send") == 0 && argc == 5)
        r = send_all(atol(argv[3]), atol(argv[4]));
    else if (strcmp(argv[1], "handle") == 0)
        r = handle_all();
    replica_db_close(db);
    return r;
}

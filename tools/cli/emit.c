/* replica emit: an event, or a durable command and its result. */
#include "tools/cli/cli.h"

#include "libreplica/command.h"

#include <string.h>

struct emit {
    const char *db, *collection, *address;
    bool durable, wait;
    int64_t expires, timeout;
    struct replica__buf payload;
};

/* In slices, so that a signal ends it. */
static int wait_for(replica_collection *coll, const char *id, int64_t timeout_ms,
                    replica_doc **ret_result, replica_error *err)
{
    enum { SLICE_MS = 200 };
    int64_t left = timeout_ms;
    int r = 0;

    while (r == 0 && !cli_interrupted() && (timeout_ms < 0 || left >= 0)) {
        int slice = timeout_ms < 0 || left > SLICE_MS ? SLICE_MS : (int)left;

        r = replica_command_wait(coll, id, slice, ret_result, err);
        left -= slice ? slice : 1;
    }
    return r;
}

static int print_result(const struct emit *e, replica_collection *coll, const char *id)
{
    CLI_DOC result = NULL;
    replica_error err = { 0 };
    size_t len;
    const char *json;
    int r;

    cli_catch_signals();
    r = wait_for(coll, id, e->timeout, &result, &err);
    if (r == REPLICA_EUSER || r == REPLICA_ETIMEOUT || r == REPLICA_ECANCELLED) {
        cli_complain("%s: %s", id, err.message);
        return CLI_NO;
    }
    if (r < 0)
        return cli_failed(&err);
    if (r == 0) {
        cli_complain("%s: no result yet", id);
        return CLI_NO;
    }
    json = replica_doc_json(result, &len);
    cli_print_line(json, len);
    return CLI_OK;
}

static int send(const struct emit *e)
{
    replica_command_options o = REPLICA_COMMAND_OPTIONS_INIT;
    CLI_STORE store = CLI_STORE_INIT;
    char id[REPLICA_COMMAND_ID_SIZE];
    replica_error err = { 0 };
    int r = cli_create_collection(&store, e->db, e->collection, NULL, NULL);

    if (r)
        return r;
    o.expires_ms = e->expires;
    if (replica_command_send(store.coll, e->address, e->payload.data, e->payload.len, &o, id,
                             &err) < 0)
        return err.code == REPLICA_EINVAL ? cli_usage("%s", err.message) : cli_failed(&err);
    if (e->wait)
        return print_result(e, store.coll, id);
    puts(id);
    return CLI_OK;
}

static int emit(const struct emit *e)
{
    CLI_STORE store = CLI_STORE_INIT;
    replica_error err = { 0 };
    int r = cli_open(&store, e->db, 0);

    if (r)
        return r;
    if (replica_emit(store.db, e->address, e->payload.data, e->payload.len, &err) < 0)
        return err.code == REPLICA_EINVAL ? cli_usage("%s", err.message) : cli_failed(&err);
    return CLI_OK;
}

int cmd_emit(int argc, char **argv)
{
    struct emit e = { .expires = 0, .timeout = -1 };
    const struct cli_option options[] = {
        CLI_OPTION_DB(&e.db),
        { "durable", CLI_FLAG, false, &e.durable, NULL, "a command, which waits for its handler" },
        { "collection", CLI_TEXT, false, &e.collection, "NAME", "of the commands" },
        { "expires", CLI_NUMBER, false, &e.expires, "MS", "not delivered after that; 0: never" },
        { "wait", CLI_FLAG, false, &e.wait, NULL, "until it is done, and print the result" },
        { "timeout", CLI_NUMBER, false, &e.timeout, "MS", "of --wait" },
        { 0 },
    };
    const struct cli_command command = {
        "ADDRESS [JSON|-]",
        "Send an event to whoever listens to the address now: in other programs on the file\n"
        "and, if one of them replicates it, elsewhere.  With --durable, store a command, which\n"
        "is delivered to one handler, and print its id; with --wait, the document with its\n"
        "result.  Without JSON the payload is null.",
        1, 2, options,
    };
    const char *source;
    int r, n;

    n = cli_parse(&command, argc, argv, &r);
    if (n < 0)
        return r;
    if (e.durable != (e.collection != NULL) || ((e.wait || e.expires) && !e.durable) ||
        (e.timeout >= 0 && !e.wait))
        return cli_usage("--collection, --expires and --wait go with --durable, --timeout with"
                         " --wait");
    e.address = argv[1];
    r = n > 1 ? cli_text(argv[2], &e.payload, &source) : 0;
    if (r == 0)
        r = e.durable ? send(&e) : emit(&e);
    replica__buf_free(&e.payload);
    return cli_finish(r);
}

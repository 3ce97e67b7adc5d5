/* replica listen: events as they come, or commands to be handled.
 *
 * A command is one line of output; with --answer the result of each is one line of input, which is
 * waited for while the program goes on to show that it lives. */
#include "tools/cli/cli.h"

#include "libreplica/command.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

struct listening {
    bool answer;
    int64_t left;             /* to print before the end */
    replica_command *command; /* waits for its answer */
    struct replica__buf line; /* of the input, as far as it came */
    bool ended;               /* the input has */
    int failed;               /* an exit code */
};

static const char *origin_name(int origin)
{
    return origin == REPLICA_LOCAL ? "local" : origin == REPLICA_REPLICATION ? "replication"
                                                                             : "process";
}

static void on_event(void *ctx, const replica_event_entry *event)
{
    struct listening *l = ctx;
    char time[CLI_TIME];

    if (l->left <= 0)
        return;
    l->left--;
    printf("{\"address\":");
    cli_print_string(event->address);
    printf(",\"payload\":");
    cli_print_json(event->payload);
    cli_print_member("origin", origin_name(event->origin));
    cli_print_member("time", cli_time(event->time_ms, time));
    printf("}\n");
}

/* ---- commands -------------------------------------------------------------------- */

/* The answer is given, or the command went to another handler. */
static void end_command(struct listening *l, int r, const replica_error *err)
{
    if (r < 0 && r != REPLICA_ECANCELLED && r != REPLICA_ECLOSED) {
        l->failed = cli_failed(err); /* it is tried again when this one's lease is over */
        return;
    }
    if (r < 0)
        cli_complain("%s", err->message);
    l->command = NULL;
    l->left--;
}

/* A JSON value is the result; "!reason" fails the command, and "?reason" lets it be tried again. */
static void take_answer(struct listening *l, const char *line, size_t len)
{
    replica_error err = { 0 };
    int r;

    if (len > 0 && (*line == '!' || *line == '?'))
        r = replica_command_fail(l->command, line + 1, *line == '?', &err);
    else
        r = replica_command_done(l->command, len > 0 ? line : NULL, len, &err);
    if (r == REPLICA_EJSON || r == REPLICA_ELIMIT) {
        cli_complain("standard input: %s", err.message);
        r = replica_command_fail(l->command, "the handler's answer is no JSON", 0, &err);
    }
    end_command(l, r, &err);
}

static void on_command(void *ctx, replica_command *command)
{
    struct listening *l = ctx;

    l->command = command;
    if (l->left <= 0)
        return;
    printf("{\"id\":");
    cli_print_string(replica_command_id(command));
    cli_print_member("address", replica_command_address(command));
    printf(",\"payload\":");
    cli_print_json(replica_command_payload(command, NULL));
    cli_print_number("attempt", replica_command_attempt(command));
    printf("}\n");
    if (fflush(stdout) != 0)
        l->failed = CLI_STORAGE; /* nobody has seen it */
    else if (!l->answer)
        take_answer(l, "", 0);
}

/* A line, without waiting: 1; 0: none yet. */
static int read_line(struct listening *l)
{
    struct pollfd in = { STDIN_FILENO, POLLIN, 0 };
    char c;

    while (!l->ended && poll(&in, 1, 0) > 0) {
        ssize_t n = read(STDIN_FILENO, &c, 1);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            l->ended = true;
        else if (c == '\n')
            return 1;
        else
            replica__buf_char(&l->line, c);
    }
    return 0;
}

static void look_for_answer(struct listening *l)
{
    if (!l->answer || !l->command || l->failed)
        return;
    if (read_line(l)) {
        take_answer(l, l->line.data ? l->line.data : "", l->line.len);
        replica__buf_clear(&l->line);
    } else if (l->ended) {
        cli_complain("standard input has ended, and a command waits for its answer");
        l->failed = CLI_INPUT;
    }
}

/* ---- listening ------------------------------------------------------------------- */

/* What was not answered may be tried by others, at once. */
static void give_back(struct listening *l)
{
    if (l->command)
        replica_command_fail(l->command, "the handler has ended", 1, NULL);
    l->command = NULL;
}

static int run(struct cli_store *store, struct listening *l)
{
    replica_error err = { 0 };
    int r = 0;

    while (r >= 0 && l->left > 0 && !l->failed && !cli_interrupted()) {
        if (fflush(stdout) != 0)
            break;
        r = cli_wait(store->db, l->answer && l->command ? 20 : -1, &err);
        look_for_answer(l);
    }
    give_back(l);
    replica__buf_free(&l->line);
    return r < 0 ? cli_failed(&err) : l->failed;
}

static int start(struct cli_store *store, const char *pattern, unsigned flags, int64_t lease_ms,
                 struct listening *l)
{
    replica_handler_options o = REPLICA_HANDLER_OPTIONS_INIT;
    replica_error err = { 0 };
    int r;

    o.flags = flags;
    o.lease_ms = lease_ms;
    if (store->coll)
        r = replica_command_handle(store->coll, pattern, &o, on_command, l, NULL, NULL, &err);
    else
        r = replica_listen(store->db, pattern, on_event, l, NULL, NULL, &err);
    if (r == REPLICA_EINVAL)
        return cli_usage("%s", err.message);
    return r < 0 ? cli_failed(&err) : 0;
}

int cmd_listen(int argc, char **argv)
{
    const char *db = NULL, *collection = NULL;
    bool handles = false, once = false;
    int64_t lease = 0;
    struct listening l = { .left = INT64_MAX, .line = { .max = 64 << 20 } };
    const struct cli_option options[] = {
        CLI_OPTION_DB(&db),
        { "handle", CLI_FLAG, false, &handles, NULL, "take durable commands" },
        { "collection", CLI_TEXT, false, &collection, "NAME", "of the commands" },
        { "answer", CLI_FLAG, false, &l.answer, NULL,
          "read the result of each from a line of input" },
        { "at-most-once", CLI_FLAG, false, &once, NULL, "never try a command a second time" },
        { "lease", CLI_NUMBER, false, &lease, "MS", "dead after so long without life (30000)" },
        { "count", CLI_NUMBER, false, &l.left, "N", "end after so many" },
        { 0 },
    };
    const struct cli_command command = {
        "PATTERN",
        "Print each event as it is emitted, until SIGINT or SIGTERM.  With --handle, take the\n"
        "commands that match, print each, and acknowledge it with the result null; with\n"
        "--answer, with the JSON value on the next line of standard input: !REASON there fails\n"
        "it, and ?REASON lets it be tried again.",
        1, 1, options,
    };
    CLI_STORE store = CLI_STORE_INIT;
    int r;

    if (cli_parse(&command, argc, argv, &r) < 0)
        return r;
    if (handles != (collection != NULL) || ((l.answer || once || lease) && !handles))
        return cli_usage("--collection, --answer, --at-most-once and --lease go with --handle");
    r = handles ? cli_create_collection(&store, db, collection, NULL, NULL)
                : cli_open(&store, db, 0);
    if (r == 0)
        r = start(&store, argv[1], once ? REPLICA_HANDLE_AT_MOST_ONCE : 0, lease, &l);
    if (r)
        return r;
    cli_catch_signals();
    return cli_finish(run(&store, &l));
}

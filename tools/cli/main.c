/* replica: the command line.  Finds the command, and nothing else. */
#include "tools/cli/cli.h"

#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *about;
} commands[] = {
    { "put", cmd_put, "store a document" },
    { "get", cmd_get, "print a document" },
    { "delete", cmd_delete, "delete a document" },
    { "patch", cmd_patch, "change some members of a document" },
    { "import", cmd_import, "store documents from JSON Lines" },
    { "export", cmd_export, "print all documents as JSON Lines" },
    { "ls", cmd_ls, "list collections, or the ids of one" },
    { "find", cmd_find, "find documents by a query" },
    { "explain", cmd_explain, "say how a query would be answered" },
    { "search", cmd_search, "find documents by their words" },
    { "index", cmd_index, "create, drop and list indexes" },
    { "changes", cmd_changes, "print the change feed" },
    { "watch", cmd_watch, "print changes as they come" },
    { "emit", cmd_emit, "send an event, or a durable command" },
    { "listen", cmd_listen, "print events, or handle commands" },
    { "lock", cmd_lock, "hold a lock while a command runs" },
    { "unlock", cmd_unlock, "give a lock back to a server" },
    { "locks", cmd_locks, "list the locks that are held" },
    { "sql", cmd_sql, "ask in SQL, read-only" },
    { "sync", cmd_sync, "keep collections in step with a server" },
    { "verify", cmd_verify, "compare a collection with its server" },
    { "status", cmd_status, "say what a database contains" },
    { "conflicts", cmd_conflicts, "list and restore what conflicts superseded" },
    { "merge", cmd_merge, "merge three states of a document" },
    { "history", cmd_history, "print the earlier states of a document" },
    { "rejected", cmd_rejected, "list, retry and discard what replication set aside" },
    { "check", cmd_check, "look for inconsistencies" },
    { "purge", cmd_purge, "forget old tombstones" },
    { "schema", cmd_schema, "check schemas, and JSON against them" },
    { "serve", cmd_serve, "serve a database to other replicas" },
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int print_commands(void)
{
    puts("usage: replica COMMAND [OPTION...]\n\n"
         "A document database that works offline and replicates.\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-12s%s\n", commands[i].name, commands[i].about);
    puts("\n  replica COMMAND --help says what a command takes; replica(1) has it all.");
    return cli_finish(CLI_OK);
}

static int run(int argc, char **argv)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, argv[0]) != 0)
            continue;
        cli_name(argv[0]);
        return commands[i].run(argc, argv);
    }
    return cli_usage("there is no command '%s'", argv[0]);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return cli_usage("a command is missing");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return print_commands();
    if (strcmp(argv[1], "--version") == 0) {
        printf("replica %s\n", replica_version());
        return cli_finish(CLI_OK);
    }
    if (strcmp(argv[1], "help") == 0) {
        char help[] = "--help";
        char *rest[] = { argc > 2 ? argv[2] : NULL, help, NULL };

        return argc > 2 ? run(2, rest) : print_commands();
    }
    return run(argc - 1, argv + 1);
}

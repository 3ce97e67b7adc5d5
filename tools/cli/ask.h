/* A small question to a server of ours, by POST: see docs/protocol.md. */
#ifndef TOOLS_CLI_ASK_H
#define TOOLS_CLI_ASK_H

#include "tools/cli/cli.h"
#include "tools/cli/endpoint.h"

struct cli_server {
    struct endpoint endpoint;
    const char *token_file; /* NULL: no token */
};

/* 0, or an exit code; the complaint is made. */
int cli_server_open(struct cli_server *server, const char *url, const char *token_file);
void cli_server_close(struct cli_server *server);
#define CLI_SERVER __attribute__((cleanup(cli_server_close))) struct cli_server

/* Post json to {base}/_replica/1/{what}.  The answer is a JSON object, checked.  0, or an exit
 * code; the complaint is made. */
int cli_ask(const struct cli_server *server, const char *what, const struct replica__buf *json,
            struct replica__buf *ret_answer);

#endif

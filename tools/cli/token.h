/* The bearer token, read from a file whenever the replication asks, and never shown. */
#ifndef TOOLS_CLI_TOKEN_H
#define TOOLS_CLI_TOKEN_H

#include <stddef.h>

#define CLI_TOKEN_MAX 8192

struct cli_token {
    const char *path;
    char given[CLI_TOKEN_MAX]; /* what the server got last, and refused if it is asked for again */
};

/* 0, or an exit code if the file cannot be read; the complaint is made. */
int cli_token_open(struct cli_token *token, const char *path);

/* As replica_token_fn: 1 and the token, or < 0 when there is no other than the refused one. */
int cli_token_take(struct cli_token *token, char *out, size_t room);

#endif

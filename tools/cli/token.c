/* A renewed token is found by reading the file again; the same one again is of no use. */
#include "tools/cli/token.h"
#include "tools/cli/cli.h"

#include <errno.h>
#include <string.h>

/* The first line, without white space around it. */
static int read_token(const char *path, char *out, size_t room)
{
    FILE *file = fopen(path, "r");
    char *end;
    size_t start;

    if (!file || !fgets(out, (int)room, file)) {
        cli_complain("%s: %s", path, file ? "the file is empty" : strerror(errno));
        if (file)
            fclose(file);
        return -1;
    }
    fclose(file);
    start = strspn(out, " \t");
    memmove(out, out + start, strlen(out + start) + 1);
    end = out + strcspn(out, " \t\r\n");
    if (end == out || end[strspn(end, " \t\r\n")]) {
        cli_complain("%s: the first line is no token", path);
        return -1;
    }
    *end = '\0';
    return 0;
}

int cli_token_open(struct cli_token *token, const char *path)
{
    char text[CLI_TOKEN_MAX];

    token->path = path;
    token->given[0] = '\0';
    return read_token(path, text, sizeof(text)) < 0 ? CLI_CREDENTIALS : 0;
}

int cli_token_take(struct cli_token *token, char *out, size_t room)
{
    char text[CLI_TOKEN_MAX];

    if (read_token(token->path, text, sizeof(text)) < 0 || strlen(text) >= room ||
        strcmp(text, token->given) == 0)
        return -1;
    strcpy(token->given, text);
    strcpy(out, text);
    return 1;
}

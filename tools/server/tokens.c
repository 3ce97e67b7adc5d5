/* All tokens are compared with each that is given, byte by byte to the end. */
#include "tools/server/tokens.h"

#include "base/alloc.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { TOKEN_MAX = 1024 };

struct token {
    char *text;
    size_t len;
    int line;
    struct replica__pass *pass;
};

struct replica__tokens {
    struct token *items;
    size_t count, room;
};

static void close_ptr(struct replica__tokens **tokens)
{
    replica__tokens_close(*tokens);
}

void replica__tokens_close(struct replica__tokens *tokens)
{
    if (!tokens)
        return;
    for (size_t i = 0; i < tokens->count; i++) {
        explicit_bzero(tokens->items[i].text, tokens->items[i].len);
        replica__free(tokens->items[i].text);
        replica__pass_unref(tokens->items[i].pass);
    }
    replica__free(tokens->items);
    replica__free(tokens);
}

static struct token *add_token(struct replica__tokens *tokens)
{
    if (tokens->count == tokens->room) {
        size_t room = tokens->room ? tokens->room * 2 : 16;
        struct token *more = replica__realloc(tokens->items, room, sizeof(*more));

        if (!more)
            return NULL;
        tokens->items = more;
        tokens->room = room;
    }
    return &tokens->items[tokens->count];
}

static size_t token_length(const char *line, size_t len)
{
    size_t n = 0;

    while (n < len && line[n] > ' ' && line[n] <= '~')
        n++;
    return n;
}

static int take_line(struct replica__tokens *tokens, const char *path, int number,
                     const char *line, size_t len, replica_error *err)
{
    replica_error why = { 0 };
    struct token *token;
    size_t n, skip;
    int r;

    while (len > 0 && strchr(" \t\r", line[len - 1]))
        len--;
    while (len > 0 && strchr(" \t", *line)) {
        line++;
        len--;
    }
    if (len == 0 || *line == '#')
        return 0;
    n = token_length(line, len);
    if (n == 0 || n > TOKEN_MAX || (n < len && line[n] != ' ' && line[n] != '\t'))
        return replica__error_set(err, REPLICA_EINVAL, 0, "%s, line %d: not a token", path, number);
    token = add_token(tokens);
    if (!token)
        return replica__enomem(err);
    *token = (struct token){ .len = n, .line = number };
    for (skip = n; skip < len && strchr(" \t", line[skip]);)
        skip++;
    r = skip < len ? replica__pass_new(line + skip, len - skip, &token->pass, &why)
                   : replica__pass_new("{}", 2, &token->pass, &why);
    if (r == REPLICA_EJSON)
        return replica__error_set(err, REPLICA_EINVAL, 0, "%s, line %d: behind the token: %s",
                                  path, number, why.message);
    token->text = r < 0 ? NULL : replica__strndup(line, n);
    if (!token->text) {
        replica__pass_unref(token->pass);
        return replica__enomem(err);
    }
    tokens->count++;
    return 0;
}

static int by_text(const void *a, const void *b)
{
    const struct token *one = a, *other = b;
    int order = strcmp(one->text, other->text);

    return order ? order : one->line - other->line;
}

/* One of them would never be the one whose claims count. */
static int check_twins(struct replica__tokens *tokens, const char *path, replica_error *err)
{
    qsort(tokens->items, tokens->count, sizeof(tokens->items[0]), by_text);
    for (size_t i = 1; i < tokens->count; i++) {
        if (strcmp(tokens->items[i].text, tokens->items[i - 1].text) == 0)
            return replica__error_set(err, REPLICA_EINVAL, 0,
                                      "%s, line %d: the token is that of line %d", path,
                                      tokens->items[i].line, tokens->items[i - 1].line);
    }
    return 0;
}

int replica__tokens_open(const char *path, const struct replica__buf *text,
                         struct replica__tokens **ret_tokens, replica_error *err)
{
    __attribute__((cleanup(close_ptr))) struct replica__tokens *tokens =
        replica__alloc_zero(1, sizeof(*tokens));
    const char *at = text->data;
    const char *end = at ? at + text->len : NULL;
    int r = 0;

    if (!tokens)
        return replica__enomem(err);
    for (int number = 1; r == 0 && at < end; number++) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));

        line_end = line_end ? line_end : end;
        r = take_line(tokens, path, number, at, (size_t)(line_end - at), err);
        at = line_end + 1;
    }
    if (r == 0 && tokens->count == 0)
        r = replica__error_set(err, REPLICA_EINVAL, 0, "%s has no token", path);
    if (r == 0)
        r = check_twins(tokens, path, err);
    if (r < 0)
        return r;
    *ret_tokens = tokens;
    tokens = NULL;
    return 0;
}

/* Every byte of the longer one is looked at. */
static bool same(const char *token, size_t token_len, const char *given, size_t given_len)
{
    size_t n = token_len > given_len ? token_len : given_len;
    volatile unsigned char different = token_len != given_len;

    for (size_t i = 0; i < n; i++)
        different |= (unsigned char)((i < token_len ? token[i] : 0) ^
                                     (i < given_len ? given[i] : 0));
    return different == 0;
}

struct replica__pass *replica__tokens_find(const struct replica__tokens *tokens,
                                           const char *token, size_t len)
{
    struct replica__pass *found = NULL;

    if (len > TOKEN_MAX)
        return NULL;
    for (size_t i = 0; i < tokens->count; i++) {
        if (same(tokens->items[i].text, tokens->items[i].len, token, len))
            found = tokens->items[i].pass;
    }
    return found;
}

#include "tools/server/auth.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = 1 << 20, TOKEN_MAX = 1024 };

struct replica__auth {
    struct replica__buf tokens; /* each with a NUL */
};

void replica__auth_close(struct replica__auth *auth)
{
    if (!auth)
        return;
    if (auth->tokens.data)
        memset(auth->tokens.data, 0, auth->tokens.len);
    replica__buf_free(&auth->tokens);
    replica__free(auth);
}

static int read_all(const char *path, int fd, struct replica__buf *text, replica_error *err)
{
    ssize_t n = 1;

    while (n > 0) {
        char *to = replica__buf_reserve(text, 4096);

        if (!to)
            return replica__error_set(err, REPLICA_ELIMIT, 0, "%s is too large", path);
        n = read(fd, to, 4096);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n < 0)
            return replica__error_set(err, REPLICA_EIO, errno, "%s: %s", path, strerror(errno));
        else
            text->len += (size_t)n;
    }
    return 0;
}

static int take_line(struct replica__auth *auth, const char *path, int number, const char *line,
                     size_t len, replica_error *err)
{
    while (len > 0 && strchr(" \t\r", line[len - 1]))
        len--;
    while (len > 0 && strchr(" \t", *line)) {
        line++;
        len--;
    }
    if (len == 0 || *line == '#')
        return 0;
    for (size_t i = 0; i < len; i++)
        if (line[i] <= ' ' || line[i] > '~' || len > TOKEN_MAX)
            return replica__error_set(err, REPLICA_EINVAL, 0, "%s, line %d: not a token", path,
                                      number);
    replica__buf_add(&auth->tokens, line, len);
    replica__buf_add(&auth->tokens, "", 1);
    return auth->tokens.r < 0 ? replica__enomem(err) : 0;
}

static int take_tokens(struct replica__auth *auth, const char *path,
                       const struct replica__buf *text, replica_error *err)
{
    const char *at = text->data;
    const char *end = at + text->len;
    int r = 0;

    for (int number = 1; r == 0 && at < end; number++) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));

        line_end = line_end ? line_end : end;
        r = take_line(auth, path, number, at, (size_t)(line_end - at), err);
        at = line_end + 1;
    }
    if (r == 0 && auth->tokens.len == 0)
        r = replica__error_set(err, REPLICA_EINVAL, 0, "%s has no token", path);
    return r;
}

int replica__auth_open(const char *path, struct replica__auth **ret_auth, bool *ret_exposed,
                       replica_error *err)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;
    struct replica__auth *auth;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int r;

    text.max = FILE_MAX_BYTES;
    if (fd < 0 || fstat(fd, &st) < 0) {
        r = replica__error_set(err, REPLICA_EIO, errno, "%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return r;
    }
    r = read_all(path, fd, &text, err);
    close(fd);
    if (r < 0)
        return r;
    auth = replica__alloc_zero(1, sizeof(*auth));
    if (!auth)
        return replica__enomem(err);
    r = take_tokens(auth, path, &text, err);
    memset(text.data, 0, text.len);
    if (r < 0) {
        replica__auth_close(auth);
        return r;
    }
    *ret_exposed = (st.st_mode & (S_IRGRP | S_IROTH)) != 0;
    *ret_auth = auth;
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

bool replica__auth_allows(const struct replica__auth *auth, const char *header)
{
    static const char scheme[] = "Bearer ";
    const char *token;
    size_t len;
    bool found = false;

    if (!header || strncasecmp(header, scheme, strlen(scheme)) != 0)
        return false;
    header += strlen(scheme);
    while (*header == ' ')
        header++;
    len = strlen(header);
    if (len > TOKEN_MAX)
        return false;
    for (size_t at = 0; at < auth->tokens.len; at += strlen(token) + 1) {
        token = auth->tokens.data + at;
        found |= same(token, strlen(token), header, len);
    }
    return found;
}

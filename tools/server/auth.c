/* The files are read once, when the server starts, and their bytes wiped behind it. */
#include "tools/server/auth.h"

#include "base/alloc.h"
#include "base/error.h"
#include "tools/server/jwt.h"
#include "tools/server/tokens.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = 1 << 20 };

struct replica__auth {
    const struct replica__world *world;
    struct replica__tokens *tokens; /* NULL: there is no file of them */
    struct replica__jwt *jwt;       /* NULL: there are no keys */
};

void replica__auth_close(struct replica__auth *auth)
{
    if (!auth)
        return;
    replica__tokens_close(auth->tokens);
    replica__jwt_close(auth->jwt);
    replica__free(auth);
}

/* ---- files ----------------------------------------------------------------------- */

static void wipe(struct replica__buf *text)
{
    if (text->data)
        explicit_bzero(text->data, text->room);
    replica__buf_free(text);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static void warn(const struct replica__auth_options *o, const char *path, const char *what)
{
    char message[4200];

    snprintf(message, sizeof(message), "%s %s", path, what);
    if (o->warn)
        o->warn(o->ctx, message);
}

/* Into a buffer whose room is taken at once, so that no copy is left behind where it grew. */
static int read_file(const char *path, struct replica__buf *text, bool *ret_exposed,
                     replica_error *err)
{
    __attribute__((cleanup(close_fd))) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    ssize_t n = 1;
    char *to;

    if (fd < 0 || fstat(fd, &st) < 0)
        return replica__error_set(err, REPLICA_EIO, errno, "%s: %s", path, strerror(errno));
    to = replica__buf_reserve(text, FILE_MAX_BYTES + 2);
    if (!to)
        return replica__enomem(err);
    while (n > 0 && text->len <= FILE_MAX_BYTES) {
        n = read(fd, to + text->len, FILE_MAX_BYTES + 1 - text->len);
        if (n < 0 && errno != EINTR)
            return replica__error_set(err, REPLICA_EIO, errno, "%s: %s", path, strerror(errno));
        text->len += n > 0 ? (size_t)n : 0;
        n = n < 0 ? 1 : n;
    }
    if (text->len > FILE_MAX_BYTES)
        return replica__error_set(err, REPLICA_ELIMIT, 0, "%s is too large", path);
    to[text->len] = '\0';
    *ret_exposed = (st.st_mode & (S_IRGRP | S_IROTH)) != 0;
    return 0;
}

static int open_tokens(struct replica__auth *auth, const struct replica__auth_options *o,
                       replica_error *err)
{
    __attribute__((cleanup(wipe))) struct replica__buf text = REPLICA_BUF_INIT;
    bool exposed = false;
    int r;

    if (!o->token_file)
        return 0;
    r = read_file(o->token_file, &text, &exposed, err);
    if (r == 0)
        r = replica__tokens_open(o->token_file, &text, &auth->tokens, err);
    if (r == 0 && exposed)
        warn(o, o->token_file, "can be read by others");
    return r;
}

static int open_keys(struct replica__auth *auth, const struct replica__auth_options *o,
                     const char *path, bool is_set, replica_error *err)
{
    __attribute__((cleanup(wipe))) struct replica__buf text = REPLICA_BUF_INIT;
    struct replica__jwt_file file = { 0 };
    bool exposed = false;
    int r = 0;

    if (!path)
        return 0;
    if (!auth->jwt)
        r = replica__jwt_open(&auth->jwt, err);
    if (r == 0)
        r = read_file(path, &text, &exposed, err);
    if (r == 0)
        r = is_set
                ? replica__jwt_keys_add_set(replica__jwt_keys(auth->jwt), path, &text, &file, err)
                : replica__jwt_keys_add(replica__jwt_keys(auth->jwt), path, &text, &file, err);
    if (r == 0 && file.secret && exposed)
        warn(o, path, "can be read by others");
    if (r == 0 && file.weak)
        warn(o, path, "has a secret of less than 32 bytes, which can be guessed");
    return r;
}

int replica__auth_open(const struct replica__auth_options *options,
                       struct replica__auth **ret_auth, replica_error *err)
{
    struct replica__auth *auth = replica__alloc_zero(1, sizeof(*auth));
    int r;

    if (!auth)
        return replica__enomem(err);
    auth->world = options->world ? options->world : &replica__real_world;
    r = open_tokens(auth, options, err);
    if (r == 0)
        r = open_keys(auth, options, options->jwt_key, false, err);
    if (r == 0)
        r = open_keys(auth, options, options->jwks, true, err);
    if (r < 0) {
        replica__auth_close(auth);
        return r;
    }
    if (auth->jwt)
        replica__jwt_expect(auth->jwt, options->jwt_issuer, options->jwt_audience);
    *ret_auth = auth;
    return 0;
}

/* ---- asking ---------------------------------------------------------------------- */

static const char *bearer(const char *header)
{
    static const char scheme[] = "Bearer ";

    if (!header || strncasecmp(header, scheme, strlen(scheme)) != 0)
        return NULL;
    header += strlen(scheme);
    while (*header == ' ')
        header++;
    return header;
}

int replica__auth_ask(struct replica__auth *auth, const char *header,
                      const struct replica__who **ret_who, const char **ret_why)
{
    int64_t now = auth->world->now_ms(auth->world->ctx);
    const char *token = bearer(header);
    struct replica__pass *pass = NULL;
    const char *why = "there is no token that is known here";
    int r;

    if (token && auth->tokens)
        pass = replica__tokens_find(auth->tokens, token, strlen(token));
    if (token && !pass && auth->jwt) {
        r = replica__jwt_find(auth->jwt, token, strlen(token), &pass, &why);
        if (r < 0)
            return r;
    }
    if (pass)
        why = replica__pass_why(pass, now);
    if (why) {
        *ret_why = why;
        return 0;
    }
    *ret_who = &replica__pass_ref(pass)->who;
    return 1;
}

void replica__auth_leave(const struct replica__who *who)
{
    /* A who of ours stands first in its pass, and only its taker sees it as const. */
    replica__pass_unref((struct replica__pass *)(uintptr_t)who);
}

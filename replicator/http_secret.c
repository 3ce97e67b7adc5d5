/* Of the head only what we wrote ourselves is known to be harmless.  Out of memory, less is found;
 * then the text is not shown at all. */
#include "replicator/http_secret.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { SHORTEST = 4 }; /* of a header that is not known: what is shorter hides nothing */

static void add(struct replica__http_secrets *s, const char *text, size_t len)
{
    if (len == 0)
        return;
    replica__buf_add(&s->texts, text, len);
    replica__buf_char(&s->texts, '\0');
}

/* ---- the head -------------------------------------------------------------------- */

static bool is_ours(const char *line)
{
    static const char *const names[] = { "Accept:",           "Content-Type:", "Expect:",
                                         "Cache-Control:",    "Replica-Uses:",
                                         "Content-Encoding:", "User-Agent:" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strncasecmp(line, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* The value, and what stands behind the word that it may begin with: "Bearer", "Basic". */
static void add_line(struct replica__http_secrets *s, const char *line)
{
    static const char token[] = "Authorization:";
    size_t least = strncasecmp(line, token, strlen(token)) == 0 ? 1 : SHORTEST;
    const char *value = strchr(line, ':');
    const char *rest;

    if (!value || is_ours(line))
        return;
    value += 1 + strspn(value + 1, " \t");
    rest = strchr(value, ' ');
    if (strlen(value) >= least)
        add(s, value, strlen(value));
    if (rest && strlen(rest + 1) >= least)
        add(s, rest + 1, strlen(rest + 1));
}

/* ---- the URL --------------------------------------------------------------------- */

static int digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static void unescape(const char *text, size_t len, struct replica__buf *out)
{
    for (size_t i = 0; i < len; i++) {
        int high = text[i] == '%' && i + 2 < len ? digit(text[i + 1]) : -1;
        int low = high >= 0 ? digit(text[i + 2]) : -1;

        replica__buf_char(out, low >= 0 ? (char)(high * 16 + low) : text[i]);
        i += low >= 0 ? 2 : 0;
    }
}

static void add_base64(const struct replica__buf *plain, struct replica__http_secrets *s)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned bits = 0;
    int count = 0;

    for (size_t i = 0; i < plain->len; i++) {
        bits = (bits << 8 | (unsigned char)plain->data[i]) & 0xFFFF;
        for (count += 8; count >= 6; count -= 6)
            replica__buf_char(&s->texts, digits[bits >> (count - 6) & 63]);
    }
    if (count > 0)
        replica__buf_char(&s->texts, digits[bits << (6 - count) & 63]);
    replica__buf_char(&s->texts, '\0');
}

/* "user:password@", as it stands, unescaped, and as curl sends it. */
static void add_user(struct replica__http_secrets *s, const char *user, size_t len)
{
    REPLICA_BUF plain = REPLICA_BUF_INIT;
    const char *colon = memchr(user, ':', len);
    const char *secret = colon ? colon + 1 : user;
    size_t at;

    unescape(user, len, &plain);
    if (plain.r < 0) {
        s->texts.r = plain.r;
        return;
    }
    add(s, secret, len - (size_t)(secret - user));
    colon = plain.len > 0 ? memchr(plain.data, ':', plain.len) : NULL;
    at = colon ? (size_t)(colon + 1 - plain.data) : 0;
    if (plain.len > at)
        add(s, plain.data + at, plain.len - at);
    if (!colon)
        replica__buf_char(&plain, ':'); /* curl sends an empty password then */
    add_base64(&plain, s);
}

/* ---------------------------------------------------------------------------------- */

void replica__http_secrets_find(char *const *lines, const char *url,
                                struct replica__http_secrets *ret)
{
    struct replica__http_secrets s = { 0 };
    const char *host = url ? strstr(url, "://") : NULL;
    size_t len = host ? strcspn(host + 3, "/?#") : 0;

    for (size_t i = 0; lines && lines[i]; i++)
        add_line(&s, lines[i]);
    while (len > 0 && host[3 + len - 1] != '@')
        len--;
    if (len > 1)
        add_user(&s, host + 3, len - 1);
    *ret = s;
}

void replica__http_secrets_free(struct replica__http_secrets *secrets)
{
    replica__buf_free(&secrets->texts);
}

size_t replica__http_secret_at(const struct replica__http_secrets *secrets, const char *text,
                               size_t len)
{
    size_t longest = 0, n;

    if (secrets->texts.r < 0)
        return len;
    for (size_t at = 0; at < secrets->texts.len; at += n + 1) {
        const char *s = secrets->texts.data + at;

        n = strlen(s);
        if (n > longest && n <= len && memcmp(s, text, n) == 0)
            longest = n;
    }
    return longest;
}

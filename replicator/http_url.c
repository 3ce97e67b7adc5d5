/* The parts of a URL.  Not a full parser: what it does not understand it refuses, and curl parses
 * again what it is given. */
#include "replicator/http_url.h"

#include "base/alloc.h"
#include "base/error.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

struct span {
    const char *at;
    size_t len;
};

struct parts {
    bool https;
    struct span user; /* with its '@' */
    struct span host; /* with the brackets of IPv6 */
    struct span port;
    const char *path; /* "" or from its '/' */
};

/* Where the host and all before it end. */
static size_t authority_len(const char *s)
{
    return strcspn(s, "/?#\\");
}

static bool split_port(struct parts *p)
{
    const char *end = p->host.at + p->host.len;
    const char *colon;

    if (p->host.len > 0 && p->host.at[0] == '[') {
        const char *close = memchr(p->host.at, ']', p->host.len);

        if (!close || (close + 1 < end && close[1] != ':'))
            return false;
        colon = close + 1 < end ? close + 1 : NULL;
    } else {
        colon = memchr(p->host.at, ':', p->host.len);
    }
    if (colon) {
        p->port = (struct span){ colon + 1, (size_t)(end - colon - 1) };
        p->host.len = (size_t)(colon - p->host.at);
        if (strspn(p->port.at, "0123456789") < p->port.len || p->port.len > 5)
            return false;
    }
    return p->host.len > 0;
}

static bool split(const char *url, struct parts *ret)
{
    struct parts p = { 0 };
    const char *authority, *at = NULL;
    size_t len;

    if (strncasecmp(url, "http://", 7) == 0) {
        authority = url + 7;
    } else if (strncasecmp(url, "https://", 8) == 0) {
        authority = url + 8;
        p.https = true;
    } else {
        return false;
    }
    for (const char *c = url; *c; c++) {
        if ((unsigned char)*c <= ' ' || *c == 0x7F)
            return false;
    }
    len = authority_len(authority);
    for (size_t i = 0; i < len; i++) {
        if (authority[i] == '@')
            at = authority + i + 1;
    }
    if (at)
        p.user = (struct span){ authority, (size_t)(at - authority) };
    p.host = (struct span){ authority + p.user.len, len - p.user.len };
    p.path = authority + len;
    if (!split_port(&p))
        return false;
    *ret = p;
    return true;
}

static bool is(struct span s, const char *text)
{
    return s.len == strlen(text) && strncasecmp(s.at, text, s.len) == 0;
}

static bool is_loopback(struct span host)
{
    return is(host, "localhost") || is(host, "[::1]")
        || (host.len > 4 && memcmp(host.at, "127.", 4) == 0
            && strspn(host.at, "0123456789.") >= host.len);
}

static bool name_is_plain(struct span name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";

    return name.len > 0 && strspn(name.at, plain) >= name.len;
}

/* {collection}/{version} at the end of a path; what is before is the base. */
static bool split_endpoint(const char *path, struct span *ret_name, int *ret_version,
                           const char **ret_base_end)
{
    size_t len = strlen(path);
    size_t version, name;
    int64_t n = 0;

    while (len > 0 && path[len - 1] == '/')
        len--;
    for (version = len; version > 0 && path[version - 1] != '/'; version--)
        ;
    if (version < 2 || len == version || len - version > 9)
        return false;
    for (size_t i = version; i < len; i++) {
        if (path[i] < '0' || path[i] > '9')
            return false;
        n = n * 10 + (path[i] - '0');
    }
    for (name = version - 1; name > 0 && path[name - 1] != '/'; name--)
        ;
    if (name == 0)
        return false;
    *ret_name = (struct span){ path + name, version - 1 - name };
    *ret_version = (int)n;
    *ret_base_end = path + name - 1;
    return name_is_plain(*ret_name);
}

int replica__http_url_parse(const char *text, struct replica__http_url *ret, replica_error *err)
{
    struct replica__http_url url = { NULL, NULL, 0, false };
    struct parts p;
    struct span name;
    const char *base_end;

    if (!split(text, &p))
        return replica__error_set(err, REPLICA_EINVAL, 0, "not an http or https URL with a host");
    if (strpbrk(p.path, "?#\\"))
        return replica__error_set(err, REPLICA_EINVAL, 0,
                                  "the URL of an endpoint has no query and no fragment");
    if (!split_endpoint(p.path, &name, &url.version, &base_end))
        return replica__error_set(err, REPLICA_EINVAL, 0,
                                  "the URL of an endpoint ends with /{collection}/{version}");
    url.loopback = is_loopback(p.host);
    url.base = replica__strndup(text, (size_t)(base_end - text));
    url.name = replica__strndup(name.at, name.len);
    if (!url.base || !url.name) {
        replica__http_url_free(&url);
        return replica__enomem(err);
    }
    *ret = url;
    return 0;
}

void replica__http_url_free(struct replica__http_url *url)
{
    replica__free(url->base);
    replica__free(url->name);
    url->base = NULL;
    url->name = NULL;
}

static int port_of(const struct parts *p)
{
    int n = 0;

    if (p->port.len == 0)
        return p->https ? 443 : 80;
    for (size_t i = 0; i < p->port.len; i++)
        n = n * 10 + (p->port.at[i] - '0');
    return n;
}

bool replica__http_url_same_origin(const char *from, const char *to)
{
    struct parts a, b;

    return split(from, &a) && split(to, &b) && a.https == b.https && port_of(&a) == port_of(&b)
        && a.host.len == b.host.len && strncasecmp(a.host.at, b.host.at, a.host.len) == 0
        && b.user.len == 0;
}

void replica__http_url_show(const char *url, struct replica__buf *out)
{
    struct parts p;

    if (!split(url, &p))
        return;
    replica__buf_str(out, p.https ? "https://" : "http://");
    replica__buf_add(out, p.host.at, p.host.len);
    if (p.port.len > 0) {
        replica__buf_char(out, ':');
        replica__buf_add(out, p.port.at, p.port.len);
    }
    replica__buf_add(out, p.path, strcspn(p.path, "?#"));
}

/* Taking an endpoint's URL apart from its end. */
#include "tools/cli/endpoint.h"
#include "tools/cli/cli.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The length of "user:password@", which begins at *ret. */
static size_t find_user(const char *url, const char **ret)
{
    const char *start = strstr(url, "://");
    size_t len;

    start = start ? start + 3 : url;
    len = strcspn(start, "/?#");
    while (len > 0 && start[len - 1] != '@')
        len--;
    *ret = start;
    return len;
}

void endpoint_show(const char *url, struct replica__buf *out)
{
    const char *user;
    size_t len = find_user(url, &user);

    replica__buf_add(out, url, (size_t)(user - url));
    replica__buf_str(out, user + len);
}

/* A user without a password is a secret, too; so are parameters. */
static void hide_secrets(const char *url)
{
    const char *user;
    size_t len = find_user(url, &user);
    const char *colon = memchr(user, ':', len);
    char *at = (char *)(uintptr_t)user; /* options point into the arguments, which are ours */

    for (size_t i = colon ? (size_t)(colon - user) + 1 : 0; i + 1 < len; i++)
        at[i] = '*';
    at += len;
    at += strcspn(at, "?#");
    while (*at && *++at)
        *at = '*';
}

static int not_an_endpoint(const char *url)
{
    hide_secrets(url);
    return cli_usage("'%s' does not look like http://host:port/{collection}/{schema version}", url);
}

int endpoint_parse(const char *url, struct endpoint *ret_endpoint)
{
    const char *path = strstr(url, "://");
    const char *end = url + strlen(url);
    const char *version, *name;

    if (strncmp(url, "http", 4) != 0 || !path)
        return not_an_endpoint(url);
    path = strchr(path + 3, '/');
    while (path && end > path + 1 && end[-1] == '/')
        end--;
    version = end;
    while (path && version > path + 1 && version[-1] >= '0' && version[-1] <= '9')
        version--;
    if (!path || version == end || end - version > 9 || version[-1] != '/' || version - 1 <= path)
        return not_an_endpoint(url);
    name = version - 1;
    while (name[-1] != '/')
        name--;
    if (name == version - 1 || strpbrk(path, "?#"))
        return not_an_endpoint(url);

    ret_endpoint->url = strndup(url, (size_t)(end - url));
    hide_secrets(url);
    ret_endpoint->collection = strndup(name, (size_t)(version - 1 - name));
    ret_endpoint->version = atoi(version);
    return 0;
}

void endpoint_free(struct endpoint *endpoint)
{
    free(endpoint->url);
    free(endpoint->collection);
}

bool endpoint_is_unreached(const replica_sync_status *status)
{
    return status->state == REPLICA_SYNC_WAITING && status->error.code == REPLICA_ENET &&
           status->bytes_down == 0;
}

/* Reading a folder of schemas.  Links are not followed into other folders: the walk ends. */
#include "tools/cli/registry.h"
#include "tools/cli/cli.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BASE_URL "http://localhost:1234/"

enum { MAX_DEPTH = 32 }; /* of folders in folders */

/* A path below the folder as the path of a URL. */
static void add_url(struct replica__buf *url, const char *path)
{
    replica__buf_str(url, BASE_URL);
    for (; *path; path++) {
        bool plain = (*path >= 'a' && *path <= 'z') || (*path >= 'A' && *path <= 'Z') ||
                     (*path >= '0' && *path <= '9') || strchr("-._~/!$&'()*+,;=:@", *path);

        if (plain)
            replica__buf_char(url, *path);
        else
            replica__buf_printf(url, "%%%02X", (unsigned char)*path);
    }
}

static int add_file(replica_registry *registry, const char *path, const char *below)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;
    REPLICA_BUF url = REPLICA_BUF_INIT;
    replica_error err = { 0 };
    const char *json;
    int r = cli_file(path, &text, &json);

    if (r)
        return r;
    add_url(&url, below);
    if (url.r < 0) {
        cli_complain("out of memory");
        return CLI_STORAGE;
    }
    if (replica_registry_add(registry, url.data, json, text.len, &err) == 0)
        return 0;
    cli_bad_text(path, 0, &err);
    return err.code == REPLICA_ENOMEM ? CLI_STORAGE : CLI_USAGE;
}

static bool is_schema(const char *name)
{
    size_t n = strlen(name);

    return n > 5 && strcmp(name + n - 5, ".json") == 0;
}

/* path is the folder and what is below it; from `root` on it is below. */
static int add_folder(replica_registry *registry, struct replica__buf *path, size_t root,
                      int depth)
{
    DIR *dir = opendir(path->data);
    size_t len = path->len;
    struct dirent *entry;
    int r = 0;

    if (!dir) {
        cli_complain("%s: %s", path->data, strerror(errno));
        return CLI_STORAGE;
    }
    while (r == 0 && (entry = readdir(dir))) {
        struct stat st;

        if (entry->d_name[0] == '.')
            continue;
        replica__buf_char(path, '/');
        replica__buf_str(path, entry->d_name);
        if (path->r < 0) {
            cli_complain("out of memory");
            r = CLI_STORAGE;
            break;
        }
        if (lstat(path->data, &st) == 0 && S_ISDIR(st.st_mode))
            r = depth < MAX_DEPTH ? add_folder(registry, path, root, depth + 1) : 0;
        else if (is_schema(entry->d_name))
            r = add_file(registry, path->data, path->data + root + 1);
        path->len = len;
        path->data[len] = '\0';
    }
    closedir(dir);
    return r;
}

int registry_fill(replica_registry *registry, const char *folder)
{
    REPLICA_BUF path = REPLICA_BUF_INIT;

    replica__buf_str(&path, folder);
    while (path.r == 0 && path.len > 1 && path.data[path.len - 1] == '/')
        path.data[--path.len] = '\0';
    if (path.r < 0) {
        cli_complain("out of memory");
        return CLI_STORAGE;
    }
    return add_folder(registry, &path, path.len, 0);
}

void registry_url(const char *folder, const char *file, struct replica__buf *ret_url)
{
    char *real_folder = realpath(folder, NULL);
    char *real_file = realpath(file, NULL);
    size_t n = real_folder ? strlen(real_folder) : 0;

    if (real_folder && real_file && strncmp(real_file, real_folder, n) == 0 &&
        real_file[n] == '/')
        add_url(ret_url, real_file + n + 1);
    free(real_folder);
    free(real_file);
}

/* The official JSON Schema Test Suite: all files of the three drafts, the optional ones too.
 *
 *     test_schema_suite [PART]    only the files whose path contains PART
 *
 * Speaks TAP, a line for each file.  What we do otherwise on purpose is in `exceptions`, with its
 * reason; one that has become right is a failure, too. */
#include "base/buf.h"
#include "base/json.h"
#include "libreplica/schema.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE (4u << 20)
#define REMOTE_BASE "http://localhost:1234/"

static const struct {
    const char *file;  /* below tests/ */
    const char *group; /* its description; NULL: all of them */
    const char *test;  /* NULL: all that fail are meant, and there is one at least */
    const char *reason;
} exceptions[] = {
    { "draft2020-12/optional/cross-draft.json", NULL, NULL, "draft 2019-09 is not supported" },
    { "draft7/optional/cross-draft.json", NULL, NULL, "draft 2019-09 is not supported" },
    { "draft7/optional/content.json", NULL, NULL,
      "contentEncoding and contentMediaType are annotations in all drafts" },
#ifndef REPLICA_HAVE_IDN2
    { "draft2020-12/optional/format/hostname.json", NULL, NULL, "built without libidn2" },
    { "draft2020-12/optional/format/idn-hostname.json", NULL, NULL, "built without libidn2" },
    { "draft7/optional/format/hostname.json", NULL, NULL, "built without libidn2" },
    { "draft7/optional/format/idn-hostname.json", NULL, NULL, "built without libidn2" },
#endif
};
enum { EXCEPTIONS = sizeof(exceptions) / sizeof(exceptions[0]) };
static int met[EXCEPTIONS];

struct draft {
    const char *name;
    const char *uri;
};
static const struct draft drafts[] = {
    { "draft2020-12", "https://json-schema.org/draft/2020-12/schema" },
    { "draft7", "http://json-schema.org/draft-07/schema#" },
    { "draft4", "http://json-schema.org/draft-04/schema#" },
};

/* One file under test. */
struct file {
    const struct draft *draft;
    const char *path; /* below tests/ */
    unsigned flags;
    struct replica__buf complaints;
    int tests, failed, excused;
};

static replica_registry *registry;
static int lines;

static void must(int ok, const char *what)
{
    if (!ok) {
        printf("Bail out! %s\n", what);
        exit(1);
    }
}

static const char *root(void)
{
    static char path[4096];
    const char *suites = getenv("REPLICA_SUITES");

    snprintf(path, sizeof(path), "%s/json-schema", suites ? suites : REPLICA_SUITES);
    return path;
}

/* Yours to free(). */
static char *read_file(const char *path, size_t *ret_len)
{
    char *text = malloc(MAX_FILE);
    FILE *f = fopen(path, "rb");

    must(text && f, path);
    *ret_len = fread(text, 1, MAX_FILE, f);
    must(*ret_len < MAX_FILE, path);
    fclose(f);
    return text;
}

static struct replica__buf text_of(struct replica__json_value v)
{
    struct replica__buf text = REPLICA_BUF_INIT;

    if (v.type == REPLICA_JSON_STRING)
        replica__json_unescape((struct replica__slice){ v.text.data + 1, v.text.len - 2 }, &text);
    replica__buf_str(&text, "");
    must(text.r == 0, "out of memory");
    return text;
}

/* ---- one file --------------------------------------------------------------------- */

static bool excused(const struct file *f, const char *group, const char *test)
{
    for (int i = 0; i < EXCEPTIONS; i++) {
        if (strcmp(f->path, exceptions[i].file) != 0 ||
            (exceptions[i].group && strcmp(group, exceptions[i].group) != 0) ||
            (exceptions[i].test && strcmp(test, exceptions[i].test) != 0))
            continue;
        met[i]++;
        return true;
    }
    return false;
}

static void judge(struct file *f, const char *group, const char *test, bool right, const char *why)
{
    f->tests++;
    if (right)
        return;
    if (excused(f, group, test)) {
        f->excused++;
        return;
    }
    f->failed++;
    replica__buf_printf(&f->complaints, "# %s: %s: %s\n", group, test, why);
}

/* The schema's text, which names its draft. */
static struct replica__buf with_draft(const struct file *f, struct replica__json_value schema)
{
    struct replica__buf text = REPLICA_BUF_INIT;

    if (schema.type == REPLICA_JSON_OBJECT &&
        replica__json_member(schema, "$schema", REPLICA_NUL).type == REPLICA_JSON_NONE) {
        replica__buf_printf(&text, "{\"$schema\":\"%s\"%s", f->draft->uri,
                            schema.text.len > 2 ? "," : "");
        replica__buf_add(&text, schema.text.data + 1, schema.text.len - 1);
    } else {
        replica__buf_add(&text, schema.text.data, schema.text.len);
    }
    must(text.r == 0, "out of memory");
    return text;
}

static void run_test(struct file *f, const char *group, const replica_schema *schema,
                     const replica_error *bad, struct replica__json_value test)
{
    struct replica__json_value data = replica__json_member(test, "data", REPLICA_NUL);
    struct replica__json_value valid = replica__json_member(test, "valid", REPLICA_NUL);
    REPLICA_BUF name = text_of(replica__json_member(test, "description", REPLICA_NUL));
    replica_error err = { 0 };
    int want = valid.type == REPLICA_JSON_TRUE ? 0 : REPLICA_ESCHEMA;
    int r;

    if (!schema) {
        judge(f, group, name.data, false, bad->message);
        return;
    }
    r = replica_schema_validate(schema, data.text.data, data.text.len, NULL, NULL, &err);
    judge(f, group, name.data, r == want, r ? err.message : "is valid");
}

static void run_group(struct file *f, struct replica__json_value group)
{
    replica_schema_options opts = REPLICA_SCHEMA_OPTIONS_INIT;
    REPLICA_BUF name = text_of(replica__json_member(group, "description", REPLICA_NUL));
    REPLICA_BUF text = with_draft(f, replica__json_member(group, "schema", REPLICA_NUL));
    struct replica__json_iter it =
        replica__json_iter(replica__json_member(group, "tests", REPLICA_NUL));
    replica_schema *schema = NULL;
    replica_error err = { 0 };

    opts.registry = registry;
    opts.flags = f->flags;
    replica_schema_compile(text.data, text.len, &opts, &schema, &err);
    while (replica__json_next(&it))
        run_test(f, name.data, schema, &err, it.value);
    replica_schema_unref(schema);
}

static void run_file(const struct draft *draft, const char *path, unsigned flags)
{
    struct file f = { .draft = draft, .path = path, .flags = flags };
    const struct replica__json_limits limits = { .max_depth = 1000 };
    char full[8192];
    struct replica__json_iter it;
    replica_error err = { 0 };
    size_t len;
    char *text;

    snprintf(full, sizeof(full), "%s/tests/%s", root(), path);
    text = read_file(full, &len);
    must(replica__json_check(text, len, &limits, &err) == 0, full);
    it = replica__json_iter(replica__json_value(text, len));
    while (replica__json_next(&it))
        run_group(&f, it.value);
    printf("%s %d - %s (%d tests", f.failed ? "not ok" : "ok", ++lines, path, f.tests);
    if (f.excused)
        printf(", %d otherwise on purpose", f.excused);
    printf(")\n");
    if (f.failed)
        printf("%s", f.complaints.data);
    replica__buf_free(&f.complaints);
    free(text);
}

/* ---- folders ---------------------------------------------------------------------- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Calls fn for each file below folder whose name ends in .json, with its path below top. */
static void each_file(const char *top, const char *below, bool deep,
                      void (*fn)(void *ctx, const char *path), void *ctx)
{
    struct dirent **names = NULL;
    char folder[8192];
    int n;

    snprintf(folder, sizeof(folder), "%s/%s", top, below);
    n = scandir(folder, &names, NULL, by_name);
    for (int i = 0; i < n; i++) {
        const char *name = names[i]->d_name;
        size_t len = strlen(name);
        char path[8192];

        snprintf(path, sizeof(path), "%s%s%s", below, *below ? "/" : "", name);
        if (len > 5 && strcmp(name + len - 5, ".json") == 0)
            fn(ctx, path);
        else if (deep && name[0] != '.' && !strchr(name, '.'))
            each_file(top, path, deep, fn, ctx);
        free(names[i]);
    }
    free(names);
}

static void add_remote(void *ctx, const char *path)
{
    char uri[8192];
    char full[8192];
    replica_error err = { 0 };
    size_t len;
    char *text;

    snprintf(full, sizeof(full), "%s/%s", (const char *)ctx, path);
    snprintf(uri, sizeof(uri), REMOTE_BASE "%s", path);
    text = read_file(full, &len);
    must(replica_registry_add(registry, uri, text, len, &err) == 0, err.message);
    free(text);
}

struct choice {
    const struct draft *draft;
    unsigned flags;
    const char *part;
};

static void run_chosen(void *ctx, const char *path)
{
    const struct choice *choice = ctx;

    if (strstr(path, choice->part))
        run_file(choice->draft, path, choice->flags);
}

static void run_draft(const struct draft *draft, const char *part)
{
    struct choice choice = { draft, 0, part };
    char tests[4200];
    char folder[256];

    snprintf(tests, sizeof(tests), "%s/tests", root());
    each_file(tests, draft->name, false, run_chosen, &choice);
    snprintf(folder, sizeof(folder), "%s/optional", draft->name);
    each_file(tests, folder, false, run_chosen, &choice);
    choice.flags = REPLICA_SCHEMA_FORMATS;
    snprintf(folder, sizeof(folder), "%s/optional/format", draft->name);
    each_file(tests, folder, false, run_chosen, &choice);
}

int main(int argc, char **argv)
{
    const char *part = argc > 1 ? argv[1] : "";
    char remotes[4200];
    replica_error err = { 0 };
    int stale = 0;
    DIR *dir;

    snprintf(remotes, sizeof(remotes), "%s/remotes", root());
    dir = opendir(remotes);
    if (!dir) {
        printf("1..0 # SKIP no JSON-Schema-Test-Suite in %s (REPLICA_SUITES says where else)\n",
               root());
        return 0;
    }
    closedir(dir);
    must(replica_registry_new(&registry, &err) == 0, err.message);
    each_file(remotes, "", true, add_remote, remotes);
    for (size_t i = 0; i < sizeof(drafts) / sizeof(drafts[0]); i++)
        run_draft(&drafts[i], part);
    for (int i = 0; *part == '\0' && i < EXCEPTIONS; i++) {
        if (met[i] == 0) {
            printf("# no longer an exception: %s, %s\n", exceptions[i].file, exceptions[i].reason);
            stale++;
        }
    }
    if (*part == '\0')
        printf("%s %d - every exception is still one\n", stale ? "not ok" : "ok", ++lines);
    printf("1..%d\n", lines);
    replica_registry_free(registry);
    return 0;
}

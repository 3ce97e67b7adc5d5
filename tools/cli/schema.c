/* replica schema: is it a schema, and does JSON keep to it? */
#include "tools/cli/cli.h"
#include "tools/cli/lines.h"
#include "tools/cli/registry.h"

#include "libreplica/schema.h"

#include <stdlib.h>
#include <string.h>

#define VALUE_MAX ((size_t)16 << 20) /* bytes of a line */
#define ARGUMENTS_MAX 1000

struct task {
    const char *schema_path;
    const char *registry_path;
    bool all;
    unsigned flags; /* REPLICA_SCHEMA_... */
    replica_registry *registry;
    replica_schema *schema;
    struct lines in;
    struct replica__buf line;
    int64_t invalid; /* lines */
};

static void task_free(struct task *t)
{
    lines_close(&t->in);
    replica__buf_free(&t->line);
    replica_schema_unref(t->schema);
    replica_registry_free(t->registry);
    free(t);
}

/* ---- schemas --------------------------------------------------------------------- */

static int fill_registry(struct task *t)
{
    replica_error err = { 0 };

    if (!t->registry_path)
        return 0;
    if (replica_registry_new(&t->registry, &err) < 0)
        return cli_failed(&err);
    return registry_fill(t->registry, t->registry_path);
}

static void complain_about_schema(const char *path, const replica_error *err)
{
    if (err->where[0] != '\0')
        cli_complain_at(path, 0, "%s: %s", err->where, err->message);
    else if (err->offset >= 0)
        cli_complain_at(path, 0, "byte %lld: %s", (long long)err->offset + 1, err->message);
    else
        cli_complain_at(path, 0, "%s", err->message);
}

static int compile(struct task *t, const char *path, replica_schema **ret_schema)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;
    REPLICA_BUF url = REPLICA_BUF_INIT;
    replica_schema_options o = REPLICA_SCHEMA_OPTIONS_INIT;
    replica_error err = { 0 };
    const char *json;
    int r = cli_file(path, &text, &json);

    if (r)
        return CLI_USAGE;
    if (t->registry)
        registry_url(t->registry_path, path, &url);
    o.registry = t->registry;
    o.uri = url.data;
    o.flags = t->flags;
    r = replica_schema_compile(json, text.len, &o, ret_schema, &err);
    if (r == 0)
        return 0;
    complain_about_schema(path, &err);
    return r == REPLICA_ENOMEM ? CLI_STORAGE : CLI_USAGE;
}

static int check(struct task *t, int count, char **paths)
{
    int worst = CLI_OK;

    for (int i = 0; i < count; i++) {
        replica_schema *schema = NULL;
        int r = compile(t, paths[i], &schema);

        replica_schema_unref(schema);
        worst = r > worst ? r : worst;
    }
    return worst;
}

/* ---- values ---------------------------------------------------------------------- */

/* A name in a path may have anything in it; a finding has one line. */
static void print_path(const char *path)
{
    for (; *path; path++) {
        if ((unsigned char)*path < ' ' || *path == 0x7F)
            printf("\\u%04x", (unsigned)*path);
        else
            putchar(*path);
    }
    fputs(": ", stdout);
}

static int on_finding(void *ctx, const replica_schema_finding *f)
{
    struct task *t = ctx;

    printf("%lld: ", (long long)t->in.number);
    print_path(f->instance);
    print_path(f->schema);
    puts(f->message);
    return !t->all;
}

/* 0, or -exit code. */
static int validate_line(struct task *t)
{
    replica_error err = { 0 };
    int r = replica_schema_validate(t->schema, t->line.data, t->line.len, on_finding, t, &err);

    if (r == 0)
        return 0;
    if (r == REPLICA_EJSON)
        printf("%lld: : : no JSON: byte %lld: %s\n", (long long)t->in.number,
               (long long)err.offset + 1, err.message);
    else if (r == REPLICA_ELIMIT)
        printf("%lld: %s: : %s\n", (long long)t->in.number, err.where, err.message);
    else if (r != REPLICA_ESCHEMA)
        return -cli_failed(&err);
    t->invalid++;
    return 0;
}

static int validate(struct task *t, const char *path)
{
    int r = compile(t, t->schema_path, &t->schema);

    if (r == 0)
        r = lines_open(&t->in, path, VALUE_MAX);
    if (r)
        return r;
    while ((r = lines_next(&t->in, &t->line)) > 0) {
        r = validate_line(t);
        if (r < 0)
            break;
        replica__buf_clear(&t->line);
    }
    if (r < 0)
        return -r;
    return t->invalid > 0 ? CLI_NO : CLI_OK;
}

static int run(struct task *t, int count, char **argv)
{
    int r;

    if (strcmp(argv[1], "check") == 0) {
        if (count < 2)
            return cli_usage("check: a schema's file is missing");
        if (t->schema_path || t->all)
            return cli_usage("check takes neither --schema nor --all");
        r = fill_registry(t);
        return r ? r : check(t, count - 1, argv + 2);
    }
    if (strcmp(argv[1], "validate") != 0)
        return cli_usage("'%s' is neither check nor validate", argv[1]);
    if (!t->schema_path)
        return cli_usage("validate: --schema is missing");
    if (count > 2)
        return cli_usage("validate: more than one file");
    r = fill_registry(t);
    return r ? r : validate(t, count > 1 ? argv[2] : NULL);
}

int cmd_schema(int argc, char **argv)
{
    const char *schema = NULL, *registry = NULL;
    bool all = false, formats = false, collection = false;
    const struct cli_option options[] = {
        { "schema", CLI_TEXT, false, &schema, "FILE", "the schema to validate with" },
        { "all", CLI_FLAG, false, &all, NULL, "print all that is wrong with a value" },
        { "formats", CLI_FLAG, false, &formats, NULL, "\"format\" asserts" },
        { "collection", CLI_FLAG, false, &collection, NULL,
          "the schema is a collection's, as RxDB has it" },
        { "registry", CLI_TEXT, false, &registry, "DIR", "schemas that others refer to" },
        { 0 },
    };
    const struct cli_command command = {
        "check FILE... | validate [FILE|-]",
        "Check schemas; or validate JSON, one value per line, with one.  For each invalid value\n"
        "it prints LINE: instance path: schema path: message.  Exit 1 if there was one, 2 if a\n"
        "schema is bad.",
        1, ARGUMENTS_MAX, options,
    };
    struct task *t;
    int r, n;

    n = cli_parse(&command, argc, argv, &r);
    if (n < 0)
        return r;
    t = calloc(1, sizeof(*t));
    if (!t) {
        cli_complain("out of memory");
        return CLI_STORAGE;
    }
    t->schema_path = schema;
    t->registry_path = registry;
    t->all = all;
    t->flags = (formats ? REPLICA_SCHEMA_FORMATS : 0) |
               (collection ? REPLICA_SCHEMA_COLLECTION : 0);
    r = run(t, n, argv);
    task_free(t);
    return cli_finish(r);
}

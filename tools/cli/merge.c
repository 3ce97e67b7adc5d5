/* replica merge: what becomes of three states of a document, on files. */
#include "tools/cli/cli.h"

#include "base/json.h"
#include "libreplica/merge.h"

#include <string.h>
#include <sys/stat.h>

struct state {
    struct replica__buf text;
    replica_side side;
};

struct task {
    replica_rules *rules;
    struct state base, ours, theirs;
    replica_text *out;
};

static void task_free(struct task *t)
{
    replica_rules_unref(t->rules);
    replica__buf_free(&t->base.text);
    replica__buf_free(&t->ours.text);
    replica__buf_free(&t->theirs.text);
    replica_text_free(t->out);
}

/* Nothing that is there is anything but an object, as documents are. */
static bool has_documents(const struct task *t)
{
    const struct state *states[] = { &t->base, &t->ours, &t->theirs };

    for (size_t i = 0; i < 3; i++) {
        const replica_side *side = &states[i]->side;

        if (side->json && replica__json_value(side->json, side->len).type != REPLICA_JSON_OBJECT)
            return false;
    }
    return true;
}

static int read_rules(struct task *t, const char *arg)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;
    replica_error err = { 0 };
    const char *json;
    int r = cli_rules(arg, &text, &json);

    if (r || !json)
        return r;
    r = replica_rules_compile(json, REPLICA_NUL, &t->rules, &err);
    if (r == 0 && has_documents(t))
        r = replica_rules_check(t->rules, NULL, &err);
    return r < 0 ? cli_bad_rules(&err) : 0;
}

/* A file has no clock but the time at which it was last written. */
static int read_state(const char *path, struct state *s)
{
    struct stat st;
    int r;

    if (strcmp(path, "-") == 0)
        return 0;
    r = cli_file(path, &s->text, &s->side.json);
    s->side.len = s->text.len;
    if (r == 0 && stat(path, &st) == 0)
        s->side.stamp = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
    return r;
}

static int bad_state(char **paths, const replica_error *err)
{
    int which = strcmp(err->where, "base") == 0 ? 0 : strcmp(err->where, "ours") == 0 ? 1 : 2;

    return err->code == REPLICA_EJSON || err->code == REPLICA_ELIMIT
               ? cli_bad_text(paths[which], 0, err) : cli_failed(err);
}

static void print(const char *json, size_t len)
{
    fwrite(json, 1, len, stdout);
    if (len == 0 || json[len - 1] != '\n')
        putchar('\n');
}

static void print_side(const replica_side *side)
{
    if (side->json)
        print(side->json, side->len);
    else
        fputs("deleted\n", stderr);
}

static int print_result(const struct task *t, int outcome)
{
    size_t len;
    const char *json;

    switch (outcome) {
    case REPLICA_MERGED_TEXT:
        json = replica_text_json(t->out, &len);
        print(json, len);
        return CLI_OK;
    case REPLICA_MERGED_COPY:
        fputs("deleted; a copy is kept under another key\n", stderr);
        print_side(t->ours.side.json ? &t->ours.side : &t->theirs.side);
        return CLI_OK;
    case REPLICA_MERGED_ASK:
        cli_complain("one side edited, the other deleted: the rules leave it to the program");
        return CLI_CONFLICT;
    default:
        print_side(outcome == REPLICA_MERGED_OURS ? &t->ours.side : &t->theirs.side);
        return CLI_OK;
    }
}

static int run(struct task *t, const char *rules, char **paths)
{
    replica_error err = { 0 };
    int r = read_state(paths[0], &t->base);

    if (r == 0)
        r = read_state(paths[1], &t->ours);
    if (r == 0)
        r = read_state(paths[2], &t->theirs);
    if (r == 0)
        r = read_rules(t, rules);
    if (r)
        return r;
    if (replica_text_new(&t->out, &err) < 0)
        return cli_failed(&err);
    r = replica_merge3(t->rules, &t->base.side, &t->ours.side, &t->theirs.side, t->out, &err);
    return r < 0 ? bad_state(paths, &err) : print_result(t, r);
}

int cmd_merge(int argc, char **argv)
{
    const char *rules = NULL;
    const struct cli_option options[] = {
        { "rules", CLI_TEXT, false, &rules, "RULES", "JSON, a name, or @FILE; else server-wins" },
        { 0 },
    };
    const struct cli_command command = {
        "BASE OURS THEIRS",
        "Merge three states of a document, each in a file, by the rules for conflicts, and print\n"
        "the result.  \"-\" says that there is none: no ancestor, or that a side deleted it.  A\n"
        "result that is deleted prints nothing, and says so on standard error.  Exit 6 if the\n"
        "rules leave it to the program.  For last-write-wins, files have the time at which they\n"
        "were written last.",
        3, 3, options,
    };
    __attribute__((cleanup(task_free))) struct task t = { .rules = NULL };
    int r;

    if (cli_parse(&command, argc, argv, &r) < 0)
        return r;
    return cli_finish(run(&t, rules, argv + 1));
}

/* replica conflicts show: where the states of an entry differ, path by path, for people. */
#include "tools/cli/conflict_show.h"

#include <string.h>

enum { ASSUMED, REAL, LOCAL, RESULT, STATES };

static const char *const names[STATES] = { "assumed", "real", "local", "result" };

#define SHOWN_MAX 300 /* bytes of a value; the whole states are in --json */

static bool same(struct replica__json_value a, struct replica__json_value b)
{
    if (a.type == REPLICA_JSON_NONE || b.type == REPLICA_JSON_NONE)
        return a.type == b.type;
    return replica__json_equal(a.text.data, a.text.len, b.text.data, b.text.len, 0) > 0;
}

static void print_value(struct replica__json_value v)
{
    const char *text = v.text.data;
    size_t len = v.text.len < SHOWN_MAX ? v.text.len : SHOWN_MAX;

    while (len < v.text.len && (text[len] & 0xc0) == 0x80)
        len--; /* not within a character */
    for (size_t i = 0, run; i < len; i += run + 1) {
        for (run = 0; i + run < len && !memchr("\t\r\n", text[i + run], 3);)
            run++;
        cli_print_plain(text + i, run);
        if (i + run < len)
            putchar(' '); /* between tokens: elsewhere it is escaped */
    }
    puts(len < v.text.len ? " ..." : "");
}

/* A value that is as the assumed state has it needs no line of its own: nobody changed it. */
static void print_values(const char *path, const struct replica__json_value values[STATES])
{
    putchar('\n');
    cli_print_plain(*path ? path : "(the whole document)", *path ? strlen(path) : 20);
    putchar('\n');
    for (int i = 0; i < STATES; i++) {
        printf("    %-8s ", names[i]);
        if (values[i].type == REPLICA_JSON_NONE)
            puts("-");
        else if ((i == REAL || i == LOCAL) && same(values[i], values[ASSUMED]))
            puts("unchanged");
        else
            print_value(values[i]);
    }
}

/* "~" and "/" of a name are escaped as in a JSON pointer. */
static void add_name(struct replica__buf *path, struct replica__slice name)
{
    replica__buf_char(path, '/');
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] == '~' || name.data[i] == '/')
            replica__buf_str(path, name.data[i] == '~' ? "~0" : "~1");
        else
            replica__buf_char(path, name.data[i]);
    }
}

static bool all_are_objects(const struct replica__json_value values[STATES])
{
    int objects = 0;

    for (int i = 0; i < STATES; i++) {
        objects += values[i].type == REPLICA_JSON_OBJECT;
        if (values[i].type != REPLICA_JSON_OBJECT && values[i].type != REPLICA_JSON_NONE)
            return false;
    }
    return objects > 1;
}

static void walk(struct replica__buf *path, const struct replica__json_value values[STATES]);

/* The members that state `of` is the first to have. */
static void walk_members(struct replica__buf *path, const struct replica__json_value values[STATES],
                         int of)
{
    struct replica__json_iter it = replica__json_iter(values[of]);
    size_t len = path->len;

    while (replica__json_next(&it)) {
        REPLICA_BUF name = REPLICA_BUF_INIT;
        struct replica__json_value members[STATES];
        int first = STATES;

        replica__json_unescape(it.name, &name);
        for (int i = STATES - 1; i >= 0; i--) {
            members[i] = replica__json_member(values[i], name.data ? name.data : "", name.len);
            first = members[i].type == REPLICA_JSON_NONE ? first : i;
        }
        if (first != of)
            continue;
        add_name(path, it.name);
        walk(path, members);
        if (path->data)
            path->data[path->len = len] = '\0';
    }
}

static void walk(struct replica__buf *path, const struct replica__json_value values[STATES])
{
    bool differ = false;

    for (int i = 1; i < STATES; i++)
        differ |= !same(values[0], values[i]);
    if (!differ)
        return;
    if (!all_are_objects(values)) {
        print_values(path->data ? path->data : "", values);
        return;
    }
    for (int i = 0; i < STATES; i++)
        if (values[i].type == REPLICA_JSON_OBJECT)
            walk_members(path, values, i);
}

static struct replica__json_value value_of(replica_doc *doc)
{
    size_t len = 0;
    const char *json = doc ? replica_doc_json(doc, &len) : NULL;

    if (!json || replica_doc_deleted(doc))
        return (struct replica__json_value){ REPLICA_JSON_NONE, { NULL, 0 } };
    return replica__json_value(json, len);
}

static void print_state(const char *name, replica_doc *doc)
{
    const char *writer = doc ? replica_doc_writer(doc) : "";
    char time[CLI_TIME];

    printf("    %-8s %s", name, !doc ? "none" : replica_doc_deleted(doc) ? "deleted" : "written");
    if (doc && replica_doc_time(doc))
        printf(" %s", cli_time(replica_doc_time(doc), time));
    if (*writer)
        printf(" by %s", writer);
    putchar('\n');
}

void cli_show_conflict(const replica_conflict_entry *e)
{
    REPLICA_BUF path = REPLICA_BUF_INIT;
    replica_doc *docs[STATES] = { e->assumed, e->real, e->local, e->result ? e->result : e->real };
    struct replica__json_value values[STATES];

    for (int i = 0; i < STATES; i++) {
        values[i] = value_of(docs[i]);
        if (i < RESULT)
            print_state(names[i], docs[i]);
    }
    printf("    %-8s %s\n", names[RESULT],
           !e->number ? "not yet" : !docs[RESULT] ? "none"
           : replica_doc_deleted(docs[RESULT]) ? "deleted"
           : !e->result ? "the real one" : "a new one");
    walk(&path, values);
}

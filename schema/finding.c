/* Findings: what is wrong with a value, in words, and where.  The paths are only made here. */
#include "base/error.h"
#include "schema/run.h"

#include <stdarg.h>
#include <stdio.h>

static void add_place(const struct place *place, struct replica__buf *out)
{
    const struct place *way[64];
    size_t n = 0;

    /* The innermost 64 at once, and those before them by recursion: few documents are deeper. */
    for (; place && n < sizeof(way) / sizeof(way[0]); place = place->up)
        way[n++] = place;
    if (place)
        add_place(place, out);
    while (n-- > 0) {
        if (way[n]->name.data) {
            replica__source_token(way[n]->name, out);
        } else {
            replica__buf_char(out, '/');
            replica__buf_int(out, (int64_t)way[n]->index);
        }
    }
}

static const char *text_of(const struct replica__buf *b)
{
    return b->len ? b->data : "";
}

static int report_first(struct run *run, const replica_schema_finding *finding)
{
    REPLICA_BUF path = REPLICA_BUF_INIT;

    replica__source_line(finding->schema, &path);
    if (path.r < 0)
        return replica__run_enomem(run);
    run->found = true;
    replica__error_set(run->err, REPLICA_ESCHEMA, 0, "%s%s%s (at %s)", finding->keyword,
                       finding->keyword[0] != '\0' ? ": " : "", finding->message, text_of(&path));
    replica__error_where(run->err, "%s", finding->instance);
    return 0;
}

int replica__run_find(struct run *run, const struct schema_node *node, const char *keyword,
                      const struct replica__json_value *v, const struct place *place,
                      const char *format, ...)
{
    REPLICA_BUF instance = REPLICA_BUF_INIT;
    REPLICA_BUF schema = REPLICA_BUF_INIT;
    REPLICA_BUF message = REPLICA_BUF_INIT;
    replica_schema_finding finding = { .keyword = keyword };
    char words[400];
    va_list args;

    if (run->quiet)
        return 0;
    if (run->found && !run->fn)
        return 0;
    va_start(args, format);
    vsnprintf(words, sizeof(words), format, args);
    va_end(args);
    replica__source_line(words, &message);
    add_place(place, &instance);
    replica__source_path(node->doc, node->value.text.data, &schema);
    if (keyword[0] != '\0') {
        replica__buf_char(&schema, '/');
        replica__buf_str(&schema, keyword);
    }
    if (instance.r < 0 || schema.r < 0 || message.r < 0)
        return replica__run_enomem(run);
    finding.instance = text_of(&instance);
    finding.schema = text_of(&schema);
    finding.message = text_of(&message);
    finding.value = v->text.data;
    finding.value_len = v->text.len;
    if (!run->found && report_first(run, &finding) < 0)
        return REPLICA_ENOMEM;
    if (run->fn && run->fn(run->ctx, &finding) != 0)
        run->on = false;
    return 0;
}

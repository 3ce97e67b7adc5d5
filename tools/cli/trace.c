#include "tools/cli/trace.h"

#include "tools/cli/cli.h"

#include <string.h>

static void show(const replica_sync_trace_entry *e)
{
    char time[CLI_TIME];

    fprintf(stderr, "%.19s.%03dZ ", cli_time(e->time_ms, time), (int)(e->time_ms % 1000));
    if (e->method)
        fprintf(stderr, "%s ", e->method);
    cli_write_plain(stderr, e->text, strlen(e->text));
    if (e->method)
        fprintf(stderr, " %d, %lld bytes up, %lld down, %lld ms", e->status,
                (long long)e->bytes_up, (long long)e->bytes_down, (long long)e->ms);
    if (e->error) {
        fputs(": ", stderr);
        cli_write_plain(stderr, e->error, strlen(e->error));
    }
    putc('\n', stderr);
}

static int look(void *ctx, const replica_sync_trace_entry *e)
{
    int64_t *last = ctx;

    if (e->number <= *last)
        return 0;
    cli_progress_end();
    if (e->number > *last + 1)
        fprintf(stderr, "(%lld left out)\n", (long long)(e->number - *last - 1));
    *last = e->number;
    show(e);
    return 0;
}

void cli_trace(replica_sync *sync, int64_t *last)
{
    replica_sync_trace(sync, look, last, NULL);
}

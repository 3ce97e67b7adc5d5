/* Bars, status and conflicts of a client of the demo, for people.  A line is written at once,
 * because two clients share the screen. */
#include "examples/demo_show.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BAR_WIDTH 30
#define BAR_EVERY_MS 40
#define CONFLICTS_MAX 4096
#define CONFLICTS_FULL 3 /* of a collection, all with their states; of more than that only one */

static struct {
    const char *name;
    int is_terminal, has_colour;
    int64_t drawn_ms;
} screen;

void show_as(const char *name)
{
    const char *no_colour = getenv("NO_COLOR");

    screen.name = name;
    screen.is_terminal = isatty(STDERR_FILENO);
    screen.has_colour = screen.is_terminal && !(no_colour && *no_colour);
}

/* A line, or (without an end) the state of a bar. */
static void put(const char *text, const char *end)
{
    const char *own = strcmp(screen.name, "A") == 0 ? "\033[36m" : "\033[35m";
    const char *colour = screen.has_colour ? own : "";
    const char *clear = screen.is_terminal ? "\r\033[K" : "";

    fprintf(stderr, "%s  %s%s%s  %s%s", clear, colour, screen.name, *colour ? "\033[0m" : "", text,
            end);
    fflush(stderr);
}

void show(const char *format, ...)
{
    char text[4096];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    put(text, "\n");
}

/* ---- bars ------------------------------------------------------------------------ */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void draw(const char *what, int64_t done, int64_t total, const char *end)
{
    int full = total > 0 ? (int)(done * BAR_WIDTH / total) : BAR_WIDTH;
    char bar[BAR_WIDTH + 1] = "", text[160];

    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < full ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    if (screen.is_terminal)
        snprintf(text, sizeof(text), "%-20s [%s] %lld of %lld", what, bar, (long long)done,
                 (long long)total);
    else
        snprintf(text, sizeof(text), "%-20s %lld", what, (long long)done);
    put(text, end);
}

void show_bar(const char *what, int64_t done, int64_t total)
{
    if (!screen.is_terminal || now_ms() - screen.drawn_ms < BAR_EVERY_MS)
        return;
    screen.drawn_ms = now_ms();
    draw(what, done, total, "");
}

void show_bar_end(const char *what, int64_t total)
{
    draw(what, total, total, "\n");
    screen.drawn_ms = 0;
}

/* ---- status ---------------------------------------------------------------------- */

void show_status(const replica_sync_status *status)
{
    static const char *const states[] = { "", "starting", "pulling", "pushing", "idle",
                                          "waiting", "paused", "stopped" };

    if (status->in_sync)
        show("status      %s; in sync as of the server's number %lld", states[status->state],
             (long long)status->head);
    else
        show("status      %s; not in sync: %lld documents wait to be sent", states[status->state],
             (long long)status->push_remaining);
    if (status->error.code)
        show("            %s: %s", replica_error_name(status->error.code), status->error.message);
    if (status->state == REPLICA_SYNC_WAITING)
        show("            the next attempt is in %.1f s", (double)status->retry_ms / 1000);
    if (status->unsettled + status->rejected > 0)
        show("            %lld wait for the handler, %lld are set aside",
             (long long)status->unsettled, (long long)status->rejected);
}

/* ---- conflicts ------------------------------------------------------------------- */

struct noted {
    char collection[64], id[64], rule[32];
    replica_doc *states[4];
    int was_shown;
};

static struct {
    struct noted noted[CONFLICTS_MAX];
    int count;
} conflicts;

void conflicts_note(const replica_sync_event *event)
{
    struct noted *n = &conflicts.noted[conflicts.count];
    replica_doc *const states[4] = { event->assumed, event->real, event->local,
                                     event->result ? event->result : event->real };

    if (conflicts.count == CONFLICTS_MAX)
        return;
    conflicts.count++;
    snprintf(n->collection, sizeof(n->collection), "%s", event->collection);
    snprintf(n->id, sizeof(n->id), "%s", event->id);
    snprintf(n->rule, sizeof(n->rule), "%s", event->rule);
    for (int i = 0; i < 4; i++)
        n->states[i] = states[i] ? replica_doc_ref(states[i]) : NULL;
}

static void show_conflict(const struct noted *n)
{
    static const char *const names[4] = { "assumed", "real", "local", "result" };

    show("conflict    %s/%s, settled by: %s", n->collection, n->id, n->rule);
    for (int i = 0; i < 4; i++) {
        const char *bold = screen.has_colour && i == 3 ? "\033[1m" : "";

        show("  %-8s  %s%s%s", names[i], bold,
             !n->states[i] ? "-" : replica_doc_deleted(n->states[i]) ? "(deleted)"
                                       : replica_doc_json(n->states[i], NULL),
             *bold ? "\033[0m" : "");
    }
}

static int is_of(const struct noted *n, const char *collection)
{
    return strcmp(n->collection, collection) == 0;
}

static void show_conflicts_of(const char *collection, int from)
{
    int count = 0, shown = 0;

    for (int i = from; i < conflicts.count; i++)
        count += is_of(&conflicts.noted[i], collection);
    for (int i = from; i < conflicts.count; i++) {
        struct noted *n = &conflicts.noted[i];

        if (!is_of(n, collection))
            continue;
        n->was_shown = 1;
        if (shown == 0 || count <= CONFLICTS_FULL) {
            show_conflict(n);
            shown++;
        }
    }
    if (count > shown)
        show("            and %d more like it in %s", count - shown, collection);
}

void conflicts_show(void)
{
    if (conflicts.count == 0)
        show("conflicts   none were settled here");
    for (int i = 0; i < conflicts.count; i++)
        if (!conflicts.noted[i].was_shown)
            show_conflicts_of(conflicts.noted[i].collection, i);
    for (int i = 0; i < conflicts.count; i++)
        for (int s = 0; s < 4; s++)
            replica_doc_unref(conflicts.noted[i].states[s]);
    conflicts.count = 0;
}

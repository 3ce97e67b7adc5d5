/* What the demo's clients show of themselves, on standard error: plain where that is no terminal or
 * where NO_COLOR is set. */
#ifndef EXAMPLES_DEMO_SHOW_H
#define EXAMPLES_DEMO_SHOW_H

#include <replicator/replicator.h>

/* Once, before the others: who speaks. */
void show_as(const char *name);

void show(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A bar that moves; call it as often as you like.  Without a terminal there is only its end. */
void show_bar(const char *what, int64_t done, int64_t total);
void show_bar_end(const char *what, int64_t total); /* the line stays */

void show_status(const replica_sync_status *status);

/* The conflicts that were settled here, kept as they are told. */
void conflicts_note(const replica_sync_event *event);
/* Show them: of each collection the first few, and how many more there were. */
void conflicts_show(void);

#endif

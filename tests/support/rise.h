/* Two versions of "notes" and the way from one to the next, for tests of migrations.
 *
 * A step puts a member in at the end: {"id":"a"} becomes {"id":"a","v2":0}.  What a document says
 * of itself is obeyed: "keep", "drop", "fail", "key" (the step gives another primary key), "bad"
 * (no JSON). */
#ifndef TESTS_SUPPORT_RISE_H
#define TESTS_SUPPORT_RISE_H

#include "tests/support/store.h"

/* How often a step has run in this process. */
extern int rise_steps;
int rise_step(void *ctx, replica_doc *doc, replica_text *out); /* ctx: the version, as a number */
extern const replica_migration rise_migrations[3];             /* to 1, 2 and 3 */

/* Open "notes" of this version, with all steps to it. */
struct store rise_open(const char *path, unsigned flags, int version);
/* Close, and open at this version; a replication goes on. */
void rise_to(struct store *s, int version);
/* Dispatch until nothing is left to migrate. */
void rise_finish(struct store *s);
/* How many live documents of "notes" have this version. */
int64_t rise_count(struct store *s, int version);

#endif

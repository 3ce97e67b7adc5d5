/* A page of rows while it is made: documents are copied into it, each with its assumed state. */
#ifndef LIBREPLICA_PUSH_PAGE_H
#define LIBREPLICA_PUSH_PAGE_H

#include "base/arena.h"
#include "libreplica/replication/replication.h"

struct replica__page {
    struct replica__replication *repl;
    const struct replica__feed *feed;
    struct replica__push_page out;
    struct replica__arena *arena;
    size_t room, bytes, max_rows, max_bytes;
    bool ended; /* what comes next has no place in it */
};

bool replica__page_is_full(const struct replica__page *p);
/* Is the document in a page that waits for its verdicts? */
bool replica__page_is_out(const struct replica__feed *feed, int64_t number);
/* The newest state of a document, or that which left before, as a row of the unit that is being
 * made.  group: whose name it goes under; NULL: that of its own text.  1; 0: there is no such
 * document. */
int replica__page_add(struct replica__page *p, int64_t number, bool again,
                      const struct replica__group *group, replica_error *err);
/* Take a document, and those that it hangs together with, if they may go out now.  due: it is known
 * that it may, by itself; again: and that it went out before.  1; 0: not now, or (ended) not in
 * this page. */
int replica__page_pick(struct replica__page *p, int64_t number, bool due, bool again,
                       replica_error *err);
/* What waits for the page's verdicts; NULL: no memory. */
struct replica__out *replica__page_waiting(const struct replica__page *p);

#endif

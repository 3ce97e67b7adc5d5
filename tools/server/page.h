/* Pages of the feed as text, in both dialects. */
#ifndef SERVER_PAGE_H
#define SERVER_PAGE_H

#include "tools/server/view.h"

/* Where a page ends, even within a bundle: a bundle is pushed in one request, see http.h, and other
 * documents stand before it. */
#define REPLICA__PAGE_MOST ((size_t)72 << 20)

/* What a page is made of, and what became of it. */
struct replica__page {
    struct replica__target *targets;
    size_t n;
    const struct replica__view *view;
    int64_t fresh;                 /* tombstones up to this number are left out */
    int64_t since;                 /* read on from here ... */
    struct replica__place follows; /* ... which is this for the client */
    size_t rows;
    size_t bytes;
    int64_t now_ms;                /* what time it is here; 0: not told */

    int64_t last;                  /* out: the number up to which was read */
    size_t documents;              /* out: those in their place */
    bool at_head;                  /* out: there was nothing behind it */
};

/* Up to which number is nothing unknown to who asks from behind `since`?  Who had nothing when the
 * head was `fresh` misses no deletion up to that. */
static inline int64_t replica__page_knows(int64_t since, int64_t fresh)
{
    return since > 0 && fresh > since ? fresh : since;
}

/* A page of our dialect, appended to out.  0; 404, 426: a collection has another version by now;
 * 409: deletions behind `since` were purged; < 0 failed. */
int replica__page_replica(struct replica__service *service, struct replica__page *page,
                          struct replica__buf *out, replica_error *err);
/* The same in RxDB's dialect, of one collection. */
int replica__page_rxdb(struct replica__service *service, struct replica__page *page,
                       struct replica__buf *out, replica_error *err);

/* A state as RxDB's dialect has it: the text, with "_deleted" behind its last member. */
void replica__page_add_state(const char *json, size_t len, bool deleted,
                             struct replica__buf *out);
/* A document as the view shows it: *doc, or *room with a text in cut.  NULL: failed, cut->r. */
const struct replica__storage_doc *replica__page_cut(const struct replica__view *view,
                                                     const struct replica__target *target,
                                                     const struct replica__storage_doc *doc,
                                                     struct replica__storage_doc *room,
                                                     struct replica__buf *cut);

/* ---- a page that is not held whole ----------------------------------------------- */

/* RxDB's dialect only.  Without a coll in target there is no such collection.  asked_id and
 * asked_lwt are what the client sent, and are what an empty page answers; since: where that is on
 * this timeline.
 * view: the cursor's from now on, whatever comes of it. */
int replica__pages_open(struct replica__service *service, const struct replica__target *target,
                        const char *asked_id, const char *asked_lwt, int64_t since, size_t limit,
                        struct replica__view *view, struct replica__cursor **ret_cursor,
                        replica_error *err);
/* Append the next part: 1 or 2 there is more, 0 that was all, < 0 failed; as
 * replica__reply_more(). */
int replica__pages_more(struct replica__cursor *cursor, struct replica__buf *out,
                        replica_error *err);
void replica__pages_close(struct replica__cursor *cursor);

#endif

/* What a reader sees of the collections that it asks for: documents whose keys match its pattern,
 * that match its filter, and that it may see.
 *
 * Pages, streams and all other answers with documents look through a view, which is made from a
 * request and outlives it. */
#ifndef SERVER_VIEW_H
#define SERVER_VIEW_H

#include "libreplica/filter.h"
#include "tools/server/access.h"
#include "tools/server/state.h"

enum { REPLICA__FILTER_MAX = 4096, REPLICA__LOOK_MS = 50 };

struct replica__view {
    char *keys;                       /* a pattern; NULL: all */
    char *filter;                     /* a selector as it was asked; NULL: all */
    struct replica__selector *wanted; /* the same, read */
    struct replica__rights *rights;   /* of who asks; NULL: there are no rules */
    const struct replica__service *service;
    char place[REPLICA__VIEW_SIZE];   /* its name in checkpoints: replica__view_place() */
};
#define REPLICA_VIEW __attribute__((cleanup(replica__view_free))) struct replica__view

/* keys and filter are copied; each may be NULL.  false: answered, 400 for what is none. */
bool replica__view_make(const struct replica__service *service, struct replica__view *ret,
                        const char *keys, const char *filter, size_t filter_len,
                        const struct replica__who *who, struct replica__reply *reply);
/* The same from the parameters "keys" and "filter". */
bool replica__view_asked(const struct replica__service *service,
                         const struct replica__request *request, struct replica__view *ret,
                         struct replica__reply *reply);
/* Which view it is of these collections, for the checkpoints that it gives out.  asked: where its
 * reader wants to go on; that must be a place of this view, and not before the horizon, or the
 * beginning (NULL: no matter).  false: answered. */
bool replica__view_place(struct replica__view *view, const struct replica__target *targets,
                         size_t n, const struct replica__place *asked,
                         struct replica__reply *reply);
void replica__view_free(struct replica__view *view);

/* What the reader is to see of this text, REPLICA__SIGHT_...; as `look` of libreplica/feed.h. */
int replica__view_look(const struct replica__view *view, const struct replica__target *target,
                       const char *json, size_t len, bool was);
/* The text as the reader sees it.  0: as it is; 1: what is in out; < 0 failed. */
int replica__view_cut(const struct replica__view *view, const struct replica__target *target,
                      const char *json, size_t len, struct replica__buf *out);
/* What they may do in a collection; NULL: there are no rules.  Borrowed. */
int replica__view_grants(const struct replica__view *view, const char *collection,
                         const struct replica__grants **ret_grants);
/* Those who see the same through the same collections: equal texts. */
void replica__view_add_name(const struct replica__view *view,
                            const struct replica__target *targets, size_t n,
                            struct replica__buf *out);

/* A number of the same, for what is no secret; 0: all is seen. */
uint64_t replica__view_key(const struct replica__view *view);

/* An eye for the storage, whose collection i is targets[place[i]] (place NULL: targets[i]). */
struct replica__view_eye {
    struct replica__eye eye;
    const struct replica__view *view;
    const struct replica__target *targets;
    const size_t *place;
    int64_t late_ms; /* monotonic: others want their turn */
    const struct replica__grants *grants[REPLICA__TARGETS_MAX]; /* of each target, once asked */
};
/* All is borrowed.  NULL: it sees all, whatever the texts are. */
const struct replica__eye *replica__view_eye(struct replica__view_eye *room,
                                             const struct replica__view *view,
                                             const struct replica__target *targets,
                                             const size_t *place);

#endif

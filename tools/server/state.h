/* What the parts of the service share: collections as requests name them, places in the feed, and
 * the service's own state. */
#ifndef SERVER_STATE_H
#define SERVER_STATE_H

#include "tools/server/delay.h"
#include "tools/server/service.h"

enum { REPLICA__TARGETS_MAX = 64, REPLICA__NAME_MAX = 64, REPLICA__HEARTBEAT_MS = 15000 };
enum { REPLICA__BUNDLE_ROWS = 100000 }; /* of a push that is one bundle */
enum { REPLICA__VIEW_SIZE = 17 };       /* 16 characters that name what somebody may see */

/* ---- collections as a request names them ----------------------------------------- */

struct replica__target {
    char name[REPLICA__NAME_MAX + 1];
    int version;
    struct replica__storage_coll *coll; /* NULL: it does not exist (yet) */
};

/* "cities/0".  false: that is no collection with a version. */
bool replica__target_parse(const char *text, size_t len, struct replica__target *ret);
/* Look it up, and create it if asked to.  0: done; 404, 426: its version is another; < 0 failed. */
int replica__target_find(struct replica__service *service, struct replica__target *target,
                         bool create, replica_error *err);

/* Before it is used: the storage knows which fields the access rules read. */
int replica__coll_prepare(struct replica__service *service, const char *name,
                          struct replica__storage_coll *coll, replica_error *err);

/* ---- places in the feed ---------------------------------------------------------- */

/* A checkpoint, as a client holds it. */
struct replica__place {
    char id[REPLICA__NAME_MAX + 1];     /* incarnation; "" at the beginning */
    char view[REPLICA__VIEW_SIZE];      /* what its reader may see; "": there are no rules */
    int64_t lwt;
};
/* "<incarnation>", or "<incarnation>-<view>".  false: that is neither. */
bool replica__place_parse(const char *id, size_t len, struct replica__place *ret);
void replica__place_add(const struct replica__place *place, struct replica__buf *out);
/* Digits only. */
bool replica__number_parse(const char *text, int64_t *ret);
/* Is the place on this timeline?  1; 0 and what is common; < 0 failed. */
int replica__place_known(struct replica__service *service, const struct replica__place *place,
                         struct replica__place *ret_common, replica_error *err);

/* ---- the service ----------------------------------------------------------------- */

/* How many documents lie behind a place of the feed: known for as long as the head stays. */
struct replica__counted {
    uint64_t key; /* of the collections, and without which tombstones */
    int64_t since;
    int64_t head;
    int64_t count;
};
enum { REPLICA__COUNTED = 16, REPLICA__EVENTS = 16 };

struct replica__event; /* stream_state.h */

struct replica__hub {
    struct replica__stream *first; /* the one that was silent longest */
    struct replica__stream *last;
    size_t count;
    int64_t head;
    struct replica__event *events[REPLICA__EVENTS];
    size_t next_event;
    size_t ears;         /* streams that listen to events, too, */
    int64_t events_head; /* and the number of the last that was seen */
    int64_t told_ms;     /* when streams were last told of news; 0: not yet */
    bool behind;         /* a stream is, and goes on with the next tick; */
    struct replica__stream *turn; /* this one goes first; NULL: the first */
    int64_t expires_ms;  /* not before then does the token of a reader expire; 0: never */
    bool stopped;
};

struct replica__purging {
    struct replica__purge at;
    int64_t next_ms; /* monotonic */
    bool began;
};

struct replica__service {
    struct replica__storage *storage;
    const struct replica__world *world;
    struct replica__service_options options;
    struct replica__json_limits limits;
    char incarnation[REPLICA__NAME_MAX + 1];
    struct replica__counted counted[REPLICA__COUNTED];
    size_t next_counted;
    struct replica__delays delays;
    struct replica__purging purging;
    struct replica__hub hub;
};

/* An answer of this status: {"error":word,"message":..., to which the caller adds members and the
 * brace. */
void replica__reply_begin(struct replica__reply *reply, int status, const char *word,
                          const char *message);
/* The answer to a failure of ours: 503 for what may pass, else 500. */
void replica__reply_failure(struct replica__reply *reply, const replica_error *err);
/* 409: a lost timeline, and what of it is common. */
void replica__reply_timeline(struct replica__reply *reply, const struct replica__place *common);

/* 409: its reader must reconcile before it goes on from its checkpoint, because of why. */
void replica__reply_reconcile(struct replica__reply *reply, const char *why);

/* A message as a JSON string.  It may quote what a client sent, or be cut anywhere: what is not
 * ASCII becomes a question mark. */
void replica__message_add(const char *message, struct replica__buf *out);

/* ---- requests -------------------------------------------------------------------- */

/* The collections and the checkpoint that a request of our dialect names; all of them are looked
 * up, and the checkpoint is on this timeline.  false: answered. */
bool replica__asked_feed(struct replica__service *service, const struct replica__request *request,
                         struct replica__target *targets, size_t *ret_n,
                         struct replica__place *ret_place, struct replica__reply *reply);
/* The version in the path is another, or the look-up failed.  true: answered. */
bool replica__version_refused(struct replica__service *service, struct replica__target *target,
                              bool create, struct replica__reply *reply);

/* The parameter's value, "" if it is given without one; NULL if it is not given. */
const char *replica__param(const struct replica__request *request, const char *name);

/* ---- streams --------------------------------------------------------------------- */

/* Answer with a stream.  target: of RxDB's dialect, else NULL. */
void replica__stream_answer(struct replica__service *service,
                            const struct replica__request *request,
                            const struct replica__target *target, struct replica__reply *reply);
void replica__stream_close(struct replica__stream *stream); /* NULL is fine */
void replica__hub_clear(struct replica__hub *hub);          /* forget the shared events */

#endif

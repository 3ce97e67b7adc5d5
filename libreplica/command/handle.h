/* Handlers, and the commands that they have.
 *
 * A handler follows the change feed of its collection and keeps a list of the commands that may be
 * its own: those that wait, and those that another handler has claimed, to be looked at again when
 * that one's lease is over.  It has one command at a time:
 *
 *     claimed    written into the document.  Where the collection replicates, this is a wish until
 *                it is in step with the server: of two who wished, one finds the other's claim.
 *     given      to the program, which answers it; meanwhile it shows life (beat) in dispatch
 *
 * No clock is compared with another machine's: a claim is dead when its document has not changed
 * for the time that it names, on the watcher's monotonic clock. */
#ifndef LIBREPLICA_COMMAND_HANDLE_H
#define LIBREPLICA_COMMAND_HANDLE_H

#include "libreplica/command/state.h"
#include "libreplica/keys/pattern.h"

/* Candidates of one handler; what is behind them waits in the feed. */
#define REPLICA__CANDIDATES 1024

struct replica__candidate {
    char *id;
    uint64_t hash; /* of id */
    int64_t seq;   /* as it was seen */
    int64_t due;   /* monotonic: when it may be taken, if it is still the same */
};

struct replica_handler {
    replica_collection *coll; /* NULL: ended, the handle waits for its cancel */
    struct replica__pattern pattern;
    char *text; /* of the pattern */
    unsigned flags;
    int64_t lease_ms;
    int64_t max_attempts;
    void (*fn)(void *ctx, replica_command *command);
    void *ctx;
    replica_destroy_fn destroy;
    char name[REPLICA__HANDLER_SIZE];
    int64_t read; /* sequence number up to which the feed was read */
    struct replica__candidate *list;
    size_t n;
    replica_command *command; /* the one it has; NULL */
    int64_t again_at; /* monotonic: after a failure, when to go on; 0 */
    bool cancelled;   /* in a round: freed behind it */
    bool owned;       /* somebody has the handle */
    replica_handler *next;
};

struct replica_command {
    replica_db *db;           /* NULL: it has been closed */
    replica_collection *coll;
    replica_handler *handler; /* NULL: it was cancelled, or has another command by now */
    struct replica__command_state state; /* as of the claim, or of the last beat */
    struct replica__buf address;         /* unescaped */
    struct replica__buf payload;
    replica_bundle *bundle;
    bool given;
    bool lost; /* the lease went to another handler */
    int64_t beat_at;
    replica_command *next;
};

struct replica__commands {
    replica_db *db;
    struct replica__guest guest;
    bool is_guest;
    int64_t handlers; /* so many there were */
    replica_handler *first;
    replica_command *commands; /* all that are claimed */
    int in_round;
};

static inline int64_t replica__commands_clock(const replica_db *db)
{
    return db->world->monotonic_ms(db->world->ctx);
}

/* ---- feed.c ---------------------------------------------------------------------- */

/* Read on in the feed, as long as there is room for candidates and until the monotonic time
 * until_ms.  1: there may be more. */
int replica__handler_read(replica_handler *h, int64_t until_ms, replica_error *err);
/* The first that is due; NULL.  It lives until the list is changed. */
struct replica__candidate *replica__handler_due(replica_handler *h);
int64_t replica__handler_next(const replica_handler *h); /* monotonic; -1: none */
void replica__handler_drop(replica_handler *h, struct replica__candidate *c);
void replica__handler_drop_all(replica_handler *h);
/* When may this handler take it, if it stays as it is?  -1: never. */
int64_t replica__handler_may_take(const replica_handler *h, const struct replica__command_state *s);

/* ---- claim.c --------------------------------------------------------------------- */

/* Take what is due, and give what is confirmed to the program.  1: it did something. */
int replica__handler_step(replica_handler *h, replica_error *err);
/* Show life.  0; REPLICA_E...: to be tried again. */
int replica__command_show_life(replica_command *c, replica_error *err);
/* What is stored of it: 1: still this handler's; 0: no more. */
int replica__command_look(replica_command *c, replica_error *err);
/* Take it out of all lists, and free it. */
void replica__command_end(replica_command *c);
/* What the server refused of commands that somebody here has handled goes back to its state.  1: it
 * was more than what they did: it does not let us handle them at all, now. */
int replica__commands_undo_refused(replica_collection *coll, replica_error *err);

/* ---- handle.c -------------------------------------------------------------------- */

/* The pump has ended its handlers; commands that the program has stay until they are answered. */
void replica__commands_end(replica_db *db);

#endif

/* Commands: something to be done, sent to an address.
 *
 * Addresses are paths, and handlers register for patterns, as <libreplica/keys.h> has them.
 *
 * An event (replica_emit()) goes to whoever listens now: in this process, in others on the file,
 * and through a running replication to the server and its other clients.  It is kept for nobody.
 *
 * A command (replica_command_send()) is a document of a collection of commands: it waits in the
 * file while there is no network, replicates like any document, and is delivered to one handler,
 * under a lease with a fencing number.  The handler's writes and its acknowledgement are one
 * bundle: they take effect together and once, whatever is lost or dies in between.  For effects
 * outside the database the handler gets a stable id and the number of the attempt, and says which
 * it wants: at least once (after a handler that died, another one tries), or at most once (it is
 * failed instead).  docs/commands.md has the life of a command.  The contract of libreplica.h
 * holds. */
#ifndef LIBREPLICA_COMMAND_H
#define LIBREPLICA_COMMAND_H

#include <libreplica/libreplica.h>

REPLICA_BEGIN

typedef struct replica_listener replica_listener;
typedef struct replica_command replica_command;
typedef struct replica_handler replica_handler;

/* ---- events ---------------------------------------------------------------------- */

/* payload: any JSON value, NULL: null.  REPLICA_ELIMIT: larger than 64 KiB; or, with a rate that
 * was set, too many.  REPLICA_EINVAL: no address (empty, a star in it, more than 1,000 bytes).
 * Listeners hear it in their dispatch, this handle's too. */
REPLICA_API int replica_emit(replica_db *db, const char *address, const char *payload, size_t len,
                             replica_error *err);
/* At most so many events a second may leave this handle; 0: as many as like. */
REPLICA_API int replica_emit_rate(replica_db *db, int per_second, replica_error *err);

typedef struct replica_event_entry {
    const char *address;
    const char *payload;
    size_t len;
    int origin;          /* REPLICA_LOCAL, REPLICA_REPLICATION or REPLICA_OTHER_PROCESS */
    int64_t time_ms;     /* since 1970, of this machine's clock, when it came */
} replica_event_entry;
/* fn in dispatch for each event from this call on whose address matches; one that is not told
 * within a minute, or before 10,000 more (or 16 MiB) came, may be left out.  REPLICA_EINVAL: no
 * pattern.  destroy as in replica_observe(). */
REPLICA_API int replica_listen(replica_db *db, const char *pattern,
                               void (*fn)(void *ctx, const replica_event_entry *event), void *ctx,
                               replica_destroy_fn destroy, replica_listener **ret_listener,
                               replica_error *err);
REPLICA_API void replica_listener_cancel(replica_listener *listener); /* NULL is fine */

/* ---- commands -------------------------------------------------------------------- */

#define REPLICA_COMMAND_ID_SIZE 1024

typedef struct replica_command_options {
    size_t size;
    int64_t expires_ms; /* from now: not delivered after that, but failed; 0: never */
} replica_command_options;
#define REPLICA_COMMAND_OPTIONS_INIT { sizeof(replica_command_options), 0 }

/* coll: a collection for commands, opened without a schema, conflict handler or rules and with the
 * key "id", alone for this.  The id is the address, a slash, and what no other command has.
 * REPLICA_EINVAL: the collection is none for commands; no address. */
REPLICA_API int replica_command_send(replica_collection *coll, const char *address,
                                     const char *payload, size_t len,
                                     const replica_command_options *opts,
                                     char ret_id[REPLICA_COMMAND_ID_SIZE], replica_error *err);
/* Dispatch until it is done: 1 and the result, a document whose "result" is what the handler said;
 * 0: timeout_ms (-1: none) is over.  REPLICA_EUSER: it failed, and the message says why;
 * REPLICA_ETIMEOUT: it expired.  Who was told so has taken the command: it is deleted, and asking
 * again is REPLICA_ECANCELLED.  So is a command that was deleted, which takes it back.  Where the
 * collection replicates, it is done when the server has it. */
REPLICA_API int replica_command_wait(replica_collection *coll, const char *id, int timeout_ms,
                                     replica_doc **ret_result, replica_error *err);

typedef struct replica_handler_options {
    size_t size;
    unsigned flags;    /* REPLICA_HANDLE_... */
    int64_t lease_ms;  /* a handler that shows no life for so long has died; 0: 30,000 */
    int max_attempts;  /* then it is failed; 0: 10 */
} replica_handler_options;
#define REPLICA_HANDLER_OPTIONS_INIT { sizeof(replica_handler_options), 0, 0, 0 }
#define REPLICA_HANDLE_AT_MOST_ONCE (1u << 0) /* never tried a second time */

/* fn in dispatch, for one command at a time, those that wait already first; command is yours until
 * replica_command_done() or replica_command_fail() succeeds, at once or later.  Dispatch meanwhile:
 * that is how a handler shows life.  REPLICA_EINVAL: no pattern, a limit below zero, a lease that
 * is not between 100 ms and a day; the collection is none for commands. */
REPLICA_API int replica_command_handle(replica_collection *coll, const char *pattern,
                                       const replica_handler_options *opts,
                                       void (*fn)(void *ctx, replica_command *command), void *ctx,
                                       replica_destroy_fn destroy, replica_handler **ret_handler,
                                       replica_error *err);
REPLICA_API void replica_handler_cancel(replica_handler *handler); /* NULL is fine */

REPLICA_API const char *replica_command_id(const replica_command *command); /* stable */
REPLICA_API const char *replica_command_address(const replica_command *command);
REPLICA_API const char *replica_command_payload(const replica_command *command, size_t *ret_len);
REPLICA_API int replica_command_attempt(const replica_command *command); /* from 1 */
/* Higher than that of every attempt before: for what must not be done by two that overlap. */
REPLICA_API int64_t replica_command_fence(const replica_command *command);
/* What is put into it is written together with the acknowledgement, or not at all.  Borrowed; NULL:
 * no memory, or the database is closed. */
REPLICA_API replica_bundle *replica_command_bundle(replica_command *command);
/* Acknowledge, with a result (any JSON value; NULL: null).  REPLICA_ECONFLICT: a document of the
 * bundle was written meanwhile (where: which); nothing was written, the bundle is empty, and the
 * command still yours, as after any other failure but two: REPLICA_ECANCELLED, the lease went to
 * another handler, and REPLICA_ECLOSED, the database has closed.  With those it is gone. */
REPLICA_API int replica_command_done(replica_command *command, const char *result, size_t len,
                                     replica_error *err);
/* It did not work.  again: it may be tried once more, after a while; else, or if it was to be tried
 * at most once, it is failed with this reason.  What is in the bundle is not written. */
REPLICA_API int replica_command_fail(replica_command *command, const char *reason, int again,
                                     replica_error *err);

REPLICA_END

#endif

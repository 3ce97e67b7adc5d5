/* A fleet in one process: clients with files and sessions of their own, a server, and a network
 * between them that loses, repeats, delays and reorders.
 *
 * Time is virtual and all dice come from the seed, so that a seed tells a whole story, and tells it
 * again.  What happens is an event in one queue; nothing sleeps. */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "libreplica/store.h"
#include "replicator/http_answer.h"
#include "replicator/http_stream.h"
#include "replicator/session.h"
#include "tests/support/clock.h"
#include "tools/server/service.h"

#include <stdarg.h>

enum { MAX_CLIENTS = 5, MAX_COLLS = 3, MAX_KEYS = 12, SECOND = 1000, MINUTE = 60 * SECOND };

/* What decides conflicts in a collection. */
enum handler { SERVER_WINS, CLIENT_WINS, COUNTERS, DEFERRED, FAILING, MERGING, HANDLERS };

/* What the seed decides of the story as a whole.  Chances are in per mille. */
struct plan {
    int clients, colls, keys, actions;
    bool rxdb;             /* the server speaks RxDB's dialect only */
    int shared;            /* so many of the clients are processes on one file; 0: none */
    int freeze;            /* of one of these */
    bool sibling;          /* sessions have a database handle of their own */
    size_t rows;           /* of a client's pages */
    int64_t bytes;
    size_t server_rows;
    enum handler handlers[MAX_COLLS];
    bool ruled[MAX_COLLS]; /* rules do what the handler would do */
    int lose, cut, repeat, fault, crash, server_crash, jump, poison, slow;
    int restore;           /* of a client's file from an older copy, when it crashed */
    int server_restore;    /* the same of the server's */
    int purge;             /* a client forgets all tombstones that it may forget */
    int server_purge;      /* the server forgets all */
    int filter;            /* a client's filter changes */
    int access;            /* the server has rules, and a client's claims change */
    bool rises;            /* on the way programs and server become their next version */
};

/* The world of one machine: the fleet's time, seen on a clock of its own. */
struct machine {
    struct sim *sim;
    int64_t skew_ms;
    struct replica__world world;
};

struct client {
    struct sim *sim;
    int number;
    struct machine machine;
    char path[200];
    replica_db *db, *run_db; /* the program's, and the session's: perhaps the same */
    replica_collection *colls[MAX_COLLS];
    struct replica__session *session; /* NULL: crashed */
    struct replica__session_hooks hooks;
    struct handler_ctx {
        struct client *client;
        int coll;
    } handlers[MAX_COLLS];
    enum replica__dialect dialect; /* as hello found out */
    bool changed;            /* the program wrote; the session does not know yet */
    bool paused;
    int64_t frozen_until;    /* the process is stopped */
    int64_t turn_at;         /* the next turn; 0: none is planned */
    struct post *first, **last;
    struct held *held;       /* conflicts that wait for the program's answer */
    struct asked *asked;     /* questions of this session's life */
    int requests;
    int64_t steps;
    bool discarded[MAX_COLLS][MAX_KEYS]; /* a document of which the server may know nothing */
    int copied_at; /* there is a copy of the file, of when this token was the next; 0: none */
    int restored;            /* how often it was put back */
    int version;             /* of the program's collections */
    bool filtered, was_filtered; /* without documents that have a member "f", because it wants or
                                  * sees no others; ever */
    bool compares;           /* all that it has with the server; until it was in sync since */
    int64_t fresh;           /* it had nothing, and asked for no tombstones up to this number */
};

struct server {
    struct machine machine;
    char path[200];
    replica_db *db; /* NULL: down */
    struct replica__storage *storage;
    struct replica__access *access;
    struct replica__service *service;
    unsigned life;
    int64_t tick_at;
    bool copied;
    int64_t copied_head;
    bool restored; /* once */
    int version;   /* of its collections */
};

struct sim {
    uint64_t seed, dice;
    struct plan plan;
    int64_t now;  /* virtual ms */
    bool trace, healed;
    bool rising;  /* there is a next version of the program */
    char folder[120];
    struct queue *queue;
    struct client clients[MAX_CLIENTS];
    struct client *stepping; /* may be stopped at any moment outside a transaction; or NULL */
    bool stopped; /* one is, in a step */
    struct server server;
    replica_collection *server_colls[MAX_COLLS]; /* as the oracle reads them */
    struct exchange *exchanges;
    struct oracle *oracle;
    int requests, crashes, conflicts;
};

/* ---- sim.c: time, dice, trace ---------------------------------------------------- */

typedef void (*event_fn)(struct sim *sim, void *arg);
void sim_after(struct sim *sim, int64_t ms, event_fn fn, void *arg);
bool sim_next(struct sim *sim, int64_t until); /* false: nothing is left before */
uint64_t sim_roll(struct sim *sim, uint64_t below);
bool sim_chance(struct sim *sim, int per_mille); /* never, once it has healed */
void sim_trace(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_fail(struct sim *sim, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));
void sim_machine(struct sim *sim, struct machine *machine);
/* Play the seed's whole story. */
void sim_play(uint64_t seed, const char *folder, bool trace);

extern const char *const coll_names[MAX_COLLS];
int coll_named(const char *name);

/* ---- client.c -------------------------------------------------------------------- */

void client_start(struct sim *sim, int number);
void client_open(struct client *c);
/* It dies here; what was committed stays. */
void client_crash(struct client *c);
void client_close(struct client *c);
/* Its program wants or sees other documents from now on. */
void client_filter(struct client *c, bool filtered);
/* It comes back as the program's next version. */
void client_rise(struct client *c);
void client_migrates_soon(struct client *c);
void client_turn_soon(struct client *c, int64_t ms);
void client_told_changed(struct client *c); /* the program committed */
bool client_in_sync(const struct client *c);
/* Nothing is left but what is of one bundle with a document that is set aside. */
bool client_is_held(const struct client *c);
bool client_frozen(const struct client *c);
/* It asks what time it is: stop it right there, perhaps, and go on with the others. */
void client_may_stop(struct client *c);
bool client_same_file(const struct client *c, int number);
/* Other processes on its file see what it committed. */
void client_committed(struct client *c);

/* ---- handlers.c ------------------------------------------------------------------ */

void handler_of(struct client *c, int coll, replica_conflict_handler *ret);
/* Rules in its place; NULL: none. */
const char *rules_of(const struct client *c, int coll);
/* The program answers one of the conflicts that it held.  false: there was none. */
bool handlers_answer_held(struct client *c);
void handlers_forget(struct client *c); /* its session ended */
void handlers_forget_asked(struct client *c);

/* ---- program.c ------------------------------------------------------------------- */

void program_act(struct client *c);
/* Retry or discard a document that was set aside.  false: there is none. */
bool program_takes_up_rejected(struct client *c, bool discard);

/* ---- remote_sim.c ---------------------------------------------------------------- */

void remote_sim(struct client *c, replica_remote *ret);
void network_server_died(struct sim *sim);
void network_client_died(struct client *c);
void network_close(struct sim *sim);

/* ---- server_sim.c ---------------------------------------------------------------- */

void server_open(struct sim *sim);
void server_purge(struct sim *sim);
void server_rise(struct sim *sim); /* its collections are configured with the next version */
void server_close(struct sim *sim, bool crash);
/* reply is filled; storage faults may be on. */
void server_answer(struct sim *sim, const char *method, const char *url, const char *body,
                   size_t len, const char *peer, bool less, struct replica__reply *reply);
void server_tick_soon(struct sim *sim);

/* ---- files.c --------------------------------------------------------------------- */

/* Copy a database that is closed, with its WAL; suffixes tell the two apart. */
void files_copy(struct sim *sim, const char *path, const char *from_suffix, const char *to_suffix);

/* ---- oracle.c -------------------------------------------------------------------- */

struct oracle *oracle_new(void);
void oracle_free(struct oracle *oracle);
/* A token for the next write; it counts once it is acknowledged. */
int oracle_token(struct sim *sim, int client, int coll, int key);
void oracle_acknowledged(struct sim *sim, int token);
int oracle_next_token(const struct sim *sim);
/* The server has forgotten what lies above this number. */
void oracle_server_restored(struct sim *sim, int64_t head);
int64_t oracle_server_head(const struct sim *sim);
/* Need the client know of a deletion with this number?  It had nothing before, or both sides may
 * have forgotten it. */
bool oracle_must_know_deletion(const struct client *c, int64_t sequence);
/* What the conflict log has now is not lost. */
void oracle_read_log(struct client *c);
/* The client's file is an old copy: what it wrote from this token on is gone, unless it was sent.
 */
void oracle_restored(struct client *c, int token);
/* The client's program replaced (or deleted) this text, and so all the tokens in it. */
void oracle_superseded(struct client *c, const char *json, size_t len);
/* The program went back to this text, although it had replaced it. */
void oracle_wanted(struct sim *sim, const char *json, size_t len);
/* What this client replaced of the document may come back: it may have lost sight of it before that
 * was sent. */
void oracle_unsent(struct client *c, int coll, int key);
void oracle_counted(struct sim *sim, int client, int coll, int key, int amount);
/* The server has answered: look what is new in its feed. */
void oracle_look_at_server(struct sim *sim);
void oracle_check_checkpoint(struct client *c);
/* Who shows a state of a bundle shows none of the other members that is older than the bundle. */
void oracle_check_bundles(struct client *c);
void oracle_check_in_sync(struct client *c);
/* Who filters has what matches, and nothing else of the server's. */
void oracle_check_filters(struct sim *sim);
void oracle_check_end(struct sim *sim);
/* Append the numbers of the member "w" of the document. */
size_t tokens_of(const char *json, size_t len, int *ret, size_t room);
int64_t counter_of(const char *json, size_t len, int client);

#endif

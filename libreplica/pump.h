/* The pump: how the library reaches the program's thread.
 *
 * Everything that calls a function of the program is queued here and runs in a dispatch: posts
 * (from any thread, in order), the round of observers and live queries after a commit, and guests
 * (a replication in the program's loop).  One poller tells the program's loop that there is
 * something to do. */
#ifndef LIBREPLICA_PUMP_H
#define LIBREPLICA_PUMP_H

#include "libreplica/store.h"

#include <pthread.h>
#include <stdatomic.h>

struct replica__post {
    replica__post_fn fn;
    void *ctx;
    struct replica__post *next;
};

struct replica__pump {
    struct replica__poller *poller;
    pthread_mutex_t mutex; /* of the posts */
    struct replica__post *first, **last;
    atomic_bool committed; /* somebody of this process committed: look at the feed */
    struct replica__guest *guests;
    int dispatching;       /* depth */
    bool close_wanted;
    bool closing;
    bool watching;         /* the WAL file tells of other processes' commits */
    int observers;         /* and live queries */
    int64_t next_look_ms;  /* monotonic: when to look at data_version again; 0: not by itself */
    int64_t look_delay_ms; /* from one look to the next */
    int64_t seen_version;  /* data_version up to which the observers were told */
    struct replica__pump *program; /* of a sibling: the program's pump, woken by commits */
};

int replica__pump_open(replica_db *db, replica_error *err);
/* Run what is posted, with closing set, then end guests and observers. */
void replica__pump_close(replica_db *db);
void replica__pump_free(replica_db *db);
/* An observer listens: notice the commits of other processes. */
void replica__pump_watch(replica_db *db);
/* A commit of this handle is done. */
void replica__pump_committed(replica_db *db);
/* Have the feed looked at in the next dispatch, whether or not somebody committed. */
void replica__pump_look(replica_db *db);

#endif

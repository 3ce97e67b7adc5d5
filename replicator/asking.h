/* Conflicts that were put to the program, and its answers.
 *
 * The session asks, the program's thread runs the handler, any thread may answer.  The session
 * keeps the states of each question until it is answered; a conflict that the program holds for
 * days holds nothing else up. */
#ifndef REPLICATOR_ASKING_H
#define REPLICATOR_ASKING_H

#include "libreplica/conflict.h"

struct replica__asking;
struct replica__session_hooks;

struct replica__asking *replica__asking_new(const struct replica__session_hooks *hooks);
/* No answer is taken from now on; what is asked is forgotten.  The last conflict frees the rest. */
void replica__asking_close(struct replica__asking *a);

/* Is this document asked about as it stands? */
bool replica__asking_has(struct replica__asking *a, const struct replica__unsettled *u);
/* May more be asked, or do too many questions wait for the program's thread? */
bool replica__asking_ready(struct replica__asking *a);
/* Ask; takes over the states of u on success.  Without a handler it waits as one that is asked,
 * until the program comes with one. */
int replica__asking_ask(struct replica__asking *a, replica_db *db, struct replica__unsettled *u);

/* Have the states of older versions brought up first, on the program's thread; takes over the
 * states of u on success, and what comes back has them risen. */
int replica__asking_rise(struct replica__asking *a, struct replica__unsettled *u);

struct replica__asked {
    struct replica__unsettled of;
    bool risen;                    /* no answer yet: its states have risen, or code says why not */
    struct replica__answer answer; /* texts are owned, see free */
    char *text;
};
/* The next answer: 1, or 0. */
int replica__asking_take(struct replica__asking *a, struct replica__asked *ret);
void replica__asking_free(struct replica__asked *asked);
/* Questions that wait for their answer; and how many of them nobody can answer. */
size_t replica__asking_count(struct replica__asking *a);
size_t replica__asking_unheard(struct replica__asking *a);
/* A round over all that is unsettled begins: what nobody can answer is met again in it, or not. */
void replica__asking_begin_round(struct replica__asking *a);

#endif

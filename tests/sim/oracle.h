/* What the oracle keeps, for its two files: one looks on while things happen, one judges the
 * end. */
#ifndef TESTS_SIM_ORACLE_H
#define TESTS_SIM_ORACLE_H

#include "tests/sim/sim.h"

struct token {
    int client, coll, key;
    bool acknowledged, superseded, logged;
    int by;      /* the client that superseded it, */
    int at;      /* when this token was the next */
    bool wanted; /* superseded, but may come back */
};

struct state { /* of a document at the server */
    int64_t sequence;
    bool deleted;
    char *json;
    int version; /* of the server, when it came */
    int written; /* index of what was written with it as one, from 1 on; 0: nothing */
};

struct history {
    struct state *states;
    size_t n, room;
};

/* States that the server took in one transaction, under one bundle's name. */
struct written {
    char bundle[100];
    int look;
    struct {
        int coll, key;
        int64_t sequence;
    } states[MAX_COLLS * MAX_KEYS];
    int n;
};

struct oracle {
    struct token *tokens;
    size_t n, room;
    int64_t counted[MAX_COLLS][MAX_KEYS][MAX_CLIENTS];
    struct history histories[MAX_COLLS][MAX_KEYS];
    int64_t seen; /* of the server's feed */
    struct written *written;
    int written_count;
    int look; /* each sees one transaction of the server */
};

struct view { /* of a client's documents */
    replica_doc *docs[MAX_COLLS][MAX_KEYS]; /* tombstones too; NULL: absent */
    bool rejected[MAX_COLLS][MAX_KEYS]; /* or held by one that is */
};

bool oracle_same(const char *json, bool deleted, const struct state *s);
const struct state *oracle_newest(const struct history *h); /* NULL: it was never there */
void oracle_see(struct client *c, struct view *view);
void oracle_unsee(struct view *view);
/* The newest state of this document came under this name; gives state.written. */
int oracle_written(struct oracle *o, int coll, int key, int64_t sequence, const char *bundle);

#endif

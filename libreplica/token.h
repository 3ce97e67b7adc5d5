/* Tokens: the names of openings, here and elsewhere.
 *
 * Each time a file is opened for writing, a token is drawn at random: 16 characters of base 32, 80
 * bits.  Followed by a dot and a sequence number it is the token of a revision, which no other
 * write anywhere has: `3-k3v9x0q8m2t5w7ya.118`.  The same text names the operation when the
 * revision is pushed, the writer of a document, and a server's incarnation.  The file stores each
 * token once and refers to it by number. */
#ifndef LIBREPLICA_TOKEN_H
#define LIBREPLICA_TOKEN_H

#include "libreplica/libreplica.h"

#include <stdbool.h>

#define REPLICA__TOKEN_SIZE 17      /* with its NUL */
#define REPLICA__TOKEN_MAX 64       /* of a foreign one */
#define REPLICA__OPERATION_SIZE 96  /* token, dot, number, NUL */
#define REPLICA__TOKEN_SLOTS 64

/* The tokens met last, each in the slot of its number: a page's documents share a few writers. */
struct replica__token_slot {
    int64_t number; /* 0: empty */
    char text[REPLICA__TOKEN_MAX + 1];
};
struct replica__token_cache {
    struct replica__token_slot slots[REPLICA__TOKEN_SLOTS];
    size_t last;
};

int replica__token_draw(char ret_token[REPLICA__TOKEN_SIZE]);

/* The number of this token in the file; stores it if it is new and `add` is set (in a transaction
 * of the caller).  1, or 0: not there. */
int replica__token_number(replica_db *db, const char *text, size_t len, bool add,
                          int64_t *ret_number, replica_error *err);
/* Its text; borrowed until the next call. */
int replica__token_text(replica_db *db, int64_t number, const char **ret_text,
                        replica_error *err);

/* "token.number" into room of REPLICA__OPERATION_SIZE; returns its length. */
size_t replica__operation_write(char *to, const char *token, int64_t number);
/* The reverse; false: not of that form.  token_len is the length before the dot. */
bool replica__operation_read(const char *text, size_t len, size_t *ret_token_len,
                             int64_t *ret_number);

#endif

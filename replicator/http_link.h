/* The connections to one server, and exchanges over them: all that knows curl.
 *
 * An exchange is filled in by its owner, started, and then watched: `work` moves all of them on and
 * never calls back.  An owner looks at its exchanges after each `work`. */
#ifndef REPLICATOR_HTTP_LINK_H
#define REPLICATOR_HTTP_LINK_H

#include "base/buf.h"

#include <stdbool.h>

struct replica__link;

struct replica__exchange {
    /* the question, which the owner keeps until stop */
    const char *url;
    const char *const *headers; /* lines, NULL at the end */
    const char *body;           /* NULL: a GET; else a POST */
    size_t len;
    bool compressed_answer;     /* say that it may be */
    bool stream;                /* a 200 has no end: from its head on idle_ms does not count */
    int connect_ms;
    int idle_ms;                /* without any progress */
    int64_t total_ms;           /* 0: none */
    /* the answer, as it comes; its owner may clear `answer` between two works */
    struct replica__buf answer; /* set its ceiling before the start */
    size_t head_bytes;
    bool head;                  /* status and type are known */
    bool done;
    long status;                /* 0: none came */
    char type[128];             /* Content-Type; "" */
    char redirect[2048];        /* where the server sends us, absolute; "" */
    int64_t retry_ms;           /* Retry-After; 0 */
    int code;                   /* when done: 0, or ENET, ETIMEOUT, ELIMIT, ENOMEM, ... */
    int detail;                 /* the curl code */
    char message[256];
    /* the link's */
    struct replica__link *link; /* NULL: not started */
    struct replica__exchange *next;
    void *easy;
    void *lines;
    char *words;                /* curl's, of the error */
    int64_t moved, moved_at_ms; /* bytes both ways, and when they last grew */
};

int replica__link_open(struct replica__link **ret_link, replica_error *err);
void replica__link_close(struct replica__link *link); /* NULL is fine; no exchange is open then */
int replica__link_fd(struct replica__link *link);
int replica__link_timeout(struct replica__link *link); /* ms; -1: none */
void replica__link_work(struct replica__link *link);
void replica__link_bytes(struct replica__link *link, int64_t *ret_down, int64_t *ret_up);

/* 0, REPLICA_ENOMEM, or REPLICA_ELIMIT: too many at once. */
int replica__exchange_start(struct replica__link *link, struct replica__exchange *x);
/* Forget it, done or not, started or not; x can be filled in and started again. */
void replica__exchange_stop(struct replica__exchange *x);

#endif

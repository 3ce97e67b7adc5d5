/* What an answer means: the status before the body, the body's shape before its content.
 *
 * Judges what came, whoever fetched it, and gives the result to the call. Knows nothing of curl. */
#ifndef REPLICATOR_HTTP_ANSWER_H
#define REPLICATOR_HTTP_ANSWER_H

#include "replicator/http_request.h"

struct replica__http_answer {
    const char *where;   /* the URL as errors show it */
    long status;
    const char *type;    /* Content-Type; NULL: none */
    const char *body;
    size_t len;
    int64_t retry_ms;    /* Retry-After; 0: none */
    char *const *lines;  /* of the request's head, whose secrets no error shows; NULL: none */
    const char *url;     /* ... and the whole of its URL */
};

/* What hello found out. */
struct replica__http_hello {
    enum replica__dialect dialect;
    bool zstd; /* bodies of requests may be compressed so */
    unsigned features;
};
/* 0, or the error of a server that speaks neither dialect, or not now. */
int replica__http_read_hello(const struct replica__http_answer *answer,
                             struct replica__http_hello *ret, replica_error *err);

/* What a hello that was read tells besides: rules for conflicts.  Before the call is answered. */
void replica__http_give_rules(replica_call *call, const struct replica__http_answer *answer);

/* Word what a status other than 200 means, and return the code. */
int replica__http_word_status(const struct replica__http_answer *answer, replica_error *err);

/* Give the answer of a pull, a push or a question of another kind to its call, which ends. */
void replica__http_give(replica_call *call, const struct replica__http_request *rq,
                        const struct replica__http_answer *answer);
/* End a call because of a status other than 200. */
void replica__http_give_status(replica_call *call, const struct replica__http_request *rq,
                               const struct replica__http_answer *answer);

/* Is it text/event-stream, application/json, ... whatever parameters follow? */
bool replica__http_type_is(const char *type, const char *want);

#endif

/* One request of the HTTP remote, from what the protocol asks to what goes over the wire, and what
 * must be remembered of it to read the answer.  Knows nothing of curl. */
#ifndef REPLICATOR_HTTP_REQUEST_H
#define REPLICATOR_HTTP_REQUEST_H

#include "replicator/http_url.h"
#include "replicator/wire.h"

enum replica__http_kind {
    REPLICA__HTTP_HELLO,
    REPLICA__HTTP_PULL,
    REPLICA__HTTP_PUSH,
    REPLICA__HTTP_STREAM,
    REPLICA__HTTP_ASK
};

struct replica__http_request {
    enum replica__http_kind kind;
    enum replica__dialect dialect;
    struct replica__buf url;
    struct replica__buf body;  /* of a push, and of a question of another kind */
    size_t id_count;           /* of a pull of documents by their ids; 0: it is of a page */
    int64_t expected;          /* bytes of the answer, about */
    bool bundles;              /* of a push: who takes it must know them */
    /* What reading the answer needs of the question; the names are the program's own. */
    replica_remote_collection *collections;
    size_t count;
    replica_remote_row *rows;  /* id and collection only */
    size_t row_count;
    struct replica__buf texts; /* never moves after the copies were made */
};

/* alias: name of the program's own for the collection whose endpoint the URL is; NULL: the same.
 * All may fail with REPLICA_ENOMEM; free the request in any case. */
int replica__http_request_hello(struct replica__http_request *rq,
                                const struct replica__http_url *url);
int replica__http_request_pull(struct replica__http_request *rq, enum replica__dialect dialect,
                               const struct replica__http_url *url, const char *alias,
                               const replica_pull_request *pull, bool stream);
int replica__http_request_push(struct replica__http_request *rq, enum replica__dialect dialect,
                               const struct replica__http_url *url, const char *alias,
                               const replica_push_request *push);
int replica__http_request_ask(struct replica__http_request *rq, const struct replica__http_url *url,
                              const char *alias, const char *what, const char *json, size_t len);
void replica__http_request_free(struct replica__http_request *rq);

/* Requests as wire.h wants them to read an answer. */
replica_pull_request replica__http_request_as_pull(const struct replica__http_request *rq);
replica_push_request replica__http_request_as_push(const struct replica__http_request *rq);

#endif

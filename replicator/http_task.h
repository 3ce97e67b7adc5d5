/* What the files of the HTTP remote share: which requests there are, and what they wait for. */
#ifndef REPLICATOR_HTTP_TASK_H
#define REPLICATOR_HTTP_TASK_H

#include "replicator/http_answer.h"
#include "replicator/http_link.h"
#include "replicator/http_stream.h"
#include "replicator/remote_http.h"

#define REPLICA__HTTP_MAX_HEADERS 64 /* of the program's own */

enum replica__http_token_state {
    TOKEN_NONE,    /* the program has none to give */
    TOKEN_UNKNOWN, /* not asked for yet, or refused to us the last time */
    TOKEN_ASKED,   /* the program thinks about it */
    TOKEN_HERE,
    TOKEN_FAILED   /* those that wait must be told */
};

struct replica__http_task;

struct replica__http {
    struct replica__link *link;
    struct replica__http_url url;
    char *alias;
    char **headers; /* NULL at the end */
    bool rxdb_only;
    bool compress;
    int idle_ms;
    size_t max_answer;
    struct replica__http_hello server; /* what hello found */
    int (*ask_token)(void *ctx, bool refused, char *out, size_t room);
    void *ask_ctx;
    void (*trace)(void *ctx, const replica_sync_trace_entry *entry); /* NULL: nobody listens */
    enum replica__http_token_state token_state;
    char *token;         /* HERE: may be "" */
    unsigned generation; /* of the token; grows with each */
    bool token_no_memory; /* FAILED: nobody could be asked */
    bool token_refused;  /* the last one was, */
    replica_error refusal; /* with these words */
    struct replica__http_task *tasks;
    bool working;
};

struct replica__http_task {
    struct replica__http_task *next;
    struct replica__http *http;
    replica_call *call; /* NULL: nobody waits for this any more */
    struct replica__http_request rq;
    struct replica__exchange x;
    struct replica__buf packed;
    char *lines[REPLICA__HTTP_MAX_HEADERS + 8];
    bool waiting;       /* for the token */
    bool told;          /* rxdb_only: the answer is known without asking */
    bool asked_again;   /* after a 401 */
    unsigned generation;
    int redirects;
    int64_t sent_us;    /* monotonic: when it was sent */
    struct replica__http_stream *stream;
};

/* ---- tasks ----------------------------------------------------------------------- */

struct replica__http_task *replica__http_task_new(struct replica__http *h, replica_call *call);
void replica__http_task_free(struct replica__http_task *t);
/* Free what nobody waits for; not while the list is being walked. */
void replica__http_task_sweep(struct replica__http *h);

/* The call of a task that is about to be answered: from now on a cancel finds nothing. */
replica_call *replica__http_task_answer(struct replica__http_task *t);
void replica__http_task_fail(struct replica__http_task *t, int code, int detail,
                             const char *message);

/* Make a push's body smaller, where that is worth while and the server can read it. */
int replica__http_task_pack(struct replica__http_task *t);
int replica__http_task_send(struct replica__http_task *t); /* 0, REPLICA_ENOMEM, REPLICA_ELIMIT */
/* The same, where it is too late for a result: a failure is the call's answer. */
void replica__http_task_send_later(struct replica__http_task *t);
/* May it stand in a line of a head?  What could end the line may not. */
bool replica__http_line_is_plain(const char *text);

/* ---- the trace (http_trace.c) ----------------------------------------------------- */

/* What came of its exchange; error NULL: its own, if it failed. */
void replica__http_trace(const struct replica__http_task *t, const char *error);

/* ---- the token (http_token.c) ----------------------------------------------------- */

/* Send a new task now, or when the token is here. */
int replica__http_token_submit(struct replica__http_task *t);
void replica__http_token_set(struct replica__http *h, const char *token); /* NULL: there is none */
/* Those that waited go, or are told that there is no token. */
void replica__http_token_settle(struct replica__http *h);
/* After a 401, which has these words: let the task wait for another token; false if there is no
 * hope. */
bool replica__http_token_renew(struct replica__http_task *t, const replica_error *refusal);

#endif

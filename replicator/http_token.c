/* One token for all requests, asked for when the first one needs it and again after a 401.
 *
 * Each token has a generation, so that of many requests that fail with the same one only the first
 * asks for another. */
#include "replicator/http_task.h"

#include "base/alloc.h"
#include "replicator/remote_http.h"

void replica__http_token_set(struct replica__http *h, const char *token)
{
    replica__free(h->token);
    h->token = token && replica__http_line_is_plain(token) ? replica__strdup(token) : NULL;
    h->token_state = h->token ? TOKEN_HERE : TOKEN_FAILED;
    h->generation++;
}

static void ask_token(struct replica__http *h, bool refused)
{
    char token[REPLICA__TOKEN_ROOM] = "";
    int r;

    h->token_state = TOKEN_ASKED;
    r = h->ask_token(h->ask_ctx, refused, token, sizeof(token));
    token[sizeof(token) - 1] = '\0';
    if (r != REPLICA__TOKEN_LATER)
        replica__http_token_set(h, r < 0 ? NULL : r == 0 ? "" : token);
    h->token_no_memory = r == REPLICA_ENOMEM;
}

void replica__http_token_settle(struct replica__http *h)
{
    bool failed = h->token_state == TOKEN_FAILED;

    if (h->token_state != TOKEN_HERE && !failed)
        return;
    if (failed)
        h->token_state = TOKEN_UNKNOWN;
    for (struct replica__http_task *t = h->tasks; t; t = t->next) {
        if (!t->waiting || !t->call)
            continue;
        if (failed && h->token_no_memory)
            replica__http_task_fail(t, REPLICA_ENOMEM, 0, "out of memory");
        else if (failed)
            replica__http_task_fail(t, REPLICA_EAUTH, 401,
                                    h->token_refused ? h->refusal.message
                                                     : "there are no credentials");
        else
            replica__http_task_send_later(t);
    }
}

int replica__http_token_submit(struct replica__http_task *t)
{
    struct replica__http *h = t->http;

    if (h->token_state == TOKEN_UNKNOWN)
        ask_token(h, h->token_refused);
    t->waiting = h->token_state == TOKEN_ASKED || h->token_state == TOKEN_FAILED;
    return t->waiting ? 0 : replica__http_task_send(t);
}

bool replica__http_token_renew(struct replica__http_task *t, const replica_error *refusal)
{
    struct replica__http *h = t->http;

    h->token_refused = true;
    h->refusal = *refusal;
    if (!h->ask_token)
        return false;
    if (t->asked_again) { /* that one is no good either: the next request asks first */
        if (h->token_state == TOKEN_HERE && h->generation == t->generation)
            h->token_state = TOKEN_UNKNOWN;
        return false;
    }
    t->asked_again = true;
    t->waiting = true;
    replica__exchange_stop(&t->x);
    if (h->token_state == TOKEN_HERE && h->generation == t->generation)
        h->token_state = TOKEN_UNKNOWN; /* else somebody has asked for another one since */
    if (h->token_state == TOKEN_UNKNOWN)
        ask_token(h, true);
    return true;
}

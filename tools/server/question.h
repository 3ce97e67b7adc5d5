/* A question with a body about one collection, as its reader sees it.
 *
 * Whatever is wrong with it is answered with 400 where it is found. */
#ifndef SERVER_QUESTION_H
#define SERVER_QUESTION_H

#include "tools/server/view.h"

struct replica__question {
    struct replica__service *service;
    struct replica__reply *reply;
    struct replica__json_value body;
    struct replica__target target;
    struct replica__view view; /* its place is of "collections", which the checkpoint covers */
    size_t max_key;
};
#define QUESTION __attribute__((cleanup(replica__question_free))) struct replica__question
void replica__question_free(struct replica__question *q);

/* What all have: service and reply are set.  false: answered, here and below. */
bool replica__question_read(struct replica__question *q, const struct replica__request *request);
bool replica__question_bad(const struct replica__question *q, const char *what);
bool replica__question_failed(const struct replica__question *q, int r, const replica_error *err);

/* Type NONE: it is absent, or null. */
struct replica__json_value replica__question_member(const struct replica__question *q,
                                                    const char *name);
/* What a string of at most max bytes means is added to out, with a NUL behind it. */
bool replica__question_string(const struct replica__question *q, struct replica__json_value v,
                              const char *name, size_t max, struct replica__buf *out);
/* A key that may be absent: then out stays empty. */
bool replica__question_key(const struct replica__question *q, const char *name,
                           struct replica__buf *out);
/* The text in it; NULL: none. */
static inline const char *replica__question_text(const struct replica__buf *buf)
{
    return buf->len > 0 ? buf->data : NULL;
}

/* A string, or null. */
void replica__question_add_key(struct replica__buf *out, const char *key, size_t len);
/* "head":{...}, as of an answer. */
void replica__question_add_head(const struct replica__question *q, int64_t head,
                                struct replica__buf *out);

#endif

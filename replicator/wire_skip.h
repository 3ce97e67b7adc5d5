/* Reading a body that nobody has checked yet, from its front to its end.
 *
 * A reader walks over the members of an envelope and hands out each document as a slice.  It does
 * not look into a document further than is needed to find its end, so that one broken document
 * leaves the others readable; the caller puts each through replica__json_scan().  Everything else
 * is checked where it is read. */
#ifndef REPLICATOR_WIRE_SKIP_H
#define REPLICATOR_WIRE_SKIP_H

#include "base/json.h"

#include <stdbool.h>

struct replica__wire_in {
    const char *start;
    const char *at;
    const char *end;
    int code; /* of the errors: REPLICA_EHTTP in an answer, REPLICA_EJSON in a request */
    replica_error *err;
};

/* Word an error about the byte at `where` (NULL: here), and return in->code. */
int replica__wire_fail(const struct replica__wire_in *in, const char *where, const char *format,
                       ...) __attribute__((format(printf, 3, 4)));

/* Take c, which may have white space before it. */
bool replica__wire_take(struct replica__wire_in *in, char c);
/* Nothing but white space is left. */
int replica__wire_end(struct replica__wire_in *in);

/* Walk an object or an array whose bracket was taken:
 *     for (bool first = true; (r = replica__wire_member(in, &first, &name)) > 0;) ...take its value
 * 1: the value comes next; 0: the closing bracket was taken. */
int replica__wire_member(struct replica__wire_in *in, bool *first, struct replica__slice *ret_name);
int replica__wire_element(struct replica__wire_in *in, bool *first);

/* Any value, by its end alone: strings and brackets are followed, nothing else. */
int replica__wire_value(struct replica__wire_in *in, struct replica__slice *ret_value);
int replica__wire_int(struct replica__wire_in *in, int64_t *ret_n);
bool replica__wire_null(struct replica__wire_in *in);
/* A string as spelled, between its quotes. */
int replica__wire_string(struct replica__wire_in *in, struct replica__slice *ret_spelled);
/* Does a string mean this text?  Its spelling, which nobody has checked, has its quotes around
 * it. */
bool replica__wire_name_is(struct replica__slice spelled, const char *name);
/* A string that is plain: no escapes and no control characters. */
int replica__wire_plain(struct replica__wire_in *in, struct replica__slice *ret_text);
/* A string or null, as a copy with a NUL in out, which must have room for it: what a string means
 * is never longer than its spelling. */
int replica__wire_text(struct replica__wire_in *in, struct replica__buf *out,
                       const char **ret_text);

/* A reader over a part of the same body: offsets still count from the body's start. */
struct replica__wire_in replica__wire_part(const struct replica__wire_in *in,
                                           struct replica__slice part);

/* A checkpoint: a JSON object.  With ret_lwt it must be one of ours, `{"id":string,"lwt":integer}`
 * with a plain id. */
int replica__wire_checkpoint(struct replica__wire_in *in, struct replica__slice *ret_text,
                             struct replica__slice *ret_id, int64_t *ret_lwt);

#endif

/* How long a peer may take: to say what it wants, to send it, and to read the answer.
 *
 * libmicrohttpd cuts who neither gives nor takes anything for that time.  Who gives a byte at a
 * time would keep its connection for ever, so each stage has a time of its own, which grows with
 * what was moved.  Streams have none: they are cut when they take nothing.
 *
 * A body that libmicrohttpd does not read on, though there is more of it, is stuck in what it
 * cannot parse (a chunk's head without end), and would keep it busy: it is cut at once. */
#ifndef SERVER_DEADLINE_H
#define SERVER_DEADLINE_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct replica__deadline;

struct replica__deadlines {
    struct replica__deadline *first;
    size_t count;       /* of connections */
    size_t limit;
    int64_t patience_ms;
    bool ended;         /* one has: libmicrohttpd may listen again, and must be run to do so */
    int64_t look_at_ms; /* when to look for those whose time is over */
    int64_t told_ms;    /* when it was last said that there is no room for more */
};

/* libmicrohttpd's, with the deadlines as cls: a connection begins and ends. */
void replica__deadline_connection(void *cls, struct MHD_Connection *conn, void **socket_context,
                                  enum MHD_ConnectionNotificationCode code);
/* A request's head must be there in time, from now on. */
void replica__deadline_head(struct MHD_Connection *conn);
/* It is there: so must its body be, or its answer be taken.  moved: bytes of it so far. */
void replica__deadline_sends(struct MHD_Connection *conn, size_t moved);
void replica__deadline_moved(struct MHD_Connection *conn, size_t moved);
/* What comes now may last. */
void replica__deadline_none(struct MHD_Connection *conn);
/* Cut those whose time is over.  Ms until the next look; -1: there is nobody. */
int64_t replica__deadlines_tick(struct replica__deadlines *d);

#endif

/* A whole server without HTTP: a database, its storage and the service, and short ways to ask.
 *
 *     OFFICE o = office(NULL);
 *     CHECK_STR(get(&o, "/notes/0/pull?limit=5"), "{\"documents\":[],...");
 */
#ifndef TESTS_SERVER_OFFICE_H
#define TESTS_SERVER_OFFICE_H

#include "tests/support/clock.h"
#include "tools/server/service.h"
#include "tools/server/stream.h"

struct office {
    struct clock clock;
    replica_db *db;
    struct replica__storage *storage;
    struct replica__service *service;
    char incarnation[65];
    const struct replica__who *who; /* asks from now on; NULL: anybody */
    struct replica__reply reply; /* to the last question */
};

/* path NULL: in memory.  The primary key of "people" is "name". */
struct office *office_open(const char *path, const struct replica__service_options *options);
void office_close(struct office **o);
#define OFFICE __attribute__((cleanup(office_close))) struct office *

/* Ask; the body of the answer, read to its end, which lives until the next question. */
const char *get(struct office *o, const char *path_and_query);
const char *post(struct office *o, const char *path, const char *body);
/* The status of the answer to the last question. */
int status(const struct office *o);
/* The text with every @ replaced by the incarnation; one of the last eight. */
const char *at(const struct office *o, const char *text);

/* Open a stream; with the reply, which replica__reply_free() ends. */
void office_stream(struct office *o, const char *path_and_query, const char *last_event_id,
                   struct replica__reply *ret_reply);
/* All that a stream gives now; "" for nothing, NULL: it has ended. */
const char *stream_text(struct replica__reply *reply);

#endif

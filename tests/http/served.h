/* Our own server in a thread of the test, on a database in the test's folder. */
#ifndef TESTS_HTTP_SERVED_H
#define TESTS_HTTP_SERVED_H

#include "tools/server/auth.h"

struct served;

/* Listens on 127.0.0.1, at a port of its own. */
struct served *served_start(void);
/* The same, and asks for tokens; options as replica__auth_open() has them.  Its wall clock is ahead
 * of the real one by *ahead_ms, which is changed atomically. */
struct served *served_start_guarded(const struct replica__auth_options *options,
                                    const int64_t *ahead_ms);
/* Access rules (NULL: none any more), with which it starts anew at once. */
void served_rules(struct served *s, const char *json);
void served_stop(struct served *s); /* NULL is fine */
/* Stop it and start it anew on the same database, at the same port. */
void served_restart(struct served *s);
/* The same, with something done while it is stopped. */
void served_change(struct served *s, int (*fn)(void *ctx), void *ctx);
/* Stop it; and start it anew, at the same port. */
void served_halt(struct served *s);
void served_go_on(struct served *s);
/* "http://127.0.0.1:<port>" and the path; lives as long as the server. */
const char *served_url(struct served *s, const char *path);

#define SERVED __attribute__((cleanup(served_stop_ptr))) struct served *
void served_stop_ptr(struct served **s);

#endif

/* An HTTP server that answers what a test wrote down, byte for byte, and keeps what it was asked.
 *
 *     struct scripted *s = scripted_start();
 *     scripted_answer(s, "GET /cities/0/pull", 200, "application/json", "{\"documents\":[]}");
 *     ...the code under test asks scripted_url(s, "/cities/0")...
 *     CHECK(strstr(scripted_request(s, 0), "\r\nAuthorization: Bearer x\r\n"));
 *
 * Each answer serves one request: the first one that is left whose match is the beginning of the
 * request line ("" matches all).  A request without an answer is answered with 599.  The server is
 * closed at the test's end, and waits for nothing longer than ten seconds. */
#ifndef TESTS_HTTP_SCRIPTED_SERVER_H
#define TESTS_HTTP_SCRIPTED_SERVER_H

#include <stddef.h>

struct scripted;

#define SCRIPTED_CLOSE (1u << 0)   /* close the connection after the bytes */
#define SCRIPTED_HOLD (1u << 1)    /* keep it for scripted_push(); no more requests on it */
#define SCRIPTED_SLOW (1u << 2)    /* a byte at a time */
#define SCRIPTED_EARLY (1u << 3)   /* answer without reading the request's body, and close */
#define SCRIPTED_SILENT (1u << 4)  /* say nothing at all */

struct scripted *scripted_start(void);
void scripted_stop(struct scripted *s); /* NULL is fine */
/* "http://127.0.0.1:<port>" and the path; lives as long as the server. */
const char *scripted_url(struct scripted *s, const char *path);

/* The bytes as they are; len may be REPLICA_NUL. */
void scripted_raw(struct scripted *s, const char *match, const char *bytes, size_t len,
                  unsigned flags);
/* A whole answer with its Content-Length.  type may be several lines: "text/html\r\nRetry-After:
 * 5". */
void scripted_answer(struct scripted *s, const char *match, int status, const char *type,
                     const char *body);
/* More bytes on the connection that is held; waits until there is one. */
void scripted_push(struct scripted *s, const char *bytes);
/* Close what is held. */
void scripted_cut(struct scripted *s);

/* The n-th request, head and body with a NUL; waits until it was there. */
const char *scripted_request(struct scripted *s, int n);
size_t scripted_body(struct scripted *s, int n, const char **ret_body);
int scripted_requests(struct scripted *s);
int scripted_connections(struct scripted *s);

#define SCRIPTED __attribute__((cleanup(scripted_stop_ptr))) struct scripted *
void scripted_stop_ptr(struct scripted **s);

#endif

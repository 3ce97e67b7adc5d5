/* Tokens that a file lists, and what is known of who has them. */
#ifndef SERVER_TOKENS_H
#define SERVER_TOKENS_H

#include "tools/server/pass.h"

struct replica__tokens;

/* The text of a file: a line is a token, and behind white space a JSON object of claims, or nothing
 * ("{}"); '#' starts a comment line.  path is for messages, which show nothing of the text.
 * REPLICA_EINVAL: there is no token in it, a line is none, or one is there twice. */
int replica__tokens_open(const char *path, const struct replica__buf *text,
                         struct replica__tokens **ret_tokens, replica_error *err);
void replica__tokens_close(struct replica__tokens *tokens); /* NULL is fine */

/* The pass of this token (borrowed), or NULL.  The time does not depend on how much of a token was
 * right. */
struct replica__pass *replica__tokens_find(const struct replica__tokens *tokens,
                                           const char *token, size_t len);

#endif

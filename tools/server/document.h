/* One document by its path, of our dialect: /_replica/1/doc/{collection}/{version}/{key}. */
#ifndef SERVER_DOCUMENT_H
#define SERVER_DOCUMENT_H

#include "tools/server/state.h"

#define REPLICA__DOCUMENT_METHODS "GET, PUT, PATCH, DELETE"

/* Is it the path of a document, less what all paths of our dialect begin with?  The key is what
 * follows the version, slashes too. */
bool replica__document_route(const char *path, struct replica__target *ret_target,
                             const char **ret_key);
bool replica__document_method(const char *method);
void replica__document_answer(struct replica__service *service,
                              const struct replica__request *request,
                              struct replica__target *target, const char *key,
                              struct replica__reply *reply);

#endif

/* URI references, as RFC 3986 has them: taken apart and resolved.  Nothing is fetched. */
#ifndef SCHEMA_URI_H
#define SCHEMA_URI_H

#include "base/buf.h"
#include "base/json.h"

/* What is before the '#', and what is behind it (data NULL: there is no '#'). */
void replica__uri_split(struct replica__slice uri, struct replica__slice *ret_base,
                        struct replica__slice *ret_fragment);
/* Append what ref, which has no fragment, means where base is the URI at hand. */
void replica__uri_resolve(struct replica__slice base, struct replica__slice ref,
                          struct replica__buf *out);
/* Append the text with its %XX decoded; a '%' that is no escape stays. */
void replica__uri_decode(struct replica__slice text, struct replica__buf *out);
/* The same text? */
bool replica__uri_equal(struct replica__slice a, struct replica__slice b);
uint64_t replica__uri_hash(struct replica__slice uri); /* never 0 */

#endif

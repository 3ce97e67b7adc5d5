/* A selector as a filter: for those who ask about texts, and not about collections. */
#ifndef LIBREPLICA_FILTER_H
#define LIBREPLICA_FILTER_H

#include "libreplica/libreplica.h"

struct replica__selector; /* a tree of conditions */

/* REPLICA_EINVAL: an unknown operator, or an argument that it does not take; where: its path,
 * offset: the byte.  REPLICA_EJSON, REPLICA_ELIMIT: the text. */
REPLICA_INTERNAL int replica__selector_parse(const char *json, size_t len,
                                             struct replica__selector **ret, replica_error *err);
REPLICA_INTERNAL void replica__selector_free(struct replica__selector *s); /* NULL is fine */
/* Does the document match?  1, 0, REPLICA_ENOMEM, REPLICA_ELIMIT (a regular expression took too
 * long).  NULL matches all. */
REPLICA_INTERNAL int replica__selector_match(const struct replica__selector *s, const char *json,
                                             size_t len);
/* The same for selectors and documents of strangers, whose product must not hold up others:
 * REPLICA_ELIMIT also when the values that are looked at are as many bytes as the document has, 8
 * times, and 8 MiB more.  Steps are counted and not time: an answer is the same everywhere. */
REPLICA_INTERNAL int replica__selector_match_within(const struct replica__selector *s,
                                                    const char *json, size_t len);

#endif

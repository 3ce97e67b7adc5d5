/* Access rules: who may read and write which documents, by the documents and the claims of the
 * token that a request came with.  docs/access.md has the file's format and what it means.
 *
 * A rule is true, false or a selector in which "$auth.name" stands for a claim.  For who asks, the
 * rules are compiled with its claims into rights, which are kept for the next request of the same
 * claims.  All belongs to one thread. */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include "base/buf.h"
#include "libreplica/libreplica.h"
#include "tools/server/service.h"

#include <stdbool.h>

struct replica__access; /* the rules of a file */
struct replica__rights; /* what they mean for somebody */
struct replica__grants; /* in one collection */

/* name: of the file, for errors.  REPLICA_EINVAL, REPLICA_EJSON: where and what is wrong. */
int replica__access_parse(const char *name, const char *text, size_t len,
                          struct replica__access **ret_access, replica_error *err);
/* The rules of a file. */
int replica__access_open(const char *path, struct replica__access **ret_access,
                         replica_error *err);
void replica__access_close(struct replica__access *access); /* NULL is fine; all rights are given
                                                             * back */

/* A JSON array of the fields that decide who reads a collection's documents; NULL: none do.
 * Borrowed. */
const char *replica__access_reads(const struct replica__access *access, const char *collection);
/* Is the field one of those that clients do not see? */
bool replica__access_hides(const struct replica__access *access, const char *collection,
                           const char *field);

/* The rights of who asks (NULL: of whom nothing is known).  Give them back with unref. */
int replica__access_rights(struct replica__access *access, const struct replica__who *who,
                           struct replica__rights **ret_rights, replica_error *err);
struct replica__rights *replica__rights_ref(struct replica__rights *rights);
void replica__rights_unref(struct replica__rights *rights); /* NULL is fine */
/* Borrowed from rights. */
int replica__rights_in(struct replica__rights *rights, const char *collection,
                       const struct replica__grants **ret_grants, replica_error *err);

/* What is done with names that are no documents': addresses of events, keys of the clients' own. */
enum replica__door {
    REPLICA__DOOR_EMIT,
    REPLICA__DOOR_LISTEN, /* and be told of the event */
    REPLICA__DOOR_LOCK,   /* and see that it is locked */
    REPLICA__DOORS
};
/* rights NULL: there are no rules. */
bool replica__rights_may(const struct replica__rights *rights, enum replica__door door,
                         const char *path);

enum replica__deed {
    REPLICA__DEED_READ,
    REPLICA__DEED_CREATE,
    REPLICA__DEED_UPDATE,
    REPLICA__DEED_DELETE,
    REPLICA__DEEDS
};
/* May it be done with any document at all? */
bool replica__grants_any(const struct replica__grants *grants, enum replica__deed deed);
/* With every one? */
bool replica__grants_always(const struct replica__grants *grants, enum replica__deed deed);
/* With a document of this text?  1, 0, REPLICA_ENOMEM. */
int replica__grants_match(const struct replica__grants *grants, enum replica__deed deed,
                          const char *json, size_t len);
/* The text without what clients do not see; key: the primary key's field, which stays.  0: it is
 * all to be seen; 1: what is in out; < 0. */
int replica__grants_cut(const struct replica__grants *grants, const char *key, const char *json,
                        size_t len, struct replica__buf *out);
/* 64 bits of what may be read, of which texts what; the same in every process. */
uint64_t replica__grants_digest(const struct replica__grants *grants);
/* Those that see the same have the same text, and nobody else. */
const char *replica__grants_name(const struct replica__grants *grants);

/* May this state take the place of old (NULL: there is none, or it is deleted)?  1, with a text in
 * out if that is to be stored instead; 0, with why; < 0.  ret_seen: the writer may read what is
 * stored then. */
int replica__grants_judge(const struct replica__grants *grants, const char *key, const char *old,
                          size_t old_len, const char *json, size_t len, bool deleted,
                          struct replica__buf *out, bool *ret_seen, const char **ret_why);

#endif

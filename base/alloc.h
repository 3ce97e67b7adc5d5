/* The one door to the allocator.
 *
 * Everything that libreplica allocates goes through these four, so that a test can make the n-th
 * allocation fail (replica__alloc_hook) and ask what happened.  They are malloc's, with two
 * differences: sizes are checked for overflow in the _array forms, and NULL is never returned for
 * size 0. */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include "libreplica/export.h"

#include <stddef.h>

REPLICA_INTERNAL void *replica__alloc(size_t size);
REPLICA_INTERNAL void *replica__alloc_zero(size_t n, size_t size);
REPLICA_INTERNAL void *replica__realloc(void *p, size_t n, size_t size); /* n * size bytes */
REPLICA_INTERNAL char *replica__strdup(const char *s);                   /* NULL gives NULL */
REPLICA_INTERNAL char *replica__strndup(const char *s, size_t len);
REPLICA_INTERNAL void replica__free(void *p);

/* Tests only: called before each allocation; a result other than 0 makes it fail. */
extern REPLICA_INTERNAL int (*replica__alloc_hook)(void);

/* REPLICA_FREE char *p = NULL;  ... freed at the end of the scope. */
static inline void replica__free_ptr(void *p)
{
    replica__free(*(void **)p);
}
#define REPLICA_FREE __attribute__((cleanup(replica__free_ptr)))

#endif

/* The one door to the allocator.  It owns nothing but the hook with which a test closes it. */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

int (*replica__alloc_hook)(void) = NULL;

static int refused(void)
{
    return replica__alloc_hook && replica__alloc_hook() != 0;
}

void *replica__alloc(size_t size)
{
    if (refused())
        return NULL;
    return malloc(size ? size : 1);
}

void *replica__alloc_zero(size_t n, size_t size)
{
    size_t bytes;

    if (refused() || __builtin_mul_overflow(n, size, &bytes))
        return NULL;
    return calloc(bytes ? bytes : 1, 1);
}

void *replica__realloc(void *p, size_t n, size_t size)
{
    size_t bytes;

    if (refused() || __builtin_mul_overflow(n, size, &bytes))
        return NULL;
    return realloc(p, bytes ? bytes : 1);
}

char *replica__strdup(const char *s)
{
    return s ? replica__strndup(s, strlen(s)) : NULL;
}

char *replica__strndup(const char *s, size_t len)
{
    char *copy = replica__alloc(len + 1);

    if (!copy)
        return NULL;
    if (len)
        memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

void replica__free(void *p)
{
    free(p);
}

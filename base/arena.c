/* Memory in chunks, the newest chunk first; a piece is freed with all the others or not at all. */
#include "base/arena.h"

#include "base/alloc.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct replica__arena_chunk {
    struct replica__arena_chunk *next;
    size_t used, room;
    char bytes[];
};

struct replica__arena *replica__arena_new(size_t chunk_size)
{
    struct replica__arena *a = replica__alloc_zero(1, sizeof *a);

    if (a)
        a->chunk_size = chunk_size;
    return a;
}

static struct replica__arena_chunk *chunk_for(struct replica__arena *a, size_t size)
{
    struct replica__arena_chunk *chunk = a->chunks;
    size_t room = size > a->chunk_size ? size : a->chunk_size;

    if (chunk && chunk->room - chunk->used >= size)
        return chunk;
    chunk = replica__alloc(sizeof *chunk + room);
    if (!chunk) {
        a->failed = true;
        return NULL;
    }
    chunk->next = a->chunks;
    chunk->used = 0;
    chunk->room = room;
    a->chunks = chunk;
    return chunk;
}

char *replica__arena_copy(struct replica__arena *a, const char *text, size_t len)
{
    struct replica__arena_chunk *chunk = chunk_for(a, len + 1);
    char *to;

    if (!chunk)
        return NULL;
    to = chunk->bytes + chunk->used;
    if (len > 0)
        memcpy(to, text, len);
    to[len] = '\0';
    chunk->used += len + 1;
    return to;
}

void *replica__arena_zero(struct replica__arena *a, size_t n, size_t size)
{
    size_t align = _Alignof(max_align_t);
    struct replica__arena_chunk *chunk;
    size_t bytes;
    size_t gap;
    char *to;

    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 4) {
        a->failed = true;
        return NULL;
    }
    chunk = chunk_for(a, bytes + align);
    if (!chunk)
        return NULL;
    to = chunk->bytes + chunk->used;
    gap = (align - (uintptr_t)to % align) % align;
    chunk->used += gap + bytes;
    return memset(to + gap, 0, bytes);
}

char *replica__arena_text(struct replica__arena *a, const char *text)
{
    return text ? replica__arena_copy(a, text, strlen(text)) : NULL;
}

void replica__arena_free(struct replica__arena *a)
{
    struct replica__arena_chunk *next;

    if (!a)
        return;
    for (struct replica__arena_chunk *chunk = a->chunks; chunk; chunk = next) {
        next = chunk->next;
        replica__free(chunk);
    }
    replica__free(a);
}

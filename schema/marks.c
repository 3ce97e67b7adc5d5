/* Sets of positions: 64 of them without memory, and as many more as are set. */
#include "base/alloc.h"
#include "schema/run.h"

#include <string.h>

int replica__marks_grow(struct marks *m, size_t i)
{
    size_t room = m->room ? m->room : 4;
    uint64_t *words;

    while (room <= i / 64 - 1)
        room *= 2;
    words = replica__realloc(m->words, room, sizeof(*words));
    if (!words)
        return REPLICA_ENOMEM;
    memset(words + m->room, 0, (room - m->room) * sizeof(*words));
    m->words = words;
    m->room = room;
    return 0;
}

int replica__marks_merge(struct marks *m, const struct marks *from)
{
    m->all |= from->all;
    m->few |= from->few;
    if (m->room < from->room && replica__marks_grow(m, from->room * 64) < 0)
        return REPLICA_ENOMEM;
    for (size_t i = 0; i < from->room; i++)
        m->words[i] |= from->words[i];
    return 0;
}

void replica__marks_free(struct marks *m)
{
    replica__free(m->words);
}

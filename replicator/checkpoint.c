/* Checkpoints of servers that tell an order: {"id":"<incarnation>","lwt":<number>}. */
#include "replicator/session_state.h"

struct place {
    struct replica__slice id;
    int64_t number;
};

static bool read_place(const char *text, struct place *ret)
{
    struct replica__json_value v, id, lwt;

    *ret = (struct place){ { "", 0 }, 0 };
    if (!text)
        return true; /* the beginning */
    v = replica__json_value(text, strlen(text));
    if (v.type != REPLICA_JSON_OBJECT)
        return false;
    id = replica__json_member(v, "id", REPLICA_NUL);
    lwt = replica__json_member(v, "lwt", REPLICA_NUL);
    if (id.type != REPLICA_JSON_STRING || !replica__json_int(lwt, &ret->number))
        return false;
    ret->id.data = id.text.data + 1;
    ret->id.len = id.text.len - 2;
    return true;
}

int64_t replica__checkpoint_number(const char *text)
{
    struct place at;

    return text && read_place(text, &at) ? at.number : 0;
}

void replica__checkpoint_incarnation(const char *text, char *ret, size_t room)
{
    struct place at;
    const char *dash;

    ret[0] = '\0';
    if (!text || !read_place(text, &at))
        return;
    dash = at.id.len > 0 ? memchr(at.id.data, '-', at.id.len) : NULL; /* behind it is the view */
    if (dash)
        at.id.len = (size_t)(dash - at.id.data);
    if (at.id.len < room) {
        memcpy(ret, at.id.data, at.id.len);
        ret[at.id.len] = '\0';
    }
}

/* Is everything up to next behind the stored one? */
bool replica__checkpoint_covers(const char *stored, const char *next)
{
    struct place at, to;

    return read_place(stored, &at) && read_place(next, &to) && to.number <= at.number;
}

/* What is between follows and next is known; the stored one lies at or behind follows, and before
 * next.  Numbers of one timeline can be compared whatever their incarnation. */
bool replica__checkpoint_extends(const char *stored, const char *follows, const char *next)
{
    struct place at, from, to;

    if (!next)
        return false;
    if (follows && stored && strcmp(follows, stored) == 0)
        return true;
    if (!read_place(stored, &at) || !read_place(follows, &from) || !read_place(next, &to))
        return false;
    return from.number <= at.number && at.number < to.number;
}

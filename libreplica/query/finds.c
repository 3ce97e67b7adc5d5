/* Sorting what was found.  Only places and numbers are kept; and where there is a limit, only the
 * first ones, give or take as many again. */
#include "libreplica/query/find.h"

#include <stdlib.h>
#include <string.h>

#define LEAST 1024 /* with a limit: how many are kept before the last ones are thrown away */

void replica__finds_free(struct replica__finds *finds)
{
    replica__buf_free(&finds->places);
    replica__free(finds->found);
    memset(finds, 0, sizeof *finds);
}

static int by_place(const void *a, const void *b)
{
    const struct replica__found *x = a, *y = b;
    return replica__key_order(x->place, x->len, y->place, y->len);
}

/* The places of those that are left, moved together. */
static int keep_first(struct replica__finds *finds, size_t n, replica_error *err)
{
    struct replica__buf places = REPLICA_BUF_INIT;

    for (size_t i = 0; i < n; i++) {
        struct replica__found *f = &finds->found[i];
        size_t at = places.len;

        replica__buf_add(&places, finds->places.data + f->at, f->len);
        f->at = at;
    }
    if (places.r < 0) {
        replica__buf_free(&places);
        return replica__enomem(err);
    }
    replica__buf_free(&finds->places);
    finds->places = places;
    finds->n = n;
    return 0;
}

int replica__finds_sort(struct replica__finds *finds, replica_error *err)
{
    for (size_t i = 0; i < finds->n; i++)
        finds->found[i].place = finds->places.data + finds->found[i].at;
    if (finds->n > 1)
        qsort(finds->found, finds->n, sizeof *finds->found, by_place);
    return finds->most && finds->n > finds->most ? keep_first(finds, finds->most, err) : 0;
}

int replica__finds_add(struct replica__finds *finds, const struct replica__query *query,
                       const struct replica__row *row, replica_error *err)
{
    size_t at;

    if (finds->most && finds->n >= LEAST && finds->n / 2 >= finds->most) {
        int r = replica__finds_sort(finds, err);

        if (r < 0)
            return r;
    }
    at = finds->places.len;
    if (finds->n == finds->room) {
        size_t room = finds->room ? finds->room * 2 : 64;
        struct replica__found *grown = replica__realloc(finds->found, room, sizeof *grown);

        if (!grown)
            return replica__enomem(err);
        finds->found = grown;
        finds->room = room;
    }
    replica__query_place(query, row->body, row->len, row->id, row->id_len, &finds->places);
    if (finds->places.r < 0)
        return replica__enomem(err);
    finds->found[finds->n++] = (struct replica__found){
        .at = at, .len = finds->places.len - at, .number = row->number, .seq = row->seq
    };
    return 0;
}

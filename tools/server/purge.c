#include "tools/server/purge.h"

#include "tools/server/state.h"

enum {
    EVERY_MS = 3600 * 1000,
    AT_LEAST_MS = 1000,
    BETWEEN_MS = 5, /* slices: requests go on */
    BUSY_MS = 1000  /* another process writes */
};

/* From one purge to the next: no longer than what is to be purged may be old. */
static int64_t period(const struct replica__service *service)
{
    int64_t ms = service->options.purge_ms;

    return ms < AT_LEAST_MS ? AT_LEAST_MS : ms < EVERY_MS ? ms : EVERY_MS;
}

/* One slice; ms until the next. */
static int64_t purge_some(struct replica__service *service, replica_error *err)
{
    struct replica__storage *s = service->storage;
    struct replica__purging *p = &service->purging;
    int r = s->ops->purge(s, service->options.purge_ms, &p->at, err);

    if (r > 0)
        return BETWEEN_MS;
    if (r == REPLICA_EBUSY) {
        err->code = 0;
        return BUSY_MS;
    }
    p->at = (struct replica__purge){ 0 };
    return period(service);
}

int64_t replica__purge_tick(struct replica__service *service, replica_error *err)
{
    const struct replica__world *world = service->world;
    struct replica__purging *p = &service->purging;
    int64_t now = service->options.purges ? world->monotonic_ms(world->ctx) : 0;

    err->code = 0;
    if (!service->options.purges)
        return -1;
    if (!p->began || now >= p->next_ms) {
        p->began = true;
        p->next_ms = now + purge_some(service, err);
    }
    return p->next_ms - now;
}

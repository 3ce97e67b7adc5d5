#include "tools/server/view.h"

#include "base/alloc.h"
#include "base/error.h"
#include "libreplica/keys.h"
#include "tools/server/range.h"

#include <stdio.h>
#include <string.h>

/* ---- making one ------------------------------------------------------------------ */

static bool take_keys(struct replica__view *view, const char *keys, struct replica__reply *reply)
{
    if (!keys)
        return true;
    if (!replica_key_matches(keys, keys)) { /* as every pattern matches itself */
        replica__reply_error(reply, 400, "request", "keys is no pattern");
        return false;
    }
    view->keys = replica__strdup(keys);
    if (!view->keys)
        replica__reply_failure(reply, &(replica_error){ .code = REPLICA_ENOMEM });
    return view->keys != NULL;
}

static bool take_filter(struct replica__view *view, const char *filter, size_t len,
                        struct replica__reply *reply)
{
    replica_error err = { 0 };
    int r;

    if (!filter)
        return true;
    if (len > REPLICA__FILTER_MAX) {
        replica__reply_error(reply, 400, "request", "filter has more than %d bytes",
                             REPLICA__FILTER_MAX);
        return false;
    }
    view->filter = replica__strndup(filter, len);
    r = view->filter ? replica__selector_parse(filter, len, &view->wanted, &err) : REPLICA_ENOMEM;
    if (r == REPLICA_ENOMEM)
        replica__reply_failure(reply, &(replica_error){ .code = REPLICA_ENOMEM });
    else if (r < 0)
        replica__reply_error(reply, 400, "request", "filter is no selector: %s", err.message);
    return r >= 0;
}

bool replica__view_make(const struct replica__service *service, struct replica__view *ret,
                        const char *keys, const char *filter, size_t filter_len,
                        const struct replica__who *who, struct replica__reply *reply)
{
    struct replica__access *access = service->options.access;
    replica_error err = { 0 };

    ret->service = service;
    if (access && replica__access_rights(access, who, &ret->rights, &err) < 0) {
        replica__reply_failure(reply, &err);
        return false;
    }
    return take_keys(ret, keys, reply) && take_filter(ret, filter, filter_len, reply);
}

bool replica__view_asked(const struct replica__service *service,
                         const struct replica__request *request, struct replica__view *ret,
                         struct replica__reply *reply)
{
    const char *filter = replica__param(request, "filter");

    return replica__view_make(service, ret, replica__param(request, "keys"), filter,
                              filter ? strlen(filter) : 0, request->who, reply);
}

void replica__view_free(struct replica__view *view)
{
    replica__free(view->keys);
    replica__free(view->filter);
    replica__selector_free(view->wanted);
    replica__rights_unref(view->rights);
    memset(view, 0, sizeof(*view));
}

int replica__view_grants(const struct replica__view *view, const char *collection,
                         const struct replica__grants **ret_grants)
{
    *ret_grants = NULL;
    return view->rights ? replica__rights_in(view->rights, collection, ret_grants, NULL) : 0;
}

/* Of each collection one number, and their sum: their order does not matter. */
static int name_place(struct replica__view *view, const struct replica__target *targets, size_t n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        const struct replica__grants *grants;
        REPLICA_BUF text = REPLICA_BUF_INIT;
        int r = replica__view_grants(view, targets[i].name, &grants);

        if (r < 0)
            return r;
        replica__buf_printf(&text, "[\"%s\",\"%016llx\"]", targets[i].name,
                            (unsigned long long)replica__grants_digest(grants));
        if (text.r < 0)
            return text.r;
        sum += replica__json_digest(text.data, text.len);
    }
    snprintf(view->place, sizeof(view->place), "%016llx", (unsigned long long)sum);
    return 0;
}

bool replica__view_place(struct replica__view *view, const struct replica__target *targets,
                         size_t n, const struct replica__place *asked,
                         struct replica__reply *reply)
{
    replica_error err = { 0 };
    int r;

    if (view->rights && name_place(view, targets, n) < 0) {
        replica__reply_failure(reply, &(replica_error){ .code = REPLICA_ENOMEM });
        return false;
    }
    if (!asked || asked->lwt == 0)
        return true;
    r = replica__range_missed(view->service, targets, n, asked->lwt, &err);
    if (r != 0) {
        if (r < 0)
            replica__reply_failure(reply, &err);
        else
            replica__reply_reconcile(reply, "horizon");
        return false;
    }
    if (strcmp(asked->view, view->place) == 0)
        return true;
    replica__reply_reconcile(reply, "view");
    return false;
}

void replica__view_add_name(const struct replica__view *view,
                            const struct replica__target *targets, size_t n,
                            struct replica__buf *out)
{
    if (view->keys)
        replica__buf_printf(out, " = %s", view->keys);
    if (view->filter)
        replica__buf_printf(out, " ? %s", view->filter);
    for (size_t i = 0; view->rights && i < n; i++) {
        const struct replica__grants *grants;

        if (replica__view_grants(view, targets[i].name, &grants) < 0) {
            out->r = REPLICA_ENOMEM;
            return;
        }
        replica__buf_str(out, " & ");
        replica__buf_str(out, replica__grants_name(grants));
    }
}

static uint64_t add_to_key(uint64_t key, const char *text)
{
    while (*text)
        key = (key ^ (unsigned char)*text++) * 0x100000001b3u;
    return (key ^ 0xff) * 0x100000001b3u;
}

uint64_t replica__view_key(const struct replica__view *view)
{
    uint64_t key = 0;

    if (view->keys)
        key = add_to_key(key + 1, view->keys);
    if (view->filter)
        key = add_to_key(key + 2, view->filter);
    return view->rights ? add_to_key(key + 3, view->place) : key;
}

/* ---- looking --------------------------------------------------------------------- */

/* What takes a regular expression too long is not known to match. */
static int look_for_wanted(const struct replica__view *view, const char *json, size_t len)
{
    int r = replica__selector_match_within(view->wanted, json, len);

    if (r == REPLICA_ELIMIT)
        r = 0;
    return r < 0 ? r : r > 0 ? REPLICA__SIGHT_SHOWN : REPLICA__SIGHT_LEFT;
}

/* grants NULL: there are no rules. */
static int cut(const struct replica__view *view, const struct replica__target *target,
               const struct replica__grants *grants, const char *json, size_t len,
               struct replica__buf *out)
{
    if (!grants)
        return 0;
    return replica__grants_cut(grants, view->service->storage->ops->key(target->coll), json, len,
                               out);
}

/* What is cut away must not be told by whether the rest is shown: a filter does not see it. */
static int look_at(const struct replica__view *view, const struct replica__target *target,
                   const struct replica__grants *grants, const char *json, size_t len, bool was)
{
    REPLICA_BUF shown = REPLICA_BUF_INIT;
    int r = grants ? replica__grants_match(grants, REPLICA__DEED_READ, json, len) : 1;

    if (r <= 0)
        return r < 0 ? r : REPLICA__SIGHT_HIDDEN;
    if (was || !view->wanted)
        return REPLICA__SIGHT_SHOWN;
    r = cut(view, target, grants, json, len, &shown);
    if (r < 0)
        return r;
    return r > 0 ? look_for_wanted(view, shown.data, shown.len) : look_for_wanted(view, json, len);
}

int replica__view_look(const struct replica__view *view, const struct replica__target *target,
                       const char *json, size_t len, bool was)
{
    const struct replica__grants *grants;
    int r = replica__view_grants(view, target->name, &grants);

    return r < 0 ? r : look_at(view, target, grants, json, len, was);
}

int replica__view_cut(const struct replica__view *view, const struct replica__target *target,
                      const char *json, size_t len, struct replica__buf *out)
{
    const struct replica__grants *grants;
    int r = replica__view_grants(view, target->name, &grants);

    return r < 0 ? r : cut(view, target, grants, json, len, out);
}

static int look(void *ctx, size_t collection, const char *json, size_t len, bool was)
{
    struct replica__view_eye *eye = ctx;
    size_t place = eye->place ? eye->place[collection] : collection;
    const struct replica__target *target = &eye->targets[place];

    if (eye->view->rights && !eye->grants[place] &&
        replica__view_grants(eye->view, target->name, &eye->grants[place]) < 0)
        return REPLICA_ENOMEM;
    return look_at(eye->view, target, eye->grants[place], json, len, was);
}

static bool late(void *ctx)
{
    const struct replica__view_eye *eye = ctx;
    const struct replica__world *world = eye->view->service->world;

    return world->monotonic_ms(world->ctx) >= eye->late_ms;
}

const struct replica__eye *replica__view_eye(struct replica__view_eye *room,
                                             const struct replica__view *view,
                                             const struct replica__target *targets,
                                             const size_t *place)
{
    const struct replica__world *world = view->service->world;

    if (!view->wanted && !view->rights)
        return NULL;
    *room = (struct replica__view_eye){ .eye = { look, room, late },
                                        .view = view,
                                        .targets = targets,
                                        .place = place,
                                        .late_ms = world->monotonic_ms(world->ctx) +
                                                   REPLICA__LOOK_MS };
    return &room->eye;
}

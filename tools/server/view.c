#include "tools/server/view.h"

#include "base/alloc.h"
#include "base/error.h"
#include "libreplica/keys.h"

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

bool replica__view_make(struct replica__view *ret, const char *keys, const char *filter,
                        size_t filter_len, const struct replica__who *who,
                        struct replica__reply *reply)
{
    (void)who;
    return take_keys(ret, keys, reply) && take_filter(ret, filter, filter_len, reply);
}

bool replica__view_asked(const struct replica__request *request, struct replica__view *ret,
                         struct replica__reply *reply)
{
    const char *filter = replica__param(request, "filter");

    return replica__view_make(ret, replica__param(request, "keys"), filter,
                              filter ? strlen(filter) : 0, request->who, reply);
}

void replica__view_free(struct replica__view *view)
{
    replica__free(view->keys);
    replica__free(view->filter);
    replica__selector_free(view->wanted);
    memset(view, 0, sizeof(*view));
}

void replica__view_add_name(const struct replica__view *view, struct replica__buf *out)
{
    if (view->keys)
        replica__buf_printf(out, " = %s", view->keys);
    if (view->filter)
        replica__buf_printf(out, " ? %s", view->filter);
}

/* ---- looking --------------------------------------------------------------------- */

/* What takes a regular expression too long is not known to match. */
static int look_for_wanted(const struct replica__view *view, const char *json, size_t len)
{
    int r = replica__selector_match(view->wanted, json, len);

    if (r == REPLICA_ELIMIT)
        r = 0;
    return r < 0 ? r : r > 0 ? REPLICA__SIGHT_SHOWN : REPLICA__SIGHT_LEFT;
}

int replica__view_look(const struct replica__view *view, const struct replica__target *target,
                       const char *json, size_t len, bool was)
{
    REPLICA_BUF cut = REPLICA_BUF_INIT;
    int r;

    if (was || !view->wanted)
        return REPLICA__SIGHT_SHOWN;
    r = replica__view_cut(view, target, json, len, &cut); /* else it would tell what is cut */
    if (r < 0)
        return r;
    return r > 0 ? look_for_wanted(view, cut.data, cut.len) : look_for_wanted(view, json, len);
}

int replica__view_cut(const struct replica__view *view, const struct replica__target *target,
                      const char *json, size_t len, struct replica__buf *out)
{
    (void)view;
    (void)target;
    (void)json;
    (void)len;
    (void)out;
    return 0;
}

static int look(void *ctx, size_t collection, const char *json, size_t len, bool was)
{
    const struct replica__view_eye *eye = ctx;
    size_t place = eye->place ? eye->place[collection] : collection;

    return replica__view_look(eye->view, &eye->targets[place], json, len, was);
}

const struct replica__eye *replica__view_eye(struct replica__view_eye *room,
                                             const struct replica__view *view,
                                             const struct replica__target *targets,
                                             const size_t *place)
{
    if (!view->wanted)
        return NULL;
    *room = (struct replica__view_eye){ { look, room }, view, targets, place };
    return &room->eye;
}

/* Access rules against arbitrary bytes: rules, claims and a document with a 0x1E byte between them.
 *
 * Whatever is understood must be asked without harm, what is cut must be gone, and what is left, or
 * put together, must be JSON. */
#include "base/json.h"
#include "tools/server/access.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define MUST(condition)   \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

struct part {
    const char *data;
    size_t len;
};

static struct part next_part(const char **at, const char *end)
{
    const char *stop = memchr(*at, 0x1e, (size_t)(end - *at));
    struct part part = { *at, (size_t)((stop ? stop : end) - *at) };

    *at = stop ? stop + 1 : end;
    return part;
}

static bool is_object(const struct part *part)
{
    return replica__json_check(part->data, part->len, NULL, NULL) == 0 &&
           replica__json_value(part->data, part->len).type == REPLICA_JSON_OBJECT;
}

/* The document's text as an address. */
static void ask_doors(const struct replica__rights *rights, const struct part *doc)
{
    char path[64];
    size_t len = doc->len < sizeof(path) - 1 ? doc->len : sizeof(path) - 1;

    memcpy(path, doc->data, len);
    path[len] = '\0';
    for (int door = 0; door < REPLICA__DOORS; door++)
        replica__rights_may(rights, (enum replica__door)door, path);
}

static void ask(struct replica__access *access, const struct part *claims, const struct part *doc)
{
    const struct replica__who who = { claims->data, claims->len, 0 };
    struct replica__rights *rights = NULL;
    const struct replica__grants *grants = NULL;
    REPLICA_BUF out = REPLICA_BUF_INIT;
    const char *why = "";
    bool seen = false;
    int r;

    MUST(replica__access_rights(access, &who, &rights, NULL) == 0);
    ask_doors(rights, doc);
    MUST(replica__rights_in(rights, "notes", &grants, NULL) == 0);
    MUST(replica__json_check(replica__grants_name(grants), strlen(replica__grants_name(grants)),
                             NULL, NULL) == 0);
    for (int deed = 0; deed < REPLICA__DEEDS; deed++) {
        r = replica__grants_match(grants, (enum replica__deed)deed, doc->data, doc->len);
        MUST(r == 0 || (r == 1 && replica__grants_any(grants, (enum replica__deed)deed)));
    }
    r = replica__grants_cut(grants, "id", doc->data, doc->len, &out);
    MUST(r >= 0);
    if (r > 0)
        MUST(replica__json_check(out.data, out.len, NULL, NULL) == 0 && out.len < doc->len);
    if (r > 0 && replica__access_hides(access, "notes", "s"))
        MUST(replica__json_member(replica__json_value(out.data, out.len), "s", 1).type ==
             REPLICA_JSON_NONE);
    replica__buf_clear(&out);
    r = replica__grants_judge(grants, "id", doc->data, doc->len, "{\"id\":\"a\"}", 10, false, &out,
                              &seen, &why);
    MUST(r >= 0 && (r > 0 || *why));
    if (out.len > 0)
        MUST(replica__json_check(out.data, out.len, NULL, NULL) == 0);
    replica__rights_unref(rights);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *at = (const char *)data, *end = at + len;
    struct part rules = next_part(&at, end);
    struct part claims = next_part(&at, end);
    struct part doc = next_part(&at, end);
    struct replica__access *access = NULL;
    replica_error err = { 0 };
    int r = replica__access_parse("rules", rules.data, rules.len, &access, &err);

    if (r < 0) {
        MUST(!access && err.message[0]);
        return 0;
    }
    if (is_object(&claims) && is_object(&doc))
        ask(access, &claims, &doc);
    replica__access_close(access);
    return 0;
}

/* The rules of a file, as they were read. */
#ifndef SERVER_ACCESS_FILE_H
#define SERVER_ACCESS_FILE_H

#include "base/arena.h"
#include "base/json.h"
#include "tools/server/access.h"

enum { REPLICA__FIELDS_MAX = 64 }; /* in one list of fields */

enum replica__rule_kind { REPLICA__RULE_NEVER = 0, REPLICA__RULE_ALWAYS, REPLICA__RULE_ASKED };
struct replica__rule {
    enum replica__rule_kind kind;
    struct replica__json_value selector; /* ASKED */
};
struct replica__rule_field {
    const char *name;
    const char *why; /* it is not written */
};
struct replica__rule_fields {
    struct replica__rule_field *fields;
    size_t n;
};
/* Those of one collection, or ("*") of all that have none. */
struct replica__rule_set {
    const char *name;
    struct replica__rule rules[REPLICA__DEEDS];
    struct replica__rule_fields server_only, read_only;
    const char *reads; /* a JSON array of the fields that reading depends on; NULL: none */
};

struct replica__access {
    struct replica__arena *arena;
    struct replica__rule_set *sets;
    size_t n;                   /* sets[n] allows nothing */
    struct replica__buf claims; /* names of those that rules read, each with a NUL */
    struct replica__rights *rights;
    size_t rights_count;
};

const struct replica__rule_set *replica__access_set(const struct replica__access *access,
                                                    const char *collection);
/* The rights that are kept. */
void replica__access_forget(struct replica__access *access);

#endif

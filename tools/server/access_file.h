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

/* A pattern of addresses, or of keys. */
enum { REPLICA__PATH_CLAIMS = 8 };
struct replica__path_rule {
    const char *pattern; /* with a star in the place of each claim */
    unsigned segments;
    size_t n;
    struct {
        unsigned segment;
        const char *name;
    } claims[REPLICA__PATH_CLAIMS]; /* in the order of their segments, before the first "**" */
};
struct replica__path_rules {
    enum replica__rule_kind kind;
    struct replica__path_rule *items; /* ASKED: any of them */
    size_t n;
};

struct replica__access {
    struct replica__path_rules doors[REPLICA__DOORS];
    struct replica__arena *arena;
    struct replica__rule_set *sets;
    size_t n;                   /* sets[n] allows nothing */
    struct replica__buf claims; /* names of those that rules read, each with a NUL */
    struct replica__rights *rights;
    size_t rights_count;
};

const struct replica__rule_set *replica__access_set(const struct replica__access *access,
                                                    const char *collection);
/* While a file is read. */
struct rules_file {
    const char *name;
    struct replica__access *access;
    replica_error *err;
};
/* Word the error: REPLICA_EINVAL, REPLICA_ENOMEM. */
int replica__rules_bad(const struct rules_file *f, const char *place, const char *what);
int replica__rules_enomem(const struct rules_file *f);
/* Add the name, with a NUL, unless it is there.  < 0: there is no memory. */
int replica__name_note(struct replica__buf *names, const char *name, size_t len);

/* true, false, or a list of patterns; NONE is false.  place: of v in the file. */
int replica__paths_read(const struct rules_file *f, const char *place,
                        struct replica__json_value v, struct replica__path_rules *ret);
/* Is the path allowed to who has these claims? */
bool replica__paths_hold(const struct replica__path_rules *rules, struct replica__json_value claims,
                         const char *path);

/* The rights that are kept. */
void replica__access_forget(struct replica__access *access);

#endif

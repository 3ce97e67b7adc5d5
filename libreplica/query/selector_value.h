/* Tests of single values, for the matcher. */
#ifndef LIBREPLICA_SELECTOR_VALUE_H
#define LIBREPLICA_SELECTOR_VALUE_H

#include "libreplica/query/key_internal.h"
#include "libreplica/query/path.h"
#include "libreplica/query/selector.h"

/* What is looked at in one document. */
struct replica__looking {
    bool bounded;
    int64_t left; /* bytes that may be looked at, if so */
    int r;        /* the error that ended it */
};

/* What tests look at. */
struct replica__seen {
    struct replica__json_value value; /* NONE: missing */
    const struct replica__path *path; /* NULL: an element by itself */
    struct replica__json_value root;  /* where the path starts */
};

struct replica__looking replica__look_begin(size_t len, bool bounded);
/* Another look, at so many bytes.  false: it is one too many, or failed. */
bool replica__look(struct replica__looking *m, size_t bytes);
/* The first error stays.  false. */
bool replica__look_fail(struct replica__looking *m, int r);

bool replica__has_equal(struct replica__looking *m, struct replica__json_value array,
                        struct replica__json_value b);
bool replica__is_eq(struct replica__looking *m, const struct replica__seen *seen,
                    struct replica__json_value b);
bool replica__is_in(struct replica__looking *m, const struct replica__test *t,
                    struct replica__json_value a);
bool replica__is_there(struct replica__looking *m, const struct replica__seen *seen);
bool replica__has_type(unsigned types, struct replica__json_value v);
bool replica__has_size(struct replica__looking *m, struct replica__json_value v, int64_t size);
/* Of one value: what operators ask of each element of an array. */
bool replica__is_one(struct replica__looking *m, const struct replica__test *t,
                     struct replica__json_value v);

#endif

/* The metaschemas of the three drafts, in words of our own: what their keywords may be. */
#ifndef SCHEMA_META_H
#define SCHEMA_META_H

struct replica__meta {
    const char *uri; /* without a fragment */
    const char *json;
};

/* Each ends with a row of NULLs. */
extern const struct replica__meta replica__meta_2020[];
extern const struct replica__meta replica__meta_7[];
extern const struct replica__meta replica__meta_4[];

#endif

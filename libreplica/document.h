/* One state of a document: immutable, one allocation, counted atomically. */
#ifndef LIBREPLICA_DOCUMENT_H
#define LIBREPLICA_DOCUMENT_H

#include "libreplica/db.h"

/* What a document is made of.  Texts are copied. */
struct replica__doc_parts {
    const char *collection;
    const char *id;
    size_t id_len;
    const char *json;
    size_t len;
    bool deleted;
    int64_t sequence; /* 0: not stored here; then there is no revision */
    int64_t height;
    const char *opening; /* token of the revision, without its number */
    const char *writer;  /* NULL: the revision's own */
    int64_t writer_seq;
    const char *bundle;  /* or NULL */
    int64_t stamp;
    int64_t version; /* of the schema, of the text */
};
replica_doc *replica__doc_make(const struct replica__doc_parts *parts); /* NULL: no memory */

/* The same state with another text; NULL: no memory. */
replica_doc *replica__doc_with_text(const replica_doc *doc, const char *json, size_t len,
                                    int64_t version);

static inline void replica__doc_unref_ptr(replica_doc **doc)
{
    replica_doc_unref(*doc);
}
#define REPLICA_DOC __attribute__((cleanup(replica__doc_unref_ptr))) replica_doc *

#endif

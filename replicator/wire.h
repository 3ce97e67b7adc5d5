/* The bodies of both dialects, as text: see docs/protocol.md.
 *
 * Pure functions between bytes and structs, for the HTTP remote, for remotes over other transports,
 * and for the server.  What a decoder returns points into the body that it was given. */
#ifndef REPLICATOR_WIRE_H
#define REPLICATOR_WIRE_H

#include "base/json.h"
#include "replicator/remote.h"

#include <stdbool.h>

enum replica__dialect { REPLICA__DIALECT_RXDB, REPLICA__DIALECT_REPLICA };

#define REPLICA__WIRE_TYPE "application/vnd.libreplica+json"

/* ---- the client's side ----------------------------------------------------------- */

/* Path and query below the base URL, percent-encoded: "/cities/0/pull?lwt=0&id=&limit=1000". */
REPLICA_INTERNAL void replica__wire_pull_path(enum replica__dialect dialect,
                                              const replica_pull_request *request, bool stream,
                                              struct replica__buf *out);
/* The body of a pull that asks for documents by their keys, in our dialect. */
REPLICA_INTERNAL void replica__wire_documents_body(const replica_pull_request *request,
                                                   struct replica__buf *out);
REPLICA_INTERNAL void replica__wire_push_path(enum replica__dialect dialect,
                                              const replica_push_request *request,
                                              struct replica__buf *out);
REPLICA_INTERNAL void replica__wire_push_body(enum replica__dialect dialect,
                                              const replica_push_request *request,
                                              struct replica__buf *out);

/* A decoded body.  Free with replica__wire_page_free(). */
struct replica__wire_page {
    replica_remote_page page;   /* checkpoint and follows: NUL-terminated texts, owned */
    replica_remote_doc *docs;
    struct replica__buf texts;  /* NUL-terminated copies of small things */
};
/* The body of a pull, or of an event.  request tells collections and keys, and with id_count that
 * it is not of a page.  REPLICA_EHTTP: not of that shape; err->offset where. */
REPLICA_INTERNAL int replica__wire_read_page(enum replica__dialect dialect,
                                             const replica_pull_request *request, const char *body,
                                             size_t len, struct replica__wire_page *ret,
                                             replica_error *err);
REPLICA_INTERNAL void replica__wire_page_free(struct replica__wire_page *page);

struct replica__wire_verdicts {
    replica_remote_verdicts answer;
    replica_remote_verdict *verdicts; /* one per row of the request */
    struct replica__buf texts;
};
/* The answer to a push; in RxDB's dialect conflicts are matched to rows by primary key, and a
 * conflict for a row that was never sent is REPLICA_EHTTP. */
REPLICA_INTERNAL int replica__wire_read_verdicts(enum replica__dialect dialect,
                                                 const replica_push_request *request,
                                                 const char *body, size_t len,
                                                 struct replica__wire_verdicts *ret,
                                                 replica_error *err);
REPLICA_INTERNAL void replica__wire_verdicts_free(struct replica__wire_verdicts *v);

/* ---- the server's side ----------------------------------------------------------- */

/* One row of a push, as it came. */
struct replica__wire_row {
    size_t collection;              /* index; 0 in RxDB's dialect */
    struct replica__slice document; /* from '{' to '}' */
    bool deleted;                   /* flag; RxDB's dialect has it in the document */
    struct replica__slice operation; /* len 0: none.  Spelled as in the body, without escapes */
    int64_t stamp;
    struct replica__slice bundle;   /* len 0: none */
    bool firm;                      /* a conflict refuses it */
    struct replica__slice assumed;  /* text; len 0: none */
    bool assumed_deleted;
    struct replica__slice assumed_incarnation; /* len 0: none */
    int64_t assumed_sequence;
    int64_t fence;                  /* 0: none */
};
struct replica__wire_push {
    struct replica__slice collections[64]; /* "name/version", as spelled; no escapes */
    size_t collection_count;
    struct replica__slice client;                  /* len 0: not told */
    struct replica__slice checkpoint_id;
    int64_t checkpoint_lwt;
    struct replica__wire_row *rows;
    size_t n;
};
/* Decode a push's body.  keys are not looked for: rows are scanned by the caller, who knows the
 * collections.  REPLICA_EJSON, REPLICA_ELIMIT (more than max_rows), with offset. */
REPLICA_INTERNAL int replica__wire_read_push(enum replica__dialect dialect, const char *body,
                                             size_t len, size_t max_rows,
                                             const struct replica__json_limits *limits,
                                             struct replica__wire_push *ret, replica_error *err);
REPLICA_INTERNAL void replica__wire_push_free(struct replica__wire_push *push);

#endif

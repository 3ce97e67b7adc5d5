/* Schemas: what a document looks like, and how it grows from one version to the next.
 *
 * JSON Schema, drafts 2020-12 (the default), 7 and 4, by "$schema"; and, for collections, what RxDB
 * adds to it with the same meaning: version, primaryKey (a field, or {key, fields, separator}),
 * indexes, final fields, defaults, ref.  docs/schemas.md lists every keyword.  A schema is compiled
 * once; it is immutable then, counted, and may be used from any thread.  Nothing is ever fetched:
 * schemas that others refer to come from a registry.  The contract of libreplica.h holds. */
#ifndef LIBREPLICA_SCHEMA_H
#define LIBREPLICA_SCHEMA_H

#include <libreplica/libreplica.h>

REPLICA_BEGIN

typedef struct replica_schema replica_schema;     /* compiled */
typedef struct replica_registry replica_registry; /* schemas that others refer to, by URI */

REPLICA_API int replica_registry_new(replica_registry **ret_registry, replica_error *err);
/* The schema under uri, and under each $id in it.  Copied.  REPLICA_EJSON. */
REPLICA_API int replica_registry_add(replica_registry *registry, const char *uri,
                                     const char *json, size_t len, replica_error *err);
REPLICA_API void replica_registry_free(replica_registry *registry); /* NULL is fine */

typedef struct replica_schema_options {
    size_t size;
    const replica_registry *registry; /* read by the compilation only; NULL: no other schemas */
    const char *uri;                  /* where the schema came from; NULL: nowhere */
    unsigned flags;                   /* REPLICA_SCHEMA_... */
} replica_schema_options;
#define REPLICA_SCHEMA_OPTIONS_INIT { sizeof(replica_schema_options), NULL, NULL, 0 }
#define REPLICA_SCHEMA_FORMATS    (1u << 0) /* "format" is an assertion, not only a note */
#define REPLICA_SCHEMA_COLLECTION (1u << 1) /* the schema of a collection, as RxDB has it: version
                                             * and primaryKey must be there */

/* REPLICA_EJSON: no JSON.  REPLICA_ESCHEMA: no schema, a reference that leads nowhere, a pattern
 * that is none; where: the path in the schema.  REPLICA_ENOTSUP: a draft or a vocabulary that is
 * not known; a keyword that is not, in the schema of a collection.  REPLICA_ELIMIT: too large, too
 * deep. */
REPLICA_API int replica_schema_compile(const char *json, size_t len,
                                       const replica_schema_options *opts,
                                       replica_schema **ret_schema, replica_error *err);
REPLICA_API replica_schema *replica_schema_ref(replica_schema *schema);
REPLICA_API replica_schema *replica_schema_unref(replica_schema *schema); /* gives NULL */

/* What is wrong with a value, and where.  Lives for the call. */
typedef struct replica_schema_finding {
    const char *instance; /* JSON pointer into the value: "/tags/0", "" for the whole */
    const char *schema;   /* where the schema says so: a JSON pointer, behind a URI if it is another
                           * schema's */
    const char *keyword;  /* "maxLength" */
    const char *message;  /* one line for people */
    const char *value;    /* the text of the offending value; not NUL-terminated */
    size_t value_len;
} replica_schema_finding;

/* 0: the value is valid.  REPLICA_ESCHEMA: it is not; err tells the first finding (where: its
 * instance path), and fn, if given, gets every one until it returns other than 0.  REPLICA_EJSON:
 * it is no JSON.  REPLICA_ELIMIT: a pattern took too long on it, or it is too deep. */
REPLICA_API int replica_schema_validate(const replica_schema *schema, const char *json, size_t len,
                                        int (*fn)(void *ctx, const replica_schema_finding *finding),
                                        void *ctx, replica_error *err);

/* Of a collection's schema: its version; the field that is the primary key. */
REPLICA_API int replica_schema_version(const replica_schema *schema);
REPLICA_API const char *replica_schema_key(const replica_schema *schema); /* NULL: it has none */

/* ---- migrations ------------------------------------------------------------------- */

/* One step: a document of the version before in, the text of this version out.  It runs on the
 * program's thread: inside the call that reads the document, or inside dispatch; never in a
 * transaction.  It must give the same text for the same document, for it may run again.  Returns
 * REPLICA_MIGRATE_PUT (the text is in out), REPLICA_MIGRATE_KEEP (it is good as it is),
 * REPLICA_MIGRATE_DROP (it is deleted here, and no server is told), or < 0: the document is set
 * aside, with the reason that is in out.  docs/migrations.md says what becomes of what. */
enum { REPLICA_MIGRATE_KEEP = 0, REPLICA_MIGRATE_PUT = 1, REPLICA_MIGRATE_DROP = 2 };
typedef int (*replica_migrate_fn)(void *ctx, replica_doc *doc, replica_text *out);

typedef struct replica_migration {
    int to;                  /* from to - 1 */
    replica_migrate_fn up;
    replica_migrate_fn down; /* the way back, for a server that is still at the version before: a
                              * document of version `to` in, the text of the version before out.
                              * DROP: it has none there, and is not sent.  NULL: such a server is
                              * waited for */
    void *ctx;
} replica_migration;

/* How far it is.  A file can be used while it migrates: a document migrates when it is read or
 * written, and all others in dispatch, in the background. */
typedef struct replica_migration_progress {
    int version;    /* of the collection */
    int64_t left;   /* documents of lower versions that were not looked at yet */
    int64_t failed; /* set aside: see replica_rejected() */
} replica_migration_progress;
REPLICA_API int replica_migration_state(replica_collection *coll,
                                        replica_migration_progress *ret_progress,
                                        replica_error *err);
/* Migrate all that is left, in this call.  REPLICA_EBUSY, REPLICA_EREADONLY. */
REPLICA_API int replica_migration_finish(replica_collection *coll, replica_error *err);

REPLICA_END

#endif

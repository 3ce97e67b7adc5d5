/* Where schemas are: documents, the resources in them, and what their names mean.
 *
 * A document is a text with a schema.  A resource is a schema with a URI of its own: a document's
 * root, and each schema in it with an $id.  An anchor is a name within a resource.  The texts live
 * in the arena, so that a place in a text (the first byte of a value) names a schema. */
#ifndef SCHEMA_SOURCE_H
#define SCHEMA_SOURCE_H

#include "base/arena.h"
#include "base/json.h"
#include "libreplica/schema.h"
#include "schema/map.h"

struct schema_node;

struct schema_document {
    struct replica__json_value root;
    const char *uri; /* "": the schema that is compiled; else findings name it */
};

struct schema_anchor {
    struct schema_anchor *next;
    struct replica__slice name;
    bool dynamic;
    struct replica__json_value value;
    const struct schema_node *node; /* of a dynamic one, once compiled */
};

struct schema_resource {
    struct schema_resource *next; /* of the sources' list */
    struct replica__slice uri;    /* without a fragment; what references are relative to */
    const struct schema_document *doc;
    struct replica__json_value root;
    int draft;
    unsigned vocabularies;
    struct schema_anchor *anchors;
    bool dynamic; /* one of them is */
};

struct schema_sources {
    struct replica__arena *arena;
    const replica_registry *registry;
    struct schema_resource *resources;
    struct replica__map by_uri;   /* hash: a list of URIs */
    struct replica__map by_place; /* of a resource's root */
};
void replica__sources_free(struct schema_sources *s); /* the maps, not the arena */

/* Read a document that passed the gate.  uri: where it came from; outer: the resource that refers
 * to it, whose draft it has if it names none; NULL: it is the one that is compiled.
 * REPLICA_ESCHEMA, _ENOTSUP, _ENOMEM. */
int replica__sources_load(struct schema_sources *s, struct replica__slice text,
                          struct replica__slice uri, const struct schema_resource *outer,
                          struct schema_resource **ret_root, replica_error *err);

/* What ref means within from.  at: the place of the reference, for errors. */
struct schema_target {
    struct replica__json_value value;
    struct schema_resource *resource;
    struct schema_anchor *anchor; /* if it was found by one */
};
int replica__sources_find(struct schema_sources *s, const struct schema_resource *from,
                          struct replica__slice ref, const char *at,
                          struct schema_target *ret_target, replica_error *err);

/* Append the JSON pointer of the value at place in a text. */
void replica__source_pointer(struct replica__json_value root, const char *place,
                             struct replica__buf *out);
/* Append a token of a JSON pointer with its '/'; name as spelled in JSON. */
void replica__source_token(struct replica__slice name, struct replica__buf *out);
/* Append words for an error, which may quote names and values: what would end the line, or is no
 * UTF-8 (because it was cut, or a lone surrogate), is escaped. */
void replica__source_line(const char *text, struct replica__buf *out);
/* A path behind the document's URI, if it has one. */
void replica__source_path(const struct schema_document *doc, const char *place,
                          struct replica__buf *out);
/* Name the place in err; gives code. */
int replica__source_where(const struct schema_document *doc, const char *place, int code,
                          replica_error *err);

/* ---- dialect.c -------------------------------------------------------------------- */

/* The draft and the vocabularies that "$schema" names: one of the three drafts', or the URI of a
 * metaschema in the registry.  REPLICA_ENOTSUP: neither, or one that asks for a vocabulary that is
 * unknown here. */
int replica__dialect(const replica_registry *registry, struct replica__slice uri, int *ret_draft,
                     unsigned *ret_vocabularies, replica_error *err);

/* ---- registry.c ------------------------------------------------------------------- */

/* The document in which a schema with this URI is, and the URI under which it was added.  The
 * metaschemas are always there.  NULL may be given. */
bool replica__registry_find(const replica_registry *registry, struct replica__slice uri,
                            struct replica__slice *ret_text, struct replica__slice *ret_uri);

#endif

/* What "$schema" means. */
#include "base/error.h"
#include "schema/keyword.h"
#include "schema/source.h"
#include "schema/uri.h"

#include <string.h>

/* Metaschemas may have metaschemas. */
enum { MAX_METASCHEMAS = 8 };

static const struct {
    const char *uri; /* behind http:// or https:// */
    int draft;
} drafts[] = {
    { "json-schema.org/draft/2020-12/schema", DRAFT_2020 },
    { "json-schema.org/draft-07/schema", DRAFT_7 },
    { "json-schema.org/draft-04/schema", DRAFT_4 },
};

static const struct {
    const char *name; /* behind VOCABULARIES */
    unsigned vocabulary;
} vocabularies[] = {
    { "core", VOCAB_CORE },
    { "applicator", VOCAB_APPLICATOR },
    { "unevaluated", VOCAB_UNEVALUATED },
    { "validation", VOCAB_VALIDATION },
    { "meta-data", VOCAB_META_DATA },
    { "format-annotation", VOCAB_FORMAT },
    { "format-assertion", VOCAB_FORMAT_ASSERTION },
    { "content", VOCAB_CONTENT },
};
#define VOCABULARIES "https://json-schema.org/draft/2020-12/vocab/"

static bool is_draft(struct replica__slice uri, int *ret_draft)
{
    size_t scheme = uri.len > 5 && uri.data[4] == 's' ? 8 : 7;

    if (uri.len < 8 || memcmp(uri.data, scheme == 8 ? "https://" : "http://", scheme) != 0)
        return false;
    for (size_t i = 0; i < sizeof(drafts) / sizeof(drafts[0]); i++) {
        if (uri.len - scheme == strlen(drafts[i].uri) &&
            memcmp(uri.data + scheme, drafts[i].uri, uri.len - scheme) == 0) {
            *ret_draft = drafts[i].draft;
            return true;
        }
    }
    return false;
}

static unsigned vocabulary_of(struct replica__slice name)
{
    size_t prefix = strlen(VOCABULARIES);

    for (size_t i = 0; i < sizeof(vocabularies) / sizeof(vocabularies[0]); i++) {
        size_t n = strlen(vocabularies[i].name);

        if (name.len == prefix + n && memcmp(name.data, VOCABULARIES, prefix) == 0 &&
            memcmp(name.data + prefix, vocabularies[i].name, n) == 0)
            return vocabularies[i].vocabulary;
    }
    return 0;
}

static int read_vocabularies(struct replica__json_value object, unsigned *ret_vocabularies,
                             replica_error *err)
{
    struct replica__json_iter it = replica__json_iter(object);
    unsigned all = VOCAB_CORE;

    while (replica__json_next(&it)) {
        REPLICA_BUF name = REPLICA_BUF_INIT;
        unsigned one;

        replica__json_unescape(it.name, &name);
        if (name.r < 0)
            return replica__enomem(err);
        one = vocabulary_of((struct replica__slice){ name.data, name.len });
        if (!one && it.value.type == REPLICA_JSON_TRUE)
            return replica__error_set(err, REPLICA_ENOTSUP, 0,
                                      "$vocabulary: '%.200s' is not known here", name.data);
        all |= one;
    }
    *ret_vocabularies = all;
    return 0;
}

int replica__dialect(const replica_registry *registry, struct replica__slice uri, int *ret_draft,
                     unsigned *ret_vocabularies, replica_error *err)
{
    unsigned found = VOCAB_STANDARD;
    bool custom = false;
    int r;

    for (int i = 0; i < MAX_METASCHEMAS; i++) {
        struct replica__slice base;
        struct replica__slice fragment;
        struct replica__slice text;
        struct replica__slice doc_uri;
        struct replica__json_value meta;
        struct replica__json_value v;

        replica__uri_split(uri, &base, &fragment);
        if (fragment.len == 0 && is_draft(base, ret_draft)) {
            *ret_vocabularies = found;
            return 0;
        }
        if (!replica__registry_find(registry, base, &text, &doc_uri))
            break;
        meta = replica__json_value(text.data, text.len);
        v = replica__json_member(meta, "$vocabulary", REPLICA_NUL);
        if (!custom && v.type == REPLICA_JSON_OBJECT) {
            custom = true;
            r = read_vocabularies(v, &found, err);
            if (r < 0)
                return r;
        }
        v = replica__json_member(meta, "$schema", REPLICA_NUL);
        if (v.type != REPLICA_JSON_STRING)
            break;
        uri = (struct replica__slice){ v.text.data + 1, v.text.len - 2 };
    }
    return replica__error_set(err, REPLICA_ENOTSUP, 0,
                              "$schema: '%.*s' is no draft that is known here, and no metaschema "
                              "in the registry",
                              (int)(uri.len < 200 ? uri.len : 200), uri.data);
}

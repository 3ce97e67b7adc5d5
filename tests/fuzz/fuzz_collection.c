/* Schemas of collections: the input is a schema, a line feed, a document, a line feed, and another
 * document.
 *
 * What was filled in is JSON, has all that was there and nothing twice, needs no filling again, and
 * its key agrees with its fields; no document breaks the final fields of itself. */
#include "base/json.h"
#include "schema/collection.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool is_object(const char *text, size_t len)
{
    return replica__json_check(text, len, NULL, NULL) == 0 &&
           replica__json_value(text, len).type == REPLICA_JSON_OBJECT;
}

/* Does each member of doc come first in filled, byte for byte? */
static bool keeps_all(struct replica__json_value doc, struct replica__json_value filled)
{
    struct replica__json_iter a = replica__json_iter(doc);
    struct replica__json_iter b = replica__json_iter(filled);

    while (replica__json_next(&a))
        if (!replica__json_next(&b) || a.name.len != b.name.len ||
            memcmp(a.name.data, b.name.data, a.name.len) != 0 ||
            a.value.text.len != b.value.text.len ||
            memcmp(a.value.text.data, b.value.text.data, a.value.text.len) != 0)
            return false;
    return true;
}

static void fill(const struct replica__collection_schema *s, const char *json, size_t len)
{
    struct replica__json_value doc = replica__json_value(json, len);
    REPLICA_BUF filled = REPLICA_BUF_INIT;
    REPLICA_BUF again = REPLICA_BUF_INIT;
    replica_error err = { 0 };
    int r = replica__collection_schema_fill(s, json, len, &filled, &err);

    if (r <= 0) {
        if (filled.len || (r < 0 && (r != REPLICA_ESCHEMA || err.code != r)))
            abort();
        return;
    }
    if (!is_object(filled.data, filled.len)) /* a name twice would be an error, too */
        abort();
    if (!keeps_all(doc, replica__json_value(filled.data, filled.len)))
        abort();
    if (replica__collection_schema_fill(s, filled.data, filled.len, &again, NULL) != 0)
        abort();
    if (s->key_field_count > 0 &&
        replica__json_member(doc, s->key, REPLICA_NUL).type == REPLICA_JSON_NONE &&
        replica__collection_schema_check_key(s, filled.data, filled.len, NULL) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *text = (const char *)data;
    const char *end = text + len;
    const char *first = len ? memchr(text, '\n', len) : NULL;
    const char *second = first ? memchr(first + 1, '\n', (size_t)(end - first - 1)) : NULL;
    struct replica__collection_schema *s = NULL;
    replica_error err = { 0 };
    int r;

    if (!second || replica__json_check(text, (size_t)(first - text), NULL, NULL) < 0)
        return 0;
    r = replica__collection_schema_parse(text, (size_t)(first - text), &s, &err);
    if (r < 0) {
        if (s || err.code != r || (r != REPLICA_ESCHEMA && r != REPLICA_ENOTSUP))
            abort();
        return 0;
    }
    first++;
    if (is_object(first, (size_t)(second - first))) {
        size_t n = (size_t)(second - first);

        fill(s, first, n);
        if (replica__collection_schema_check_final(s, first, n, first, n, NULL) != 0)
            abort();
        second++;
        if (is_object(second, (size_t)(end - second)))
            replica__collection_schema_check_final(s, first, n, second, (size_t)(end - second),
                                                   NULL);
    }
    replica__collection_schema_free(s);
    return 0;
}

/* Schemas that somebody else wrote, over thousands of documents: Debian's iso-codes (draft 4).
 *
 * Each file is validated whole, then each of its documents alone, and then each once more with a
 * number where a text belongs. */
#include "base/buf.h"
#include "base/json.h"
#include "libreplica/schema.h"
#include "tests/support/test.h"

#include <stdio.h>

#define FOLDER "/usr/share/iso-codes/json/"

static const char *const standards[] = {
    "639-2", "639-3", "639-5", "3166-1", "3166-2", "3166-3", "4217", "15924",
};
enum { STANDARDS = sizeof(standards) / sizeof(standards[0]) };

static void unref(replica_schema **schema)
{
    *schema = replica_schema_unref(*schema);
}
#define SCHEMA __attribute__((cleanup(unref))) replica_schema *

static void read_file(const char *prefix, const char *standard, struct replica__buf *out)
{
    char path[256];
    char block[65536];
    size_t n;
    FILE *f;

    snprintf(path, sizeof(path), FOLDER "%s%s.json", prefix, standard);
    f = fopen(path, "rb");
    if (!f)
        test_skip("no %s: the package iso-codes is not installed", path);
    while ((n = fread(block, 1, sizeof(block), f)) > 0)
        replica__buf_add(out, block, n);
    fclose(f);
    CHECK_INT(out->r, 0);
}

static replica_schema *compiled(const char *text, size_t len)
{
    replica_schema_options o = REPLICA_SCHEMA_OPTIONS_INIT;
    replica_schema *schema = NULL;

    o.flags = REPLICA_SCHEMA_FORMATS;
    CHECK_RC(replica_schema_compile(text, len, &o, &schema, &test_err), 0);
    return schema;
}

static struct replica__json_value at(struct replica__json_value v, const char *name)
{
    v = replica__json_member(v, name, REPLICA_NUL);
    CHECK(v.type != REPLICA_JSON_NONE);
    return v;
}

/* What the schema says of one document, as a schema of its own. */
static replica_schema *compiled_item(struct replica__json_value item)
{
    static const char draft[] = "{\"$schema\":\"http://json-schema.org/draft-04/schema#\",";
    REPLICA_BUF text = REPLICA_BUF_INIT;

    replica__buf_str(&text, draft);
    replica__buf_add(&text, item.text.data + 1, item.text.len - 1);
    CHECK_INT(text.r, 0);
    return compiled(text.data, text.len);
}

static int on_finding(void *ctx, const replica_schema_finding *f)
{
    char *keyword = ctx;

    snprintf(keyword, 64, "%s", f->keyword);
    return 1;
}

/* {"name":7} for the first property, which is a text in all of them. */
static void spoil(struct replica__json_value item, struct replica__buf *patch)
{
    struct replica__json_iter it = replica__json_iter(at(item, "properties"));

    CHECK(replica__json_next(&it));
    replica__buf_str(patch, "{\"");
    replica__buf_add(patch, it.name.data, it.name.len);
    replica__buf_str(patch, "\":7}");
    CHECK_INT(patch->r, 0);
}

static size_t each_document(struct replica__json_value item, struct replica__json_value list)
{
    SCHEMA schema = compiled_item(item);
    REPLICA_BUF patch = REPLICA_BUF_INIT;
    REPLICA_BUF spoiled = REPLICA_BUF_INIT;
    struct replica__json_iter it = replica__json_iter(list);
    size_t n = 0;

    spoil(item, &patch);
    for (; replica__json_next(&it); n++) {
        struct replica__slice doc = it.value.text;
        char keyword[64] = "";

        CHECK_RC(replica_schema_validate(schema, doc.data, doc.len, NULL, NULL, &test_err), 0);
        replica__buf_clear(&spoiled);
        replica__json_merge_patch(doc.data, doc.len, patch.data, patch.len, &spoiled);
        CHECK_INT(spoiled.r, 0);
        CHECK_RC(replica_schema_validate(schema, spoiled.data, spoiled.len, on_finding, keyword,
                                         &test_err), REPLICA_ESCHEMA);
        CHECK_STR(keyword, "type");
    }
    return n;
}

static void whole_file(const char *standard)
{
    REPLICA_BUF schema_text = REPLICA_BUF_INIT;
    REPLICA_BUF text = REPLICA_BUF_INIT;
    SCHEMA schema = NULL;

    read_file("schema-", standard, &schema_text);
    read_file("iso_", standard, &text);
    schema = compiled(schema_text.data, schema_text.len);
    CHECK_RC(replica_schema_validate(schema, text.data, text.len, NULL, NULL, &test_err), 0);
}

TEST(each_file_is_valid_as_a_whole)
{
    for (int i = 0; i < STANDARDS; i++)
        whole_file(standards[i]);
}

TEST(each_document_is_valid_and_a_spoiled_one_is_not)
{
    size_t n = 0;

    for (int i = 0; i < STANDARDS; i++) {
        REPLICA_BUF schema_text = REPLICA_BUF_INIT;
        REPLICA_BUF text = REPLICA_BUF_INIT;
        struct replica__json_value list;

        read_file("schema-", standards[i], &schema_text);
        read_file("iso_", standards[i], &text);
        list = at(at(replica__json_value(schema_text.data, schema_text.len), "properties"),
                  standards[i]);
        n += each_document(at(list, "items"),
                           at(replica__json_value(text.data, text.len), standards[i]));
    }
    CHECK(n > 10000);
}

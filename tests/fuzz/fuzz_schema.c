/* Schemas: the input is a schema, and behind the first newline a value.
 *
 * Whatever they are, nothing crashes and nothing hangs; a verdict is the same when it is asked for
 * again, with a listener, and of a value within a text; a finding's paths lead to something. */
#include "base/json.h"
#include "libreplica/schema.h"
#include "schema/validate.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct look {
    struct replica__json_value value;
    int findings;
};

/* Follow the instance path to the offending value. */
static int on_finding(void *ctx, const replica_schema_finding *f)
{
    struct look *look = ctx;
    const char *start = look->value.text.data;

    look->findings++;
    if (!f->message || !f->schema || !f->keyword || (f->instance[0] && f->instance[0] != '/'))
        abort();
    if (f->value_len == 0 || f->value < start ||
        f->value + f->value_len > start + look->value.text.len)
        abort();
    if (f->instance[0] == '\0' && f->value != start)
        abort();
    return look->findings == 1000;
}

static void validate(const replica_schema *schema, const char *text, size_t len)
{
    struct look look = { .findings = 0 };
    replica_error err = { 0 };
    int r = replica_schema_validate(schema, text, len, NULL, NULL, &err);
    int again;

    if (r == REPLICA_EJSON)
        return;
    if (r != 0 && r != REPLICA_ESCHEMA && r != REPLICA_ELIMIT)
        abort();
    if (r != 0 && (err.code != r || err.message[0] == '\0'))
        abort();
    if (r == REPLICA_ELIMIT)
        return; /* where it stops may depend on who listens */
    look.value = replica__json_value(text, len);
    again = replica__schema_validate_value(schema, look.value, on_finding, &look, NULL);
    if (again == REPLICA_ELIMIT)
        return;
    if (again != r || (look.findings > 0) != (r == REPLICA_ESCHEMA))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *text = (const char *)data;
    const char *newline = len ? memchr(text, '\n', len) : NULL;
    size_t schema_len = newline ? (size_t)(newline - text) : len;
    replica_schema_options opts = REPLICA_SCHEMA_OPTIONS_INIT;
    replica_schema *schema = NULL;
    replica_error err = { 0 };
    int r;

    opts.flags = REPLICA_SCHEMA_FORMATS;
    r = replica_schema_compile(text, schema_len, &opts, &schema, &err);
    if (r != 0) {
        if (schema || err.code != r || err.message[0] == '\0')
            abort();
        return 0;
    }
    if (newline)
        validate(schema, newline + 1, len - schema_len - 1);
    replica_schema_unref(schema);
    return 0;
}

/* Schemas: validation of city documents that passed the gate, beside the gate itself. */
#include "base/json.h"
#include "schema/validate.h"
#include "tests/bench/bench.h"

#define DOCS 100000
#define COMPILATIONS 10000

static const char city_schema[] =
    "{\"version\":0,\"primaryKey\":\"id\",\"type\":\"object\",\"properties\":{"
    "\"id\":{\"type\":\"string\",\"maxLength\":7},"
    "\"name\":{\"type\":\"string\",\"minLength\":1},"
    "\"lat\":{\"type\":\"number\",\"minimum\":-90,\"maximum\":90},"
    "\"lng\":{\"type\":\"number\",\"minimum\":-180,\"maximum\":180},"
    "\"country\":{\"type\":\"string\",\"minLength\":2,\"maxLength\":2},"
    "\"admin1\":{\"type\":\"string\"},"
    "\"admin2\":{\"type\":\"string\"},"
    "\"path\":{\"type\":\"string\",\"maxLength\":200},"
    "\"visits\":{\"type\":\"integer\",\"minimum\":0},"
    "\"tags\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"uniqueItems\":true}},"
    "\"required\":[\"id\",\"name\",\"country\",\"lat\",\"lng\"]}";

struct sides {
    const struct bench_doc *docs;
    replica_schema *schema;
};

static double per_second(int64_t started, int n)
{
    return n * 1e6 / (double)(bench_now_us() - started);
}

static double validate(void *ctx, int round)
{
    struct sides *s = ctx;
    int64_t started = bench_now_us();
    replica_error err = { 0 };

    for (int i = 0; i < DOCS; i++) {
        const struct replica__json_value v = replica__json_value(s->docs[i].text, s->docs[i].len);

        bench_ok(replica__schema_validate_value(s->schema, v, NULL, NULL, &err), &err, "validate");
    }
    return per_second(started, DOCS);
}

static double gate(void *ctx, int round)
{
    struct sides *s = ctx;
    int64_t started = bench_now_us();
    replica_error err = { 0 };

    for (int i = 0; i < DOCS; i++)
        bench_ok(replica__json_check(s->docs[i].text, s->docs[i].len, NULL, &err), &err, "check");
    return per_second(started, DOCS);
}

static double compile(void *ctx, int round)
{
    int64_t started = bench_now_us();
    replica_error err = { 0 };

    for (int i = 0; i < COMPILATIONS; i++) {
        replica_schema *schema = NULL;

        bench_ok(replica_schema_compile(city_schema, REPLICA_NUL, NULL, &schema, &err), &err,
                 "compile");
        replica_schema_unref(schema);
    }
    return per_second(started, COMPILATIONS);
}

int main(void)
{
    replica_schema_options opts = REPLICA_SCHEMA_OPTIONS_INIT;
    struct sides s = { .docs = bench_cities(DOCS) };
    replica_error err = { 0 };

    bench_ok(replica_schema_compile(city_schema, REPLICA_NUL, &opts, &s.schema, &err), &err,
             "compile");
    bench_start("schemas, and the gate");
    bench_compare("validate a city document", "documents/s", validate, gate, &s);
    bench_compare("compile its schema", "schemas/s", compile, NULL, &s);
    replica_schema_unref(s.schema);
    return 0;
}

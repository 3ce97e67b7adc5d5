/* The bare program: "bare serve FILE", "bare fill FILE N" with the first N city documents, and what
 * bare_client.c says. */
#include "tests/bench/bare.h"

#include "tests/bench/bench.h"

#include <stdlib.h>
#include <string.h>

static int fill(const char *path, int n)
{
    const struct bench_doc *docs = bench_cities((size_t)n);
    struct bare_table table;

    bare_open(&table, path, false);
    bare_begin(&table);
    for (int i = 0; i < n; i++)
        bare_put(&table, docs[i].id, 7, docs[i].text, docs[i].len);
    bare_commit(&table);
    bare_close(&table);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        return bare_serve(argv[2]);
    if (argc == 4 && strcmp(argv[1], "fill") == 0)
        return fill(argv[2], atoi(argv[3]));
    if (argc >= 4)
        return bare_client(argc, argv);
    bench_fail("usage: bare serve FILE | fill FILE N | pull URL FILE | push URL FILE"
               " | live URL FILE OTHER N");
}

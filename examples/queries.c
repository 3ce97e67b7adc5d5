/* A catalogue that knows what its documents look like, answers questions, and keeps an answer up to
 * date while it changes.
 *
 *     queries [FILE]     (without a file: in memory) */
#include <libreplica/libreplica.h>

#include <stdio.h>
#include <stdlib.h>

static replica_error err;

static void need(int r)
{
    if (r < 0) {
        fprintf(stderr, "queries: %s\n", err.message);
        exit(1);
    }
}

/* As RxDB has it: the same text can be used on both sides. */
static const char schema[] =
    "{\"title\": \"book\", \"version\": 0, \"primaryKey\": \"isbn\", \"type\": \"object\","
    " \"properties\": {"
    "   \"isbn\": {\"type\": \"string\", \"maxLength\": 13},"
    "   \"title\": {\"type\": \"string\", \"minLength\": 1},"
    "   \"author\": {\"type\": \"string\", \"maxLength\": 100},"
    "   \"year\": {\"type\": \"integer\"},"
    "   \"lent\": {\"type\": \"boolean\", \"default\": false}},"
    " \"required\": [\"isbn\", \"title\", \"author\"],"
    " \"indexes\": [[\"author\", \"year\"]]}";

static const char *const books[] = {
    "{\"isbn\":\"9780131103627\",\"title\":\"The C Programming Language\",\"author\":\"Ritchie\","
    "\"year\":1988}",
    "{\"isbn\":\"9780201896831\",\"title\":\"Fundamental Algorithms\",\"author\":\"Knuth\","
    "\"year\":1997}",
    "{\"isbn\":\"9780201896855\",\"title\":\"Sorting and Searching\",\"author\":\"Knuth\","
    "\"year\":1998}",
};

static const char on_the_shelf[] =
    "{\"selector\": {\"lent\": false}, \"sort\": [{\"title\": \"asc\"}]}";

static void on_shelf(void *ctx, replica_live *live, const replica_live_change *changes, size_t n,
                     const replica_error *failure)
{
    static const char *const what[] = { "", "added", "changed", "moved", "removed" };

    (void)ctx;
    if (failure)
        printf("live: %s\n", failure->message);
    for (size_t i = 0; i < n; i++)
        printf("%-8s %s\n", what[changes[i].what], replica_doc_json(changes[i].doc, NULL));
    printf("%zu on the shelf\n", replica_live_count(live));
}

static void ask(replica_collection *coll, const char *query)
{
    replica_cursor *found = NULL;
    replica_doc *doc = NULL;
    replica_plan plan;
    int r;

    need(replica_explain(coll, query, REPLICA_NUL, &plan, &err));
    printf("%s\n%s\n", query, plan.text);
    need(replica_find(coll, query, REPLICA_NUL, &found, &err));
    while ((r = replica_cursor_next(found, &doc, &err)) > 0)
        printf("         %s\n", replica_doc_json(doc, NULL));
    need(r);
    replica_cursor_close(found);
}

int main(int argc, char **argv)
{
    replica_collection_options opts = REPLICA_COLLECTION_OPTIONS_INIT;
    replica_db *db = NULL;
    replica_collection *coll = NULL;

    opts.schema_json = schema;
    need(replica_db_open(argc > 1 ? argv[1] : ":memory:", NULL, &db, &err));
    need(replica_db_collection(db, "books", &opts, &coll, &err));
    for (size_t i = 0; i < sizeof books / sizeof books[0]; i++)
        need(replica_upsert(coll, books[i], REPLICA_NUL, NULL, &err));

    /* What breaks the schema is refused, and the error says where. */
    if (replica_upsert(coll, "{\"isbn\":\"1\",\"title\":\"\",\"author\":\"?\"}", REPLICA_NUL, NULL,
                       &err) == REPLICA_ESCHEMA)
        printf("refused  %s: %s\n", err.where, err.message);

    need(replica_index_wait(coll, &err)); /* else it is built in dispatch, bit by bit */
    ask(coll, "{\"selector\": {\"author\": \"Knuth\"}, \"sort\": [{\"author\": \"asc\"},"
              " {\"year\": \"asc\"}], \"fields\": [\"title\"]}");

    need(replica_live_start(coll, on_the_shelf, REPLICA_NUL, on_shelf, NULL, NULL, NULL, &err));
    while (replica_db_wait(db, 0, &err) > 0)
        continue;
    need(replica_patch(coll, "9780201896831", "{\"lent\":true}", REPLICA_NUL, REPLICA_ANY_REV, NULL,
                       NULL, &err));
    while (replica_db_wait(db, 0, &err) > 0)
        continue;
    replica_db_close(db);
    return 0;
}

/* Many writes, each judged by itself. */
#include "base/buf.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdlib.h>

TEST(each_row_of_a_bulk_has_its_own_result)
{
    STORE s = store_with("{\"id\":\"a\",\"n\":1}");
    char revs[3][REPLICA_REV_SIZE];
    replica_bulk_row rows[] = {
        { .json = "{\"id\":\"b\"}", .len = REPLICA_NUL, .rev = revs[0] },
        { .json = "{\"id\":\"a\"}", .len = REPLICA_NUL, .rev = revs[1] },
        { .json = "{\"id\":\"c\",\"n\":01}", .len = REPLICA_NUL },
        { .json = "{\"id\":\"a\",\"n\":2}", .len = REPLICA_NUL, .base_rev = "*", .rev = revs[2] },
        { .id = "a", .base_rev = "*" },
        { .id = "nobody", .base_rev = "*" },
        { .id = "b" },
        { 0 },
        { .json = "{\"id\":\"d\",\"_x\":1}", .len = REPLICA_NUL },
    };

    CHECK_RC(replica_bulk(s.coll, rows, 9, &test_err), 5);
    CHECK_INT(test_err.code, REPLICA_ECONFLICT); /* the first row that failed */
    CHECK_STR(test_err.where, "notes/a");
    CHECK_RC(rows[0].code, 0);
    CHECK_RC(rows[1].code, REPLICA_ECONFLICT);
    CHECK_RC(rows[2].code, REPLICA_EJSON);
    CHECK_INT(rows[2].offset, 15);
    CHECK_RC(rows[3].code, 0);
    CHECK_RC(rows[4].code, 0);
    CHECK_RC(rows[5].code, 0);
    CHECK_RC(rows[6].code, REPLICA_EINVAL);
    CHECK_RC(rows[7].code, REPLICA_EINVAL);
    CHECK_RC(rows[8].code, REPLICA_EJSON);
    CHECK_INT(rows[8].offset, 11);
    CHECK_INT(rows[0].offset, -1);
    CHECK_STR(revs[0], store_rev(&s, "b"));
    CHECK_STR(revs[1], "");
    CHECK(strncmp(revs[2], "2-", 2) == 0);
    CHECK(!store_json(&s, "a"));
    CHECK(!store_json(&s, "c"));
}

TEST(a_bulk_of_nothing_is_nothing)
{
    STORE s = store_empty();

    CHECK_RC(replica_bulk(s.coll, NULL, 0, &test_err), 0);
    CHECK_RC(replica_bulk(s.coll, NULL, 1, &test_err), REPLICA_EINVAL);
    CHECK_RC(replica_bulk(NULL, NULL, 0, &test_err), REPLICA_EINVAL);
}

TEST(a_large_bulk_goes_through_several_transactions)
{
    enum { N = 5000 };
    STORE s = store_empty();
    replica_bulk_row *rows = calloc(N, sizeof *rows);
    struct replica__buf *texts = calloc(N, sizeof *texts);
    int64_t n = 0;

    for (int i = 0; i < N; i++) {
        replica__buf_printf(&texts[i], "{\"id\":\"k%d\"}", i);
        rows[i] = (replica_bulk_row){ .json = texts[i].data, .len = texts[i].len };
    }
    CHECK_RC(replica_bulk(s.coll, rows, N, &test_err), 0);
    CHECK_RC(replica_collection_count(s.coll, &n, &test_err), 0);
    CHECK_INT(n, N);
    CHECK_RC(replica_bulk(s.coll, rows, N, &test_err), N); /* all are there now */
    CHECK_RC(rows[N - 1].code, REPLICA_ECONFLICT);
    for (int i = 0; i < N; i++)
        replica__buf_free(&texts[i]);
    free(texts);
    free(rows);
    store_sound(&s);
}

TEST(a_bulk_into_a_read_only_database_tries_no_row)
{
    replica_db_options opts = REPLICA_DB_OPTIONS_INIT;
    replica_bulk_row rows[] = { { .json = "{\"id\":\"b\"}", .len = REPLICA_NUL } };

    STORE s = store_with("{\"id\":\"a\"}");
    opts.flags = REPLICA_DB_READ_ONLY;
    STORE reader = store_open(s.path, &opts);
    CHECK_RC(replica_bulk(reader.coll, rows, 1, &test_err), REPLICA_EREADONLY);
    CHECK_RC(rows[0].code, REPLICA_ECANCELLED);
}

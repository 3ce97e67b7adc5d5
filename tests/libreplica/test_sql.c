/* The statements: each has a text, SQLite takes it, and integers are bound in their order. */
#include "libreplica/db.h"
#include "libreplica/statements/tables.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

TEST(each_statement_has_its_text_in_one_table)
{
    static const char *const *const tables[] = {
        replica__statements_documents, replica__statements_beside, replica__statements_states,
        replica__statements_replications, replica__statements_upkeep,
    };

    for (int which = 0; which < REPLICA__SQL_COUNT; which++) {
        int found = 0;

        for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
            found += tables[i][which] != NULL;
        CHECK_INT(found, 1);
    }
}

TEST(each_statement_fits_a_new_file)
{
    STORE s = store_empty();

    store_prepare(s.db);
    for (int which = 0; which < REPLICA__SQL_COUNT; which++)
        CHECK(s.db->statements[which]);
}

TEST(integers_are_bound_in_their_order_and_a_row_is_said)
{
    STORE s = store_empty();
    REPLICA_STMT stmt = NULL;

    store_put(&s, "{\"id\":\"a\"}");
    store_put(&s, "{\"id\":\"b\"}");
    CHECK_RC(replica__sql_run(s.db, REPLICA__SQL_DOC_FEED_BEYOND, &test_err, 1, 0, 1), 1);
    CHECK_RC(replica__sql_run(s.db, REPLICA__SQL_DOC_FEED_BEYOND, &test_err, 1, 1, 1), 0);
    CHECK_RC(replica__sql_row(s.db, REPLICA__SQL_DOC_FEED_KEYS, &stmt, &test_err, 1, 1, 5), 1);
    CHECK_INT(sqlite3_column_int64(stmt, 0), 2);
    CHECK_RC(replica__sql_step(s.db, stmt, SQLITE_OK, &test_err), 0);
    replica__sql_reset(&stmt);
    CHECK_RC(replica__sql_row(s.db, REPLICA__SQL_HEAD, &stmt, &test_err), 1);
    CHECK_INT(sqlite3_column_int64(stmt, 0), 2);
}

TEST(more_integers_than_a_statement_takes_are_refused)
{
    STORE s = store_empty();
    REPLICA_STMT stmt = NULL;

    CHECK_RC(replica__sql_with(s.db, REPLICA__SQL_COLL_NAME, &stmt, &test_err, 1, 2), REPLICA_EIO);
    replica__sql_reset(&stmt);
    CHECK_RC(replica__sql_run(s.db, REPLICA__SQL_COLL_NAME, &test_err, 1, 2), REPLICA_EIO);
    CHECK_RC(replica__sql_run(s.db, REPLICA__SQL_COLL_NAME, &test_err, 1), 1);
}

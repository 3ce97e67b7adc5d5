/* The statements: each has a text, and SQLite takes it. */
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

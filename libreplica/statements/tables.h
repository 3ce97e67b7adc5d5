/* The texts of the statements, a table for each file of them.  For sql.c only, and the test that no
 * statement lacks its text. */
#ifndef LIBREPLICA_STATEMENT_TABLES_H
#define LIBREPLICA_STATEMENT_TABLES_H

#include "libreplica/statements/names.h"

/* NULL where the text stands in another table. */
extern const char *const replica__statements_documents[REPLICA__SQL_COUNT];
extern const char *const replica__statements_beside[REPLICA__SQL_COUNT];
extern const char *const replica__statements_states[REPLICA__SQL_COUNT];
extern const char *const replica__statements_replications[REPLICA__SQL_COUNT];
extern const char *const replica__statements_upkeep[REPLICA__SQL_COUNT];

#endif

/* The data of the demo: the code tables of Debian's iso-codes, a collection for each. */
#ifndef EXAMPLES_DEMO_TABLES_H
#define EXAMPLES_DEMO_TABLES_H

#include <libreplica/libreplica.h>

#define TABLES 8

struct table {
    const char *name; /* of the collection */
    const char *key;  /* its primary key */
    const char *file; /* in the folder of the tables */
};

extern const struct table tables[TABLES];

/* Open the table's collection, created with its key and with the merging handler. */
int table_open(const struct table *table, replica_db *db, replica_collection **ret_coll,
               replica_error *err);

/* The rows of a table as they stand in its file, each a text of its own without line breaks. */
struct rows {
    char *text; /* of the whole file */
    const char **json;
    size_t count;
};
int rows_read(const struct table *table, const char *folder, struct rows *ret_rows,
              replica_error *err);
void rows_free(struct rows *rows); /* NULL is fine inside */

#endif

/* A program outside the tree: it sees the installed headers and libraries, and nothing else. */
#include <replicator/replicator.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
    replica_db *db = NULL;
    replica_collection *notes = NULL;
    replica_doc *doc = NULL;
    replica_error err;
    int failed = 1;

    if (replica_db_open("notes.db", NULL, &db, &err) == 0 &&
        replica_db_collection(db, "notes", NULL, &notes, &err) >= 0 &&
        replica_put(notes, "{\"id\":\"n1\"}", REPLICA_NUL, NULL, NULL, NULL, &err) == 0 &&
        replica_get(notes, "n1", &doc, &err) == 1)
        failed = strcmp(replica_doc_json(doc, NULL), "{\"id\":\"n1\"}") != 0;
    else
        printf("%s: %s\n", err.where, err.message);
    /* Of libreplicator, which must be there too. */
    if (!failed && replica_sync_remove(db, "none", &err) != 0)
        failed = 1;
    replica_doc_unref(doc);
    replica_db_close(db);
    return failed;
}

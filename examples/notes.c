#include <replicator/replicator.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    replica_error err = { 0 };
    replica_db *db = NULL;
    replica_collection *notes = NULL;
    replica_sync *sync = NULL;
    replica_sync_options opts = REPLICA_SYNC_OPTIONS_INIT;
    const char *note = "{\"id\":\"n1\",\"text\":\"written without a network\"}";
    int in_sync = -1;

    opts.url = argc > 1 ? argv[1] : "http://127.0.0.1:8080/notes/0";
    opts.collections = &notes;
    opts.collection_count = 1;
    if (replica_db_open("notes.db", NULL, &db, &err) >= 0 &&
        replica_db_collection(db, "notes", NULL, &notes, &err) >= 0 &&
        replica_upsert(notes, note, REPLICA_NUL, NULL, &err) >= 0 &&
        replica_sync_start(db, &opts, &sync, &err) >= 0)
        in_sync = replica_sync_wait_in_sync(sync, 3000, &err);
    puts(in_sync > 0 ? "on the server" : in_sync == 0 ? "kept until there is one" : err.message);
    replica_sync_cancel(sync);
    replica_db_close(db);
}

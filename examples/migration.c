/* One program in two versions.  Version 1 writes notes; version 2 wants to know whether they are
 * done, and brings what version 1 wrote up: when it is read, and in the background.
 *
 *     migration 1 FILE
 *     migration 2 FILE */
#include <libreplica/libreplica.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static replica_error err;

static void need(int r)
{
    if (r < 0) {
        fprintf(stderr, "migration: %s\n", err.message);
        exit(1);
    }
}

/* From version 1 to version 2: {"id":"a","text":"..."} gets "done":false as its last member.  It
 * may run more than once for a document, and in any order: it looks at nothing else. */
static int add_done(void *ctx, replica_doc *doc, replica_text *out)
{
    size_t len;
    const char *json = replica_doc_json(doc, &len);

    (void)ctx;
    if (strstr(json, "\"text\":\"\""))
        return REPLICA_MIGRATE_DROP; /* empty notes were a mistake */
    if (!strstr(json, "\"text\":")) {
        replica_text_add(out, "this is no note", REPLICA_NUL);
        return -1;                   /* it stays as it is, and is listed as set aside */
    }
    while (json[len - 1] != '}')
        len--;
    replica_text_add(out, json, len - 1);
    replica_text_add(out, ",\"done\":false}", REPLICA_NUL);
    return REPLICA_MIGRATE_PUT;
}

static replica_collection *open_notes(replica_db *db, int version)
{
    const replica_migration steps[] = { { .to = 2, .up = add_done } };
    replica_collection_options opts = REPLICA_COLLECTION_OPTIONS_INIT;
    replica_collection *notes = NULL;

    opts.version = version;
    if (version == 2) {
        opts.migrations = steps;
        opts.migration_count = 1;
    }
    need(replica_db_collection(db, "notes", &opts, &notes, &err));
    return notes;
}

static void version_1(replica_collection *notes)
{
    static const char *const texts[] = {
        "{\"id\":\"milk\",\"text\":\"buy it\"}",
        "{\"id\":\"empty\",\"text\":\"\"}",
        "{\"id\":\"odd\",\"number\":1}",
        "{\"id\":\"tea\",\"text\":\"make it\"}",
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        need(replica_upsert(notes, texts[i], REPLICA_NUL, NULL, &err));
    printf("4 notes of version %d\n", replica_collection_version(notes));
}

static int show_rejected(void *ctx, const replica_rejected_entry *e)
{
    (void)ctx;
    printf("set aside: %s\n", e->reason);
    return 0;
}

static void version_2(replica_db *db, replica_collection *notes)
{
    replica_migration_progress progress;
    replica_cursor *cursor = NULL;
    replica_doc *doc = NULL;
    int r;

    need(replica_migration_state(notes, &progress, &err));
    printf("%lld to migrate\n", (long long)progress.left);

    /* What is read has risen, */
    need(replica_get(notes, "tea", &doc, &err));
    printf("%s\n", replica_doc_json(doc, NULL));
    replica_doc_unref(doc);

    /* and the rest rises in the loop that the program has anyway. */
    while (progress.left > 0) {
        need(replica_db_wait(db, 100, &err));
        need(replica_migration_state(notes, &progress, &err));
    }
    need(replica_all(notes, NULL, &cursor, &err));
    while ((r = replica_cursor_next(cursor, &doc, &err)) > 0)
        printf("%s\n", replica_doc_json(doc, NULL));
    need(r);
    replica_cursor_close(cursor);
    need(replica_rejected(db, notes, show_rejected, NULL, &err));
}

int main(int argc, char **argv)
{
    int version = argc == 3 ? atoi(argv[1]) : 0;
    replica_db *db = NULL;
    replica_collection *notes;

    if (version != 1 && version != 2) {
        fprintf(stderr, "usage: migration 1|2 FILE\n");
        return 2;
    }
    need(replica_db_open(argv[2], NULL, &db, &err));
    notes = open_notes(db, version);
    if (version == 1)
        version_1(notes);
    else
        version_2(db, notes);
    replica_db_close(db);
    return 0;
}

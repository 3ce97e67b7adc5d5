/* The store by itself: write, read, notice conflicts, change what others may change too, write
 * several documents as one, and hear of every change.
 *
 *     crud [FILE]     (without a file: in memory) */
#include <libreplica/libreplica.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static replica_error err;

static void need(int r)
{
    if (r < 0) {
        fprintf(stderr, "crud: %s\n", err.message);
        exit(1);
    }
}

static void show(const char *what, replica_doc *doc)
{
    printf("%-10s %s %s\n", what, replica_doc_rev(doc), replica_doc_json(doc, NULL));
}

static void on_change(void *ctx, const replica_change *change)
{
    (void)ctx;
    printf("%-10s %s%s\n", "changed", replica_doc_id(change->doc),
           replica_doc_deleted(change->doc) ? " (deleted)" : "");
}

/* Called with the newest state, and again if somebody was faster: it must not do anything else. */
static int mark_done(void *ctx, replica_doc *current, replica_text *out)
{
    (void)ctx;
    if (!current)
        return REPLICA_MODIFY_KEEP;
    replica_text_add(out, "{\"id\":\"milk\",\"done\":true}", REPLICA_NUL);
    return REPLICA_MODIFY_PUT;
}

static void one_document(replica_collection *todo)
{
    const char *late = "{\"id\":\"milk\",\"text\":\"two bottles\"}";
    replica_doc *first = NULL, *second = NULL, *stored = NULL;

    need(replica_put(todo, "{\"id\":\"milk\",\"text\":\"buy it\"}", REPLICA_NUL, NULL, &first, NULL,
                     &err));
    show("put", first);
    need(replica_patch(todo, "milk", "{\"shop\":\"corner\"}", REPLICA_NUL, REPLICA_ANY_REV, &second,
                       NULL, &err));
    show("patched", second);

    /* A write names the revision that it started from; this one is late, and nothing is lost. */
    if (replica_put(todo, late, REPLICA_NUL, replica_doc_rev(first), NULL, &stored, &err) ==
        REPLICA_ECONFLICT)
        show("conflict", stored);

    need(replica_modify(todo, "milk", mark_done, NULL, NULL, &err));
    replica_doc_unref(first);
    replica_doc_unref(second);
    replica_doc_unref(stored);
}

/* Both or neither, here and on the server. */
static void several_documents(replica_db *db, replica_collection *todo)
{
    replica_bundle *bundle = NULL;

    need(replica_bundle_begin(db, &bundle, &err));
    need(replica_bundle_put(bundle, todo, "{\"id\":\"bread\"}", REPLICA_NUL, NULL, &err));
    need(replica_bundle_put(bundle, todo, "{\"id\":\"butter\"}", REPLICA_NUL, NULL, &err));
    need(replica_bundle_delete(bundle, todo, "milk", REPLICA_ANY_REV, &err));
    need(replica_bundle_commit(bundle, NULL, &err));
}

static void list(replica_collection *todo)
{
    replica_cursor *cursor = NULL;
    replica_doc *doc = NULL;
    int r;

    need(replica_all(todo, NULL, &cursor, &err));
    while ((r = replica_cursor_next(cursor, &doc, &err)) > 0)
        show("stored", doc);
    need(r);
    replica_cursor_close(cursor);
}

int main(int argc, char **argv)
{
    replica_db *db = NULL;
    replica_collection *todo = NULL;

    need(replica_db_open(argc > 1 ? argv[1] : ":memory:", NULL, &db, &err));
    need(replica_db_collection(db, "todo", NULL, &todo, &err));
    need(replica_observe(todo, on_change, NULL, NULL, NULL, &err));
    one_document(todo);
    several_documents(db, todo);
    list(todo);
    while (replica_db_wait(db, 0, &err) > 0) /* callbacks run here, and nowhere else */
        continue;
    replica_db_close(db);
    return 0;
}

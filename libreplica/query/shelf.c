#include "libreplica/query/shelf.h"

#include "libreplica/document.h"

#define SLOTS 1024
#define LARGEST 2048 /* bytes of text: all together 2 MB at most */

struct replica__shelf {
    struct {
        int64_t number;
        replica_doc *doc;
    } slots[SLOTS];
};

replica_doc *replica__shelf_find(const replica_db *db, int64_t number, int64_t sequence,
                                 int64_t version)
{
    replica_doc *doc;

    if (!db->shelf || db->shelf->slots[number % SLOTS].number != number)
        return NULL;
    doc = db->shelf->slots[number % SLOTS].doc;
    if (replica_doc_sequence(doc) != sequence || replica__doc_version(doc) != version)
        return NULL;
    return doc;
}

void replica__shelf_keep(replica_db *db, int64_t number, replica_doc *doc)
{
    size_t len;

    replica_doc_json(doc, &len);
    if (len > LARGEST || number <= 0)
        return;
    if (!db->shelf)
        db->shelf = replica__alloc_zero(1, sizeof *db->shelf);
    if (!db->shelf)
        return;
    replica_doc_unref(db->shelf->slots[number % SLOTS].doc);
    db->shelf->slots[number % SLOTS].number = number;
    db->shelf->slots[number % SLOTS].doc = replica_doc_ref(doc);
}

void replica__shelf_free(replica_db *db)
{
    for (int i = 0; db->shelf && i < SLOTS; i++)
        replica_doc_unref(db->shelf->slots[i].doc);
    replica__free(db->shelf);
    db->shelf = NULL;
}

/* Documents that queries gave lately, so that the next query gives them again without reading or
 * copying them.
 *
 * A sequence number names one state of one document for ever, so what stands here is never wrong;
 * it is passed over where the stored document has another number, or another schema version.  A
 * slot for each number's last digits; larger documents are not kept. */
#ifndef LIBREPLICA_SHELF_H
#define LIBREPLICA_SHELF_H

#include "libreplica/db.h"

/* Borrowed until the next keep; NULL: it is not here. */
replica_doc *replica__shelf_find(const replica_db *db, int64_t number, int64_t sequence,
                                 int64_t version);
/* Whole documents only, as they are stored.  Without memory nothing is kept. */
void replica__shelf_keep(replica_db *db, int64_t number, replica_doc *doc);
void replica__shelf_free(replica_db *db);

#endif

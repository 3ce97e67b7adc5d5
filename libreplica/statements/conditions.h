/* Conditions that several statements ask in the same words.  For the tables of statements only.
 *
 * `d` is the document, and `s` its row of state in the replication that asks; or there is none. */
#ifndef LIBREPLICA_CONDITIONS_H
#define LIBREPLICA_CONDITIONS_H

/* A dirty document, for a feed: not clean as it is stored, nor waiting for anything else. */
#define PUSHABLE \
    "(s.doc IS NULL OR ((s.clean_seq IS NULL OR s.clean_seq <> d.seq) AND s.unsettled IS NULL" \
    " AND s.sent_seq IS NULL AND s.todo IS NULL AND (s.aside_seq IS NULL OR s.aside_seq <> d.seq)))"

/* The server has, or may have, a live state of the document that is stored here as another one. */
#define KNOWN \
    "(s.sent_seq IS NOT NULL OR s.lost_seq IS NOT NULL OR EXISTS(SELECT 1 FROM kept b" \
    "  WHERE b.id = s.base AND b.flags & 1 = 0))"

/* The replication is about the document: its key is of the pattern, and it matches the filter, or
 * the server is to be told that it does so no more. */
#define OF(keys, filter) \
    "(CASE WHEN " keys " IS NULL THEN 1 ELSE replica_in_keys(" keys ", d.id) END AND CASE" \
    " WHEN " filter " IS NULL OR " KNOWN " THEN 1 ELSE replica_match(" filter ", d.body) END)"
#define OF_REPLICATION(id) \
    OF("(SELECT keys FROM replication WHERE id = " id ")", \
       "(SELECT filter FROM replication WHERE id = " id ")")

/* The document is of this version; a deletion has no need to. */
#define RISEN(version) "(d.version >= " version " OR d.flags & 1)"

#endif

/* What is asked while documents rise to a version, and before the deleted ones are purged. */
#include "libreplica/statements/conditions.h"
#include "libreplica/statements/tables.h"

/* The state `d` is in step in every replication that was seen after `since`, and not set aside. */
#define PASSED(since) \
    "NOT EXISTS (SELECT 1 FROM replication_collection rc JOIN replication r" \
    "  ON r.id = rc.replication LEFT JOIN state s ON s.doc = d.number AND s.replication = r.id" \
    "  WHERE rc.coll = d.coll AND r.seen >= " since " AND " OF("r.keys", "r.filter") \
    "  AND (s.doc IS NULL OR s.clean_seq IS NULL OR s.clean_seq <> d.seq" \
    "  OR s.sent_seq IS NOT NULL OR s.unsettled IS NOT NULL" \
    "  OR s.todo IS NOT NULL OR s.aside_seq = d.seq))" \
    " AND NOT EXISTS (SELECT 1 FROM aside a WHERE a.coll = d.coll AND a.doc = d.id)"

const char *const replica__statements_upkeep[REPLICA__SQL_COUNT] = {
    [REPLICA__SQL_MIGRATE_NEXT] =
        "SELECT number FROM doc WHERE number > ?2 AND number <= ?3 AND coll = ?1 AND version < ?4"
        " ORDER BY number LIMIT ?5",
    [REPLICA__SQL_MIGRATE_LEFT] =
        "SELECT count(*) FROM doc WHERE coll = ?1 AND number > ?2 AND version < ?3"
        " AND flags & 1 = 0",
    /* Dirty documents that a feed's mark may have passed, for they go out when they have risen. */
    [REPLICA__SQL_MIGRATE_DIRTY] =
        "SELECT count(*) FROM replication_collection rc JOIN collection c ON c.id = rc.coll"
        " JOIN doc d ON d.coll = c.id LEFT JOIN state s ON s.doc = d.number"
        " AND s.replication = rc.replication WHERE rc.replication = ?1 AND c.unmigrated IS NOT NULL"
        " AND NOT " RISEN("c.version") " AND d.seq <= ifnull((SELECT min(mark) FROM feed f"
        "  WHERE f.replication = rc.replication AND f.coll IN (0, c.id)), 0) AND CASE WHEN "
        PUSHABLE " THEN " OF_REPLICATION("?1") " END",
    [REPLICA__SQL_MIGRATE_FAILED] =
        "SELECT count(*) FROM aside WHERE coll = ?1 AND replication = 0 AND kind = ?2",
    [REPLICA__SQL_MIGRATE_WHY] =
        "SELECT reason FROM aside WHERE coll = ?1 AND doc = ?2 AND replication = 0 AND kind = ?3",
    [REPLICA__SQL_MIGRATE_TO] =
        "UPDATE collection SET unmigrated = ?3 WHERE id = ?1 AND unmigrated = ?2",
    [REPLICA__SQL_MIGRATE_DONE] =
        "UPDATE collection SET unmigrated = NULL WHERE id = ?1 AND unmigrated = ?2 AND NOT EXISTS("
        "SELECT 1 FROM doc WHERE number > ?2 AND coll = ?1 AND version < collection.version)",
    [REPLICA__SQL_MIGRATE_AGAIN] =
        "UPDATE collection SET unmigrated = min(ifnull(unmigrated, ?2 - 1), ?2 - 1) WHERE id = ?1",
    [REPLICA__SQL_MIGRATE_RETRY] =
        "UPDATE collection SET unmigrated = min(ifnull(unmigrated, low - 1), low - 1)"
        " FROM (SELECT min(d.number) AS low FROM aside a JOIN doc d ON d.coll = a.coll"
        "  AND d.id = a.doc WHERE a.coll = ?1 AND a.replication = 0 AND a.kind = ?2)"
        " WHERE id = ?1 AND low IS NOT NULL",
    [REPLICA__SQL_MIGRATE_MARK] = "UPDATE doc SET version = ?2 WHERE number = ?1",
    [REPLICA__SQL_MIGRATE_SENT] =
        "SELECT s.replication, s.sent FROM state s JOIN kept k ON k.id = s.sent"
        " WHERE s.doc = ?1 AND k.version < ?2",
    /* The replications of a document's collection that have not this state of it in step. */
    [REPLICA__SQL_MIGRATE_NEEDED] =
        "SELECT rc.replication FROM replication_collection rc LEFT JOIN state s"
        " ON s.doc = ?2 AND s.replication = rc.replication WHERE rc.coll = ?1"
        " AND (s.doc IS NULL OR s.clean_seq IS NULL OR s.clean_seq <> ?3)",
    [REPLICA__SQL_MIGRATE_REPLS] =
        "SELECT replication FROM replication_collection WHERE coll = ?1 AND replication > ?3"
        " UNION SELECT replication FROM state WHERE doc = ?2 AND replication > ?3"
        " ORDER BY 1 LIMIT 1",
    [REPLICA__SQL_MIGRATE_RANGE] =
        "INSERT INTO state(doc, replication, sent_seq, todo) SELECT d.number, ?1, d.seq, 1"
        " FROM feed f JOIN doc d ON d.coll = ?2 AND d.seq > f.sent_from AND d.seq <= f.sent_to"
        " LEFT JOIN state s ON s.doc = d.number AND s.replication = ?1"
        " WHERE f.replication = ?1 AND f.coll IN (0, ?2) AND f.sent_from < f.sent_to"
        " AND " PUSHABLE " ON CONFLICT(doc, replication)"
        " DO UPDATE SET sent_seq = excluded.sent_seq, todo = 1",
    [REPLICA__SQL_MIGRATE_UNSEEN] =
        "SELECT s.doc, d.flags & 1 FROM state s JOIN doc d ON d.number = s.doc"
        " WHERE s.replication = ?1 AND s.doc > ?2 AND d.coll = ?3 AND s.clean_seq = d.seq"
        " AND ifnull(s.version, 0) <> ?4 ORDER BY s.doc LIMIT ?5",

    [REPLICA__SQL_DOC_PASSED] =
        "SELECT 1 FROM doc d WHERE d.number = ?1 AND d.seq = ?2 AND " PASSED("?3"),
    [REPLICA__SQL_PURGE_NEXT] =
        "SELECT d.number, d.seq FROM doc d WHERE d.coll = ?1 AND d.seq > ?2 AND d.flags & 1"
        " AND d.seq <= ?6 AND d.stamp < ?3 AND " PASSED("?4") " ORDER BY d.seq LIMIT ?5",
    /* Where the next so many end; NULL: there are none. */
    [REPLICA__SQL_PURGE_WINDOW] =
        "SELECT max(seq) FROM (SELECT seq FROM doc WHERE coll = ?1 AND seq > ?2"
        " ORDER BY seq LIMIT ?3)",
    [REPLICA__SQL_PURGE_YOUNG] =
        "SELECT seq FROM doc WHERE coll = ?1 AND seq > ?2 AND seq <= ?3 AND stamp >= ?4"
        " ORDER BY seq LIMIT 1",
    [REPLICA__SQL_PURGE_COLL] = "SELECT id, name FROM collection WHERE id > ?1 ORDER BY id LIMIT 1",
    [REPLICA__SQL_PURGE_WAS] =
        "SELECT max(w.doc), max(CASE WHEN d.coll = ?1 AND d.stamp < ?3 AND w.until < ?5"
        " THEN w.until END)"
        " FROM (SELECT doc, max(until) AS until FROM was WHERE doc > ?2 GROUP BY doc ORDER BY doc"
        " LIMIT ?4) w JOIN doc d ON d.number = w.doc",
    [REPLICA__SQL_PURGE_OPERATIONS] =
        "UPDATE token SET purged = max(ifnull(purged, 0), n) FROM (SELECT t, max(w) AS n FROM"
        " (SELECT token AS t, wseq AS w FROM taken WHERE doc = ?1"
        "  UNION ALL SELECT writer, wseq FROM doc WHERE number = ?1 AND writer IS NOT NULL"
        "  AND flags & 2 = 0) GROUP BY t) WHERE id = t",
    [REPLICA__SQL_PURGED_OPERATION] = "SELECT 1 FROM token WHERE id = ?1 AND purged >= ?2",
    [REPLICA__SQL_PURGE_FEEDS] =
        "SELECT f.checkpoint, s.server_seq FROM state s JOIN replication r ON r.id = s.replication"
        " JOIN feed f ON f.replication = r.id AND f.coll IN (0, ?2)"
        " WHERE s.doc = ?1 AND s.server_seq IS NOT NULL AND r.seen >= ?3"
        " AND f.checkpoint IS NOT NULL",
    [REPLICA__SQL_PURGE_FLOOR] =
        "UPDATE feed SET purged = max(ifnull(purged, 0), (SELECT server_seq FROM state s"
        "  WHERE s.doc = ?1 AND s.replication = feed.replication))"
        " WHERE coll IN (0, ?2) AND checkpoint IS NOT NULL AND replication IN ("
        "  SELECT r.id FROM replication r JOIN state s ON s.replication = r.id"
        "  WHERE s.doc = ?1 AND s.server_seq IS NOT NULL AND r.seen >= ?3)",
    [REPLICA__SQL_PURGE_STATES] = "DELETE FROM state WHERE doc = ?1",
    [REPLICA__SQL_PURGE_TAKEN] = "DELETE FROM taken WHERE doc = ?1",
    [REPLICA__SQL_PURGE_MEMBER] = "DELETE FROM member WHERE doc = ?1",
    [REPLICA__SQL_PURGE_DOC] = "DELETE FROM doc WHERE number = ?1",
    [REPLICA__SQL_COLL_PURGED] =
        "UPDATE collection SET purged = max(ifnull(purged, 0), ?2) WHERE id = ?1",
    [REPLICA__SQL_COLL_PURGED_TO] = "SELECT purged FROM collection WHERE id = ?1",
    [REPLICA__SQL_PURGED_TO] = "SELECT max(purged) FROM collection",
};

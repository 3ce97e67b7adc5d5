/* What is asked of the states of documents in replications: what they hold, what servers are known
 * to have, and what became of those that met another one. */
#include "libreplica/statements/conditions.h"
#include "libreplica/statements/tables.h"

#define STATE_COLUMNS \
    "doc, replication, clean_seq, incarnation, server_seq, base, sent_seq, sent, unsettled," \
    " rounds, todo, aside_seq, lost_seq, version, left_seq"
#define LOG_COLUMNS "id, replication, coll, doc, time, rule, assumed, real, local, result"

/* The server has the document, as far as it is known: the newest state that came of it is live, and
 * is one that the endpoint of this version has shown. */
#define SHOWN(endpoint) \
    "CASE WHEN s.unsettled IS NOT NULL THEN u.flags & 1 = 0" \
    " WHEN ifnull(s.version, 0) <> " endpoint " THEN 0" \
    " WHEN s.base IS NOT NULL THEN b.flags & 1 = 0" \
    " ELSE s.clean_seq IS NOT NULL AND s.clean_seq = d.seq AND d.flags & 1 = 0 END"

/* The document and the replications that have it, up to their conditions. */
#define ELSEWHERE_KNOWN \
    " FROM doc d JOIN state s ON s.doc = d.number JOIN replication r ON r.id = s.replication" \
    " WHERE (s.server_seq IS NOT NULL OR (s.clean_seq = d.seq AND ifnull(r.one_feed, 0) = 0))" \
    " AND (r.keys IS NULL OR replica_in_keys(r.keys, d.id)) AND "

const char *const replica__statements_states[REPLICA__SQL_COUNT] = {
    [REPLICA__SQL_KEPT_ADD] =
        "INSERT INTO kept(refs, flags, version, incarnation, server_seq, stamp, writer, wseq,"
        " bundle, body, opening) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [REPLICA__SQL_KEPT_GET] =
        "SELECT flags, version, incarnation, server_seq, stamp, writer, wseq, bundle, body, opening"
        " FROM kept WHERE id = ?1",
    [REPLICA__SQL_KEPT_REF] = "UPDATE kept SET refs = refs + 1 WHERE id = ?1",
    [REPLICA__SQL_KEPT_UNREF] = "UPDATE kept SET refs = refs - 1 WHERE id = ?1",
    [REPLICA__SQL_KEPT_DROP] = "DELETE FROM kept WHERE id = ?1 AND refs <= 0",
    [REPLICA__SQL_KEPT_WHOLE] =
        "UPDATE kept SET flags = flags & ~8 WHERE flags & 8 AND id IN (SELECT s.unsettled"
        " FROM state s JOIN doc d ON d.number = s.doc WHERE s.replication = ?1"
        " AND s.unsettled IS NOT NULL AND (?2 = 0 OR d.coll = ?2))",

    [REPLICA__SQL_STATE_OF_DOC] =
        "SELECT " STATE_COLUMNS " FROM state WHERE doc = ?1 AND replication > ?2"
        " ORDER BY replication",
    [REPLICA__SQL_STATE_GET] =
        "SELECT " STATE_COLUMNS " FROM state WHERE doc = ?1 AND replication = ?2",
    [REPLICA__SQL_STATE_PUT] = "INSERT OR REPLACE INTO state(" STATE_COLUMNS ")"
                               " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
                               " ?14, ?15)",
    [REPLICA__SQL_STATE_WAITS] =
        "UPDATE state SET waits = ?3 WHERE doc = ?1 AND replication = ?2",
    [REPLICA__SQL_STATE_WAITING] =
        "SELECT s.replication, s.doc, s.waits IS NOT NULL FROM state s"
        " JOIN doc d ON d.number = s.doc WHERE (s.replication, s.doc) > (?1, ?2)"
        " AND s.unsettled IS NOT NULL AND (s.aside_seq IS NULL OR s.aside_seq <> d.seq)"
        " AND (?3 IS NULL OR d.coll = ?3) ORDER BY s.replication, s.doc LIMIT 1",
    [REPLICA__SQL_STATE_IN_CONFLICT] =
        "SELECT s.replication FROM state s JOIN replication r ON r.id = s.replication"
        " WHERE s.doc = ?1 AND s.replication > ?2 AND s.unsettled IS NOT NULL"
        " AND (?3 IS NULL OR r.name = ?3) ORDER BY s.replication LIMIT 1",
    [REPLICA__SQL_STATE_TODO] =
        "SELECT s.doc FROM state s JOIN doc d ON d.number = s.doc"
        " JOIN collection c ON c.id = d.coll"
        " WHERE s.replication = ?1 AND s.doc > ?2 AND s.todo IS NOT NULL AND " RISEN("c.version")
        " AND " OF_REPLICATION("?1") " ORDER BY s.doc LIMIT ?3",
    /* But for what waits with a document that is set aside. */
    [REPLICA__SQL_STATE_PENDING] =
        "SELECT s.doc FROM state s JOIN doc d ON d.number = s.doc"
        " JOIN collection c ON c.id = d.coll"
        " WHERE s.replication = ?1 AND s.doc > ?2 AND s.todo < 3 AND " RISEN("c.version")
        " AND " OF_REPLICATION("?1")
        " ORDER BY s.doc LIMIT ?3",
    /* That waits. */
    [REPLICA__SQL_STATE_HELD] =
        "SELECT s.doc FROM state s JOIN doc d ON d.number = s.doc"
        " WHERE s.replication = ?1 AND s.doc > ?2 AND s.todo = 3 AND " OF_REPLICATION("?1")
        " ORDER BY s.doc LIMIT ?3",
    [REPLICA__SQL_STATE_UNSETTLED] =
        "SELECT s.doc FROM state s JOIN doc d ON d.number = s.doc"
        " JOIN collection c ON c.id = d.coll"
        " WHERE s.replication = ?1 AND s.doc > ?2 AND s.unsettled IS NOT NULL"
        " AND " RISEN("c.version") " AND (s.aside_seq IS NULL OR s.aside_seq <> d.seq)"
        " ORDER BY s.doc LIMIT ?3",
    [REPLICA__SQL_STATE_LOST] =
        "SELECT s.doc FROM state s JOIN doc d ON d.number = s.doc"
        " LEFT JOIN kept k ON k.id = s.unsettled"
        " WHERE s.replication = ?1 AND s.doc > ?2 AND (s.server_seq > ?3 OR k.server_seq > ?3)"
        " ORDER BY s.doc LIMIT ?4",
    [REPLICA__SQL_STATE_LOST_ANY] =
        "SELECT 1 FROM state WHERE replication = ?1 AND lost_seq IS NOT NULL LIMIT 1",
    [REPLICA__SQL_STATE_MARKERS] =
        "SELECT t.text, max(s.server_seq) AS m FROM state s JOIN token t ON t.id = s.incarnation"
        " WHERE s.replication = ?1 AND s.server_seq IS NOT NULL AND t.text <> ?2"
        " GROUP BY s.incarnation ORDER BY m DESC LIMIT ?3",
    [REPLICA__SQL_STATE_REFS] =
        "SELECT base, sent, unsettled FROM state WHERE replication = ?1"
        " AND (base IS NOT NULL OR sent IS NOT NULL OR unsettled IS NOT NULL)",
    [REPLICA__SQL_STATE_ORPHANS] =
        "SELECT s.doc, s.replication FROM state s"
        " WHERE NOT EXISTS(SELECT 1 FROM doc d WHERE d.number = s.doc)",
    [REPLICA__SQL_STATE_DROP] = "DELETE FROM state WHERE doc = ?1 AND replication = ?2",

    /* It has, or had, a document. */
    [REPLICA__SQL_COLL_TOUCHED] =
        "SELECT 1 FROM collection WHERE id = ?1 AND (purged IS NOT NULL"
        " OR EXISTS(SELECT 1 FROM doc WHERE coll = ?1))",
    [REPLICA__SQL_KNOWN_ANY] =
        "SELECT 1 FROM doc d CROSS JOIN state s ON s.doc = d.number AND s.replication = ?1"
        " LEFT JOIN kept u ON u.id = s.unsettled LEFT JOIN kept b ON b.id = s.base"
        " WHERE d.coll = ?2 AND " SHOWN("?3") " LIMIT 1",
    /* A text is read only where it is compared: ?6. */
    [REPLICA__SQL_KNOWN_RANGE] =
        "SELECT d.id, max(ifnull(s.server_seq, 0), ifnull(u.server_seq, 0)),"
        " CASE WHEN ?6 THEN CASE WHEN s.unsettled IS NOT NULL THEN u.body"
        "  WHEN s.base IS NOT NULL THEN b.body ELSE d.body END END"
        " FROM doc d CROSS JOIN state s ON s.doc = d.number AND s.replication = ?1"
        " LEFT JOIN kept u ON u.id = s.unsettled LEFT JOIN kept b ON b.id = s.base"
        " WHERE d.coll = ?2 AND d.id > ?4 AND (?5 IS NULL OR d.id <= ?5) AND " SHOWN("?3")
        " ORDER BY d.id",
    [REPLICA__SQL_REPL_WANTS] = "SELECT filter IS NULL OR replica_match(filter, ?2)"
        " FROM replication WHERE id = ?1",
    [REPLICA__SQL_REPL_HAS] =
        "SELECT ifnull(s.clean_seq, 0) = d.seq OR " OF_REPLICATION("?2") " FROM doc d"
        " LEFT JOIN state s ON s.doc = d.number AND s.replication = ?2 WHERE d.number = ?1",
    /* In step, with a base all the same; or not in step, and nobody would send it. */
    [REPLICA__SQL_VERIFY_ODD] =
        "SELECT d.id FROM doc d JOIN collection c ON c.id = d.coll"
        " LEFT JOIN state s ON s.doc = d.number AND s.replication = ?1"
        " WHERE d.coll = ?2 AND d.id > ?3 AND ((s.clean_seq = d.seq"
        "  AND ifnull(s.version, 0) = c.version"
        "  AND EXISTS(SELECT 1 FROM kept b WHERE b.id = s.base AND b.version >= c.version))"
        " OR (d.seq <= ?4 AND CASE WHEN " PUSHABLE " THEN " RISEN("c.version") " AND "
        OF_REPLICATION("?1") " END)) ORDER BY d.id LIMIT ?5",
    /* Other replications that are about a document, and whose servers are known to have it.  A
     * server of the stock dialect has no numbers: what is in step counts. */
    [REPLICA__SQL_ELSEWHERE_WANTED] =
        "SELECT 1" ELSEWHERE_KNOWN "d.number = ?1 AND s.replication <> ?2"
        " AND (r.filter IS NULL OR replica_match(r.filter, d.body)) LIMIT 1",
    [REPLICA__SQL_ELSEWHERE_ASK] =
        "UPDATE feed SET checkpoint = NULL, purged = NULL WHERE replication IN (SELECT r.id"
        ELSEWHERE_KNOWN "d.number = ?1 AND s.replication <> ?2"
        " AND (feed.coll = 0 OR feed.coll = d.coll))",
    [REPLICA__SQL_ELSEWHERE_UNSYNCED] =
        "UPDATE replication SET synced = NULL, synced_head = NULL WHERE id IN (SELECT r.id"
        ELSEWHERE_KNOWN "d.number = ?1 AND s.replication <> ?2)",
    [REPLICA__SQL_ELSEWHERE_UNSENT] =
        "SELECT r.id FROM doc d JOIN replication_collection rc ON rc.coll = d.coll"
        " JOIN replication r ON r.id = rc.replication"
        " LEFT JOIN state s ON s.doc = d.number AND s.replication = r.id"
        " WHERE d.number = ?1 AND r.id <> ?2 AND r.id > ?3 AND " OF("r.keys", "r.filter")
        " AND (s.clean_seq IS NULL OR s.clean_seq <> d.seq) ORDER BY r.id LIMIT 1",
    /* And whether they are what it is about. */
    [REPLICA__SQL_REPL_IN_STEP] =
        "SELECT d.number, d.coll, ifnull((r.keys IS NULL OR replica_in_keys(r.keys, d.id)) AND"
        " (r.filter IS NULL OR replica_match(r.filter, d.body)), 0) FROM replication r"
        " CROSS JOIN state s ON s.replication = r.id CROSS JOIN doc d ON d.number = s.doc"
        " WHERE r.id = ?1 AND s.doc > ?2 AND s.clean_seq = d.seq AND d.flags & 1 = 0"
        " AND (?4 = 0 OR d.coll = ?4) ORDER BY s.doc LIMIT ?3",

    [REPLICA__SQL_LOG_ADD] =
        "INSERT INTO conflict_log(replication, coll, doc, time, rule, assumed, real, local, result)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [REPLICA__SQL_LOG_LIST] =
        "SELECT " LOG_COLUMNS " FROM conflict_log WHERE id > ?1 ORDER BY id LIMIT 1",
    [REPLICA__SQL_LOG_OF_DOC] =
        "SELECT " LOG_COLUMNS " FROM conflict_log WHERE coll = ?2 AND doc = ?3 AND id > ?1"
        " ORDER BY id LIMIT 1",
    [REPLICA__SQL_LOG_GET] = "SELECT coll, doc, local FROM conflict_log WHERE id = ?1",
    [REPLICA__SQL_LOG_LAST] = "SELECT max(id) FROM conflict_log",
    [REPLICA__SQL_LOG_FIRST] =
        "SELECT id, time, assumed, real, local, result FROM conflict_log WHERE id < ?1"
        " ORDER BY id LIMIT 1",
    [REPLICA__SQL_LOG_FIRST_OF] =
        "SELECT id, time, assumed, real, local, result FROM conflict_log WHERE coll = ?1"
        " AND doc = ?2 ORDER BY id LIMIT 1",
    [REPLICA__SQL_LOG_DROP] = "DELETE FROM conflict_log WHERE id = ?1",
    /* Bytes of an entry's states, and about what its rows take beside that. */
    [REPLICA__SQL_LOG_WEIGHT] =
        "SELECT 200 + ifnull(sum(length(CAST(body AS BLOB))), 0) FROM kept"
        " WHERE id IN (?1, ?2, ?3, ?4)",
    [REPLICA__SQL_LOG_SIZE] = "SELECT value FROM number WHERE name = 'log_bytes'",
    [REPLICA__SQL_LOG_GROW] =
        "UPDATE number SET value = value + ?1 WHERE name = 'log_bytes' RETURNING value",

    [REPLICA__SQL_ASIDE_PUT] =
        "INSERT INTO aside(replication, coll, doc, kind, code, reason, time, text)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
        " ON CONFLICT(coll, doc, replication) WHERE kind <> 5 DO UPDATE SET kind = excluded.kind,"
        " code = excluded.code, reason = excluded.reason, time = excluded.time,"
        " text = ifnull(excluded.text, text)",
    /* Where the local state is set aside, what came is noted beside it. */
    [REPLICA__SQL_ASIDE_BESIDE] =
        "UPDATE aside SET text = ?4 WHERE coll = ?1 AND doc = ?2 AND replication = ?3"
        " AND kind NOT IN (2, 5) AND EXISTS(SELECT 1 FROM doc d JOIN state s"
        "  ON s.doc = d.number AND s.replication = ?3"
        "  WHERE d.coll = ?1 AND d.id = ?2 AND s.aside_seq = d.seq)",
    [REPLICA__SQL_ASIDE_BESIDE_DROP] =
        "UPDATE aside SET text = NULL WHERE coll = ?1 AND doc = ?2 AND replication = ?3"
        " AND kind NOT IN (2, 5) AND text IS NOT NULL",
    [REPLICA__SQL_ASIDE_BEHIND] =
        "SELECT 1 FROM aside WHERE coll = ?1 AND doc = ?2 AND replication = ?3 AND kind <> 5"
        " AND (kind = 2 OR text IS NOT NULL)",
    [REPLICA__SQL_ASIDE_DROP] =
        "DELETE FROM aside WHERE coll = ?1 AND doc = ?2 AND replication = ?3"
        " AND kind = ifnull(?4, kind) AND (kind <> 5 OR ?4 = 5)",
    /* Texts that came and could not be applied; not where a local state is set aside, too. */
    [REPLICA__SQL_ASIDE_UNKNOW] =
        "DELETE FROM aside WHERE replication = ?1 AND coll = ?2 AND kind = ?3 AND NOT EXISTS("
        "SELECT 1 FROM doc d JOIN state s ON s.doc = d.number AND s.replication = ?1"
        " WHERE d.coll = aside.coll AND d.id = aside.doc AND s.aside_seq = d.seq)",
    [REPLICA__SQL_ASIDE_UNKNOW_BESIDE] =
        "UPDATE aside SET text = NULL WHERE replication = ?1 AND coll = ?2 AND kind <> 5"
        " AND text IS NOT NULL",
    [REPLICA__SQL_ASIDE_LIST] =
        "SELECT id, replication, coll, doc, kind, code, reason, time, text"
        " FROM aside WHERE id > ?1 AND (?2 IS NULL OR coll = ?2) ORDER BY id LIMIT 1",
    [REPLICA__SQL_ASIDE_GET] = "SELECT replication, coll, doc, kind FROM aside WHERE id = ?1",
    [REPLICA__SQL_ASIDE_TEXT] = "SELECT text FROM aside WHERE id = ?1",
    [REPLICA__SQL_ASIDE_OF] = "SELECT 1 FROM aside WHERE coll = ?1 AND doc = ?2"
                              " AND replication = ?3 AND kind = ?4",
    [REPLICA__SQL_ASIDE_KIND] =
        "SELECT CASE WHEN a.text IS NULL THEN a.kind ELSE 2 END FROM doc d"
        " JOIN aside a ON a.coll = d.coll AND a.doc = d.id"
        " AND a.replication = ?2 AND a.kind <> 5 WHERE d.number = ?1",
    [REPLICA__SQL_ASIDE_DELETE] = "DELETE FROM aside WHERE id = ?1",
};

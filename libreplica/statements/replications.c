/* What is asked of replications themselves: their collections and feeds, how far they are, and
 * which process has them. */
#include "libreplica/statements/conditions.h"
#include "libreplica/statements/tables.h"

/* There is a replication of the one collection, and not of the other. */
#define LACKS(one, other) \
    "EXISTS(SELECT 1 FROM replication_collection a WHERE a.coll = " one " AND NOT EXISTS(" \
    "SELECT 1 FROM replication_collection b WHERE b.replication = a.replication AND b.coll = " \
    other "))"

const char *const replica__statements_replications[REPLICA__SQL_COUNT] = {
    [REPLICA__SQL_REPL_ABOUT] = "SELECT keys, filter FROM replication WHERE id = ?1",
    [REPLICA__SQL_REPL_SET_ABOUT] =
        "UPDATE replication SET keys = ?2, filter = ?3 WHERE id = ?1",
    [REPLICA__SQL_REPL_FIND] = "SELECT id, one_feed FROM replication WHERE name = ?1",
    [REPLICA__SQL_REPL_ADD] = "INSERT INTO replication(name, seen) VALUES(?1, ?2)",
    [REPLICA__SQL_REPL_SEEN] = "UPDATE replication SET seen = ?2 WHERE id = ?1",
    [REPLICA__SQL_REPL_MODE] = "UPDATE replication SET one_feed = ?2 WHERE id = ?1",
    [REPLICA__SQL_REPL_NAME] = "SELECT name FROM replication WHERE id = ?1",
    /* Without locks of the server's that are its: none. */
    [REPLICA__SQL_REPL_CLIENT] =
        "SELECT client FROM replication WHERE id = ?1"
        " AND EXISTS (SELECT 1 FROM lock WHERE replication = ?1 AND server_fence IS NOT NULL)",
    [REPLICA__SQL_REPL_SET_CLIENT] = "UPDATE replication SET client = ?2 WHERE id = ?1",
    [REPLICA__SQL_REPL_DROP] = "DELETE FROM replication WHERE id = ?1",
    [REPLICA__SQL_REPL_DROP_STATE] = "DELETE FROM state WHERE replication = ?1",
    [REPLICA__SQL_REPL_DROP_FEEDS] = "DELETE FROM feed WHERE replication = ?1",
    [REPLICA__SQL_REPL_DROP_COLLS] = "DELETE FROM replication_collection WHERE replication = ?1",
    [REPLICA__SQL_REPL_DROP_ASIDE] = "DELETE FROM aside WHERE replication = ?1",
    [REPLICA__SQL_REPL_COLL_PUT] =
        "INSERT OR REPLACE INTO replication_collection(replication, coll, version, confirmed)"
        " VALUES(?1, ?2, ?3, CASE WHEN ?4 >= 0 THEN ?4 END)",
    [REPLICA__SQL_REPL_COLL_LIST] =
        "SELECT coll, ifnull(version, -1), ifnull(confirmed, -1) FROM replication_collection"
        " WHERE replication = ?1",
    [REPLICA__SQL_REPL_COLL_DROP] =
        "DELETE FROM replication_collection WHERE replication = ?1 AND coll = ?2",
    [REPLICA__SQL_REPL_COLL_FIND] =
        "SELECT ifnull(version = confirmed, 0), version FROM replication_collection"
        " WHERE replication = ?1 AND coll = ?2",
    /* One replication has the one collection without the other, and another one the other. */
    [REPLICA__SQL_REPL_PARTED] = "SELECT 1 WHERE " LACKS("?1", "?2") " AND " LACKS("?2", "?1"),
    [REPLICA__SQL_ENDPOINT_LET_IN] =
        "UPDATE state SET aside_seq = NULL, rounds = NULL, todo = 1 WHERE replication = ?1"
        " AND aside_seq IS NOT NULL AND EXISTS(SELECT 1 FROM doc d JOIN aside a ON a.coll = d.coll"
        "  AND a.doc = d.id WHERE d.number = state.doc AND d.coll = ?2 AND a.replication = ?1"
        "  AND a.kind = ?3)",
    [REPLICA__SQL_ENDPOINT_FORGET] =
        "DELETE FROM aside WHERE replication = ?1 AND coll = ?2 AND kind = ?3",

    [REPLICA__SQL_FEED_GET] =
        "SELECT checkpoint, mark, sent_from, sent_to, common, reconcile, ifnull(fresh, 0)"
        " FROM feed WHERE replication = ?1 AND coll = ?2",
    [REPLICA__SQL_FEED_PUT] =
        "INSERT INTO feed(replication, coll, checkpoint, mark, sent_from, sent_to, common, fresh)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?9) ON CONFLICT(replication, coll) DO UPDATE SET"
        /* Another handle may have taken it away, for the feed to begin anew. */
        " checkpoint = CASE WHEN ?8 AND checkpoint IS NULL THEN NULL ELSE excluded.checkpoint END,"
        " mark = excluded.mark, sent_from = excluded.sent_from,"
        " sent_to = excluded.sent_to, common = excluded.common, fresh = excluded.fresh,"
        " purged = CASE WHEN excluded.checkpoint IS NULL THEN NULL"
        "  WHEN excluded.common <> common THEN min(purged, excluded.common) ELSE purged END",
    [REPLICA__SQL_FEED_SET_RECONCILE] =
        "UPDATE feed SET reconcile = ?3 WHERE replication = ?1 AND coll = ?2",
    [REPLICA__SQL_FEED_RECONCILE_ALL] = "UPDATE feed SET reconcile = ?2 WHERE replication = ?1",
    [REPLICA__SQL_FEED_RESET] =
        "UPDATE feed SET checkpoint = NULL, purged = NULL WHERE replication = ?1",
    [REPLICA__SQL_FEED_BEGIN] =
        "UPDATE feed SET checkpoint = NULL, purged = NULL, mark = 0"
        " WHERE replication = ?1 AND coll = 0",
    [REPLICA__SQL_FEED_BEGIN_ALL] =
        "UPDATE feed SET checkpoint = NULL, purged = NULL, mark = 0 WHERE replication = ?1",
    [REPLICA__SQL_FEED_RESTART] =
        "UPDATE feed SET checkpoint = NULL, purged = NULL WHERE replication = ?1"
        " AND coll IN (0, ?2)",
    [REPLICA__SQL_FEED_FLOOR] =
        "SELECT ifnull((SELECT purged FROM feed WHERE replication = ?1 AND coll = ?2), 0),"
        " EXISTS(SELECT 1 FROM collection WHERE purged IS NOT NULL)",
    [REPLICA__SQL_FEED_RANGE] =
        "SELECT ifnull(min(sent_from), 0), ifnull(max(sent_to), 0) FROM feed"
        " WHERE replication = ?1 AND sent_from < sent_to",
    /* One that has not spoken to its server has no feed yet. */
    [REPLICA__SQL_FEED_COLLS] =
        "SELECT c.coll, ifnull(f.mark, 0), ifnull(f.sent_from, 0), ifnull(f.sent_to, 0)"
        " FROM replication_collection c LEFT JOIN feed f ON f.replication = c.replication"
        " AND (f.coll = 0 OR f.coll = c.coll) WHERE c.replication = ?1",
    [REPLICA__SQL_FEED_DIRTY] =
        "SELECT d.seq, d.number FROM doc d"
        " LEFT JOIN state s ON s.doc = d.number AND s.replication = ?1"
        " WHERE d.coll = ?2 AND d.seq > ?3 AND CASE WHEN " PUSHABLE /* the index has all for this */
        " THEN " RISEN("(SELECT version FROM collection WHERE id = ?2)") " AND "
        OF_REPLICATION("?1") " END ORDER BY d.seq LIMIT ?4",
    [REPLICA__SQL_FEED_DIRTY_COUNT] =
        "SELECT count(*), ifnull(sum(d.seq > ?4 AND d.seq <= ?5), 0) FROM doc d"
        " LEFT JOIN state s ON s.doc = d.number AND s.replication = ?1"
        " WHERE d.coll = ?2 AND d.seq > ?3 AND CASE WHEN " PUSHABLE
        " THEN " OF_REPLICATION("?1") " END",

    [REPLICA__SQL_REPL_NEXT] =
        "SELECT r.name, (SELECT group_concat(c.name, ' ') FROM replication_collection rc"
        "  JOIN collection c ON c.id = rc.coll WHERE rc.replication = r.id), r.seen,"
        " (SELECT count(*) FROM replication_collection rc JOIN doc d ON d.coll = rc.coll"
        "  LEFT JOIN state s ON s.doc = d.number AND s.replication = r.id"
        "  WHERE rc.replication = r.id AND d.seq > ifnull((SELECT min("
        "    CASE WHEN f.sent_from < f.sent_to THEN min(f.sent_from, f.mark) ELSE f.mark END) FROM "
        "feed f"
        "   WHERE f.replication = r.id AND f.coll IN (0, rc.coll)), 0) AND CASE WHEN " PUSHABLE
        "   THEN " OF("r.keys", "r.filter") " END)"
        "  + (SELECT count(*) FROM state s JOIN doc d ON d.number = s.doc"
        "     WHERE s.replication = r.id AND s.todo IS NOT NULL AND " OF("r.keys", "r.filter") "),"
        " (SELECT count(*) FROM state s JOIN doc d ON d.number = s.doc WHERE s.replication = r.id"
        "  AND s.unsettled IS NOT NULL AND (s.aside_seq IS NULL OR s.aside_seq <> d.seq)),"
        " (SELECT count(*) FROM aside WHERE replication = r.id),"
        " r.id, r.synced, r.synced_head, r.error, r.keys, r.filter,"
        " (SELECT checkpoint FROM feed WHERE replication = r.id ORDER BY coll LIMIT 1),"
        /* what is yet to be compared, or shown by another version's endpoint */
        " EXISTS(SELECT 1 FROM feed WHERE replication = r.id AND reconcile IS NOT NULL)"
        "  OR EXISTS(SELECT 1 FROM replication_collection WHERE replication = r.id"
        "   AND version IS NOT confirmed)"
        " FROM replication r WHERE r.name > ?1 ORDER BY r.name LIMIT 1",
    /* Of a document that several arms find, the first one speaks.  Its place in the last column but
     * one tells why; the last one who, or why it is set aside. */
    [REPLICA__SQL_PENDING] =
        "WITH f AS NOT MATERIALIZED (SELECT r.id AS repl, r.name, r.keys, r.filter,"
        "  c.id AS coll,"
        "  c.name AS collection, c.version, rc.version AS at, rc.confirmed,"
        "  ifnull(f.mark, 0) AS mark, ifnull(f.sent_from, 0) AS sent_from,"
        "  ifnull(f.sent_to, 0) AS sent_to FROM replication r"
        "  CROSS JOIN replication_collection rc ON rc.replication = r.id"
        "  CROSS JOIN collection c ON c.id = rc.coll"
        "  LEFT JOIN feed f ON f.replication = r.id AND f.coll IN (0, c.id)"
        "  WHERE ?1 IS NULL OR c.id = ?1)"
        " SELECT name, collection, id, min(why), state, code, time, words FROM ("
        /* behind the mark, or in the range that is under way */
        "SELECT f.name, f.collection, d.id, CASE WHEN d.seq > f.sent_from AND d.seq <= f.sent_to"
        "  THEN 2 WHEN NOT " RISEN("f.version") " THEN 9 ELSE 1 END AS why,"
        "  CASE WHEN d.seq > f.sent_from AND d.seq <= f.sent_to THEN 3 ELSE 2 END AS state,"
        "  0 AS code, d.stamp >> 16 AS time, NULL AS words"
        " FROM f CROSS JOIN doc d ON d.coll = f.coll AND d.seq > CASE"
        "  WHEN f.sent_from < f.sent_to THEN min(f.sent_from, f.mark) ELSE f.mark END"
        " LEFT JOIN state s ON s.doc = d.number AND s.replication = f.repl"
        " WHERE CASE WHEN " PUSHABLE " THEN " OF("f.keys", "f.filter") " END"
        /* before the mark, and yet to rise */
        " UNION ALL SELECT f.name, f.collection, d.id, 9, 2, 0, d.stamp >> 16, NULL"
        " FROM f CROSS JOIN collection c ON c.id = f.coll AND c.unmigrated IS NOT NULL"
        " CROSS JOIN doc d ON d.coll = f.coll AND d.seq <= f.mark"
        " LEFT JOIN state s ON s.doc = d.number AND s.replication = f.repl"
        " WHERE NOT " RISEN("f.version") " AND CASE WHEN " PUSHABLE
        "  THEN " OF("f.keys", "f.filter") " END"
        /* passed by the mark */
        " UNION ALL SELECT f.name, f.collection, d.id, CASE WHEN s.sent_seq = d.seq THEN 2"
        "  WHEN NOT " RISEN("f.version") " THEN 9 WHEN s.todo = 3 THEN 8"
        "  WHEN s.todo = 2 AND s.waits IS NULL THEN 3 WHEN s.todo = 2 THEN 4 ELSE 1 END,"
        "  CASE WHEN s.sent_seq = d.seq THEN 3 ELSE 2 END, 0, d.stamp >> 16, s.waits"
        " FROM replication r CROSS JOIN state s ON s.replication = r.id AND s.todo IS NOT NULL"
        " CROSS JOIN doc d ON d.number = s.doc"
        " CROSS JOIN f ON f.repl = r.id AND f.coll = d.coll WHERE " OF("f.keys", "f.filter")
        /* in conflict */
        " UNION ALL SELECT f.name, f.collection, d.id,"
        "  CASE WHEN k.flags & 8 THEN 7 WHEN s.waits IS NULL THEN 5 ELSE 6 END, 4, 0,"
        "  d.stamp >> 16, NULL"
        " FROM replication r CROSS JOIN state s ON s.replication = r.id"
        "  AND s.unsettled IS NOT NULL"
        " CROSS JOIN doc d ON d.number = s.doc JOIN kept k ON k.id = s.unsettled"
        " CROSS JOIN f ON f.repl = r.id AND f.coll = d.coll"
        " WHERE s.todo IS NULL AND (s.aside_seq IS NULL OR s.aside_seq <> d.seq)"
        /* in step with the endpoint of another version */
        " UNION ALL SELECT f.name, f.collection, d.id, 10, 2, 0, d.stamp >> 16, NULL"
        " FROM f CROSS JOIN doc d ON d.coll = f.coll"
        " CROSS JOIN state s ON s.doc = d.number AND s.replication = f.repl"
        " WHERE f.at IS NOT f.confirmed AND s.clean_seq = d.seq AND ifnull(s.version, 0) <> f.at"
        "  AND s.todo IS NULL AND s.unsettled IS NULL"
        /* set aside */
        " UNION ALL SELECT f.name, f.collection, a.doc, 11, 5, a.code, a.time, a.reason"
        " FROM aside a CROSS JOIN f ON f.coll = a.coll"
        "  AND (a.replication = f.repl OR a.replication = 0)"
        ") GROUP BY name, collection, id ORDER BY name, collection, id",
    [REPLICA__SQL_NOTE_GET] =
        "SELECT synced, synced_head, error FROM replication WHERE id = ?1",
    [REPLICA__SQL_NOTE_PUT] =
        "UPDATE replication SET synced = ?2, synced_head = ?3, error = ?4 WHERE id = ?1",
    [REPLICA__SQL_NOTE_UNSYNCED] =
        "UPDATE replication SET synced = NULL, synced_head = NULL WHERE id = ?1",
    [REPLICA__SQL_NOTE_IS_LEFT] =
        "SELECT 1 FROM state WHERE doc = ?1 AND replication = ?2 AND unsettled = ?3"
        " AND waits IS NOT NULL",
    [REPLICA__SQL_NOTE_LEAVE] =
        "UPDATE state SET waits = '' WHERE doc = ?1 AND replication = ?2 AND unsettled = ?3",
    [REPLICA__SQL_BACKLOG] =
        "SELECT (SELECT count(*) FROM state s JOIN doc d ON d.number = s.doc"
        "  WHERE s.replication = ?1 AND s.todo IS NOT NULL AND " OF_REPLICATION("?1") "),"
        " (SELECT count(*) FROM state s JOIN doc d ON d.number = s.doc WHERE s.replication = ?1"
        "  AND s.unsettled IS NOT NULL AND (s.aside_seq IS NULL OR s.aside_seq <> d.seq)),"
        " (SELECT count(*) FROM aside WHERE replication = ?1)",

    [REPLICA__SQL_LEASE_GET] =
        "SELECT term, asked, answered, head FROM lease WHERE replication = ?1",
    [REPLICA__SQL_LEASE_TAKE] =
        "INSERT INTO lease(replication, term, asked, answered, head) VALUES(?1, ?2, 0, 0, 0)"
        " ON CONFLICT(replication) DO UPDATE SET term = excluded.term",
    [REPLICA__SQL_LEASE_ASK] = "UPDATE lease SET asked = asked + 1 WHERE replication = ?1",
    [REPLICA__SQL_LEASE_ANSWER] =
        "UPDATE lease SET answered = ?2, head = ?3 WHERE replication = ?1",
    [REPLICA__SQL_LEASE_DROP] = "DELETE FROM lease WHERE replication = ?1",
};

#include "libreplica/sql.h"

#include "libreplica/db.h"

#include <assert.h>
#include <stdarg.h>

#define DOC_COLUMNS \
    "number, coll, id, seq, height, opening, flags, stamp, writer, wseq, bundle, version, body"
#define STATE_COLUMNS \
    "doc, replication, clean_seq, incarnation, server_seq, base, sent_seq, sent, unsettled," \
    " rounds, todo, aside_seq, lost_seq, version, left_seq"
#define LOCK_COLUMNS \
    "coll, key, holder, name, fence, ttl, until, replication, server_fence, server_until, state"
#define INDEX_COLUMNS "id, name, fields, flags, filter, built, coll"
#define LOG_COLUMNS "id, replication, coll, doc, time, rule, assumed, real, local, result"

/* What member m of a bundle was written with is not in step in the replication of s, or (?4) left
 * with it and has no verdict. */
#define OPEN \
    "m.seq > ifnull(s.clean_seq, 0) AND CASE WHEN ?4 THEN m.seq <= s.sent_seq ELSE 1 END"

/* What goes out of it: what is stored, or (?4) what left before. */
#define LEFT "CASE WHEN ?4 THEN s.sent_seq ELSE d.seq END"

/* There is a replication of the one collection, and not of the other. */
#define LACKS(one, other) \
    "EXISTS(SELECT 1 FROM replication_collection a WHERE a.coll = " one " AND NOT EXISTS(" \
    "SELECT 1 FROM replication_collection b WHERE b.replication = a.replication AND b.coll = " \
    other "))"

/* A dirty document, for a feed: not clean as it is stored, nor waiting for anything else. */
#define PUSHABLE \
    "(s.doc IS NULL OR ((s.clean_seq IS NULL OR s.clean_seq <> d.seq) AND s.unsettled IS NULL" \
    " AND s.sent_seq IS NULL AND s.todo IS NULL AND (s.aside_seq IS NULL OR s.aside_seq <> d.seq)))"

/* The server has, or may have, a live state of the document that is stored here as another one. */
#define KNOWN \
    "(s.sent_seq IS NOT NULL OR s.lost_seq IS NOT NULL OR EXISTS(SELECT 1 FROM kept b" \
    "  WHERE b.id = s.base AND b.flags & 1 = 0))"

/* The server has the document, as far as it is known: the newest state that came of it is live, and
 * is one that the endpoint of this version has shown. */
#define SHOWN(endpoint) \
    "CASE WHEN s.unsettled IS NOT NULL THEN u.flags & 1 = 0" \
    " WHEN ifnull(s.version, 0) <> " endpoint " THEN 0" \
    " WHEN s.base IS NOT NULL THEN b.flags & 1 = 0" \
    " ELSE s.clean_seq IS NOT NULL AND s.clean_seq = d.seq AND d.flags & 1 = 0 END"

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

/* The state `d` is in step in every replication that was seen after `since`, and not set aside. */
#define PASSED(since) \
    "NOT EXISTS (SELECT 1 FROM replication_collection rc JOIN replication r" \
    "  ON r.id = rc.replication LEFT JOIN state s ON s.doc = d.number AND s.replication = r.id" \
    "  WHERE rc.coll = d.coll AND r.seen >= " since " AND " OF("r.keys", "r.filter") \
    "  AND (s.doc IS NULL OR s.clean_seq IS NULL OR s.clean_seq <> d.seq" \
    "  OR s.sent_seq IS NOT NULL OR s.unsettled IS NOT NULL" \
    "  OR s.todo IS NOT NULL OR s.aside_seq = d.seq))" \
    " AND NOT EXISTS (SELECT 1 FROM aside a WHERE a.coll = d.coll AND a.doc = d.id)"

/* The document and the replications that have it, up to their conditions. */
#define ELSEWHERE_KNOWN \
    " FROM doc d JOIN state s ON s.doc = d.number JOIN replication r ON r.id = s.replication" \
    " WHERE (s.server_seq IS NOT NULL OR (s.clean_seq = d.seq AND ifnull(r.one_feed, 0) = 0))" \
    " AND (r.keys IS NULL OR replica_in_keys(r.keys, d.id)) AND "

static const char *const texts[] = {
    [REPLICA__SQL_BEGIN] = "BEGIN IMMEDIATE",
    [REPLICA__SQL_COMMIT] = "COMMIT",
    [REPLICA__SQL_READ] = "BEGIN",
    [REPLICA__SQL_SAVEPOINT] = "SAVEPOINT part",
    [REPLICA__SQL_SAVEPOINT_RELEASE] = "RELEASE part",
    [REPLICA__SQL_SAVEPOINT_UNDO] = "ROLLBACK TO part",
    [REPLICA__SQL_DATA_VERSION] = "PRAGMA data_version",
    /* A document's number can be purged, an opening's beginning cannot. */
    [REPLICA__SQL_HEAD] =
        "SELECT max(ifnull((SELECT max(begin) FROM token), 0),"
        " ifnull((SELECT max((SELECT seq FROM doc WHERE coll = c.id ORDER BY seq DESC LIMIT 1))"
        "         FROM collection c), 0))",
    [REPLICA__SQL_RANGES] = "SELECT replication, coll, sent_from, sent_to FROM feed",
    [REPLICA__SQL_ANY] =
        "SELECT EXISTS(SELECT 1 FROM aside) + 2 * EXISTS(SELECT 1 FROM idx)"
        " + 4 * EXISTS(SELECT 1 FROM idx WHERE built IS NOT NULL OR coll = 0)"
        " + 8 * EXISTS(SELECT 1 FROM member)"
        " + 16 * EXISTS(SELECT 1 FROM lock WHERE holder IS NOT NULL)",
    [REPLICA__SQL_STAMP_READ] = "SELECT value FROM number WHERE name = 'stamp'",
    [REPLICA__SQL_STAMP_STORE] =
        "INSERT INTO number(name, value) VALUES('stamp', ?1)"
        " ON CONFLICT(name) DO UPDATE SET value = excluded.value",
    [REPLICA__SQL_WORDS_GET] = "SELECT value FROM number WHERE name = 'words'",
    [REPLICA__SQL_WORDS_LEFT] =
        "INSERT INTO number(name, value) VALUES('words', 1)"
        " ON CONFLICT(name) DO UPDATE SET value = value + 1",
    [REPLICA__SQL_WORDS_DONE] = "DELETE FROM number WHERE name = 'words'",

    [REPLICA__SQL_TOKEN_FIND] = "SELECT id FROM token WHERE text = ?1",
    [REPLICA__SQL_TOKEN_ADD] = "INSERT INTO token(text) VALUES(?1)",
    [REPLICA__SQL_TOKEN_TEXT] = "SELECT text FROM token WHERE id = ?1",
    [REPLICA__SQL_TOKEN_BEGIN] = "UPDATE token SET begin = ?2 WHERE id = ?1 AND begin IS NULL",
    /* Where an opening began, and where the next one did. */
    [REPLICA__SQL_TOKEN_END] =
        "SELECT t.begin, (SELECT n.begin FROM token n WHERE n.begin IS NOT NULL AND n.id > t.id"
        "                 ORDER BY n.id LIMIT 1)"
        " FROM token t WHERE t.text = ?1 AND t.begin IS NOT NULL",
    [REPLICA__SQL_TOKEN_SERVING] = "SELECT text FROM token WHERE begin IS NOT NULL"
        " ORDER BY id DESC LIMIT 1",
    [REPLICA__SQL_COLL_FIND] = "SELECT id, key, version,"
        " ifnull(unmigrated, -1), ifnull(oldest, version), schema IS NOT NULL FROM collection"
        " WHERE name = ?1",
    [REPLICA__SQL_COLL_ADD] =
        "INSERT INTO collection(name, key, version, schema) VALUES(?1, ?2, ?3, ?4)",
    [REPLICA__SQL_COLL_RAISE] =
        "UPDATE collection SET version = ?2,"
        " oldest = CASE WHEN unmigrated IS NULL AND NOT EXISTS(SELECT 1 FROM aside WHERE coll = ?1"
        "  AND replication = 0) THEN version ELSE min(ifnull(oldest, version), version) END,"
        " unmigrated = CASE WHEN EXISTS(SELECT 1 FROM doc WHERE coll = ?1) THEN 0 END"
        " WHERE id = ?1",
    [REPLICA__SQL_COLL_VERSIONS] =
        "SELECT id, version, ifnull(unmigrated, -1), reads FROM collection",
    [REPLICA__SQL_COLL_SCHEMA] = "SELECT schema FROM collection WHERE id = ?1",
    [REPLICA__SQL_COLL_SET_SCHEMA] = "UPDATE collection SET schema = ?2 WHERE id = ?1",
    [REPLICA__SQL_COLL_LIST] = "SELECT name FROM collection ORDER BY name",
    [REPLICA__SQL_COLL_COUNT] = "SELECT count(*) FROM doc WHERE coll = ?1 AND flags & 1 = 0",
    [REPLICA__SQL_COLL_NAME] = "SELECT name FROM collection WHERE id = ?1",
    [REPLICA__SQL_COLL_READS] = "SELECT reads FROM collection WHERE id = ?1",
    [REPLICA__SQL_COLL_SET_READS] = "UPDATE collection SET reads = ?2 WHERE id = ?1",

    [REPLICA__SQL_DOC_GET] = "SELECT " DOC_COLUMNS " FROM doc WHERE coll = ?1 AND id = ?2",
    [REPLICA__SQL_DOC_BY_NUMBER] = "SELECT " DOC_COLUMNS " FROM doc WHERE number = ?1",
    [REPLICA__SQL_DOC_KEY] = "SELECT seq, coll, id FROM doc WHERE number = ?1",
    [REPLICA__SQL_DOC_SEQ] = "SELECT seq, coll, version, flags, stamp FROM doc WHERE number = ?1",
    [REPLICA__SQL_DOC_INSERT] =
        "INSERT INTO doc(coll, id, seq, height, opening, flags, stamp, writer, wseq, bundle,"
        " version, body) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
        " ON CONFLICT(coll, id) DO NOTHING",
    [REPLICA__SQL_DOC_UPDATE] =
        "UPDATE doc SET seq = ?2, height = ?3, opening = ?4, flags = ?5, stamp = ?6, writer = ?7,"
        " wseq = ?8, bundle = ?9, version = ?10, body = ?11 WHERE number = ?1",
    [REPLICA__SQL_DOC_ALL] =
        "SELECT " DOC_COLUMNS " FROM doc WHERE coll = ?1 AND id > ?2 AND flags & 1 = 0"
        " ORDER BY id LIMIT ?3",
    [REPLICA__SQL_DOC_FEED] =
        "SELECT " DOC_COLUMNS " FROM doc WHERE coll = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
    [REPLICA__SQL_DOC_FEED_KEYS] =
        "SELECT seq, number FROM doc WHERE coll = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
    /* Without tombstones up to ?4: the index alone tells. */
    [REPLICA__SQL_DOC_FRESH] =
        "SELECT " DOC_COLUMNS " FROM doc WHERE coll = ?1 AND seq > ?2"
        " AND (flags & 1 = 0 OR seq > ?4) ORDER BY seq LIMIT ?3",
    [REPLICA__SQL_DOC_FRESH_KEYS] =
        "SELECT seq, number FROM doc WHERE coll = ?1 AND seq > ?2"
        " AND (flags & 1 = 0 OR seq > ?4) ORDER BY seq LIMIT ?3",
    [REPLICA__SQL_DOC_FEED_OF_KEYS] =
        "SELECT seq, number FROM doc WHERE coll = ?1 AND seq > ?2 AND seq <= ?4"
        " AND (flags & 1 = 0 OR seq > ?6) AND replica_in_keys(?5, id) ORDER BY seq LIMIT ?3",
    [REPLICA__SQL_DOC_FEED_BEYOND] =
        "SELECT 1 FROM doc WHERE coll = ?1 AND seq > ?2 ORDER BY seq LIMIT 1 OFFSET ?3",
    [REPLICA__SQL_DOC_FEED_COUNT] =
        "SELECT count(*) FROM doc WHERE coll = ?1 AND seq > ?2 AND (flags & 1 = 0 OR seq > ?3)",
    [REPLICA__SQL_DOC_FEED_RISEN] =
        "SELECT count(*) FROM doc d WHERE coll = ?1 AND seq > ?2"
        " AND (flags & 1 = 0 OR seq > ?3) AND " RISEN("?4"),
    [REPLICA__SQL_RANGE_KEYS] =
        "SELECT id, seq, flags, version FROM doc WHERE coll = ?1 AND id >= ?2 ORDER BY id",
    [REPLICA__SQL_RANGE_TEXTS] =
        "SELECT " DOC_COLUMNS " FROM doc WHERE coll = ?1 AND id >= ?2 ORDER BY id",
    [REPLICA__SQL_DOC_PASSED] =
        "SELECT 1 FROM doc d WHERE d.number = ?1 AND d.seq = ?2 AND " PASSED("?3"),
    [REPLICA__SQL_DOC_HIGHEST] = "SELECT max(number) FROM doc",
    [REPLICA__SQL_TAKEN_FIND] = "SELECT wseq FROM taken WHERE doc = ?1 AND token = ?2",
    [REPLICA__SQL_TAKEN_PUT] =
        "INSERT INTO taken(doc, token, wseq) VALUES(?1, ?2, ?3)"
        " ON CONFLICT(doc, token) DO UPDATE SET wseq = max(wseq, excluded.wseq)",
    [REPLICA__SQL_MEMBER_PUT] =
        "INSERT OR REPLACE INTO member(bundle, doc, seq, firm) VALUES(?1, ?2, ?3, ?4)",
    [REPLICA__SQL_MEMBER_ANY] = "SELECT 1 FROM member WHERE bundle = ?1 LIMIT 1",
    [REPLICA__SQL_MEMBER_BEHIND] =
        "SELECT d.seq, d.number, d.coll, d.bundle FROM member m JOIN doc d ON d.number = m.doc"
        " WHERE m.bundle = ?1 AND d.seq > ?2",
    [REPLICA__SQL_MEMBER_BUNDLES] =
        "SELECT bundle FROM member WHERE doc = ?1 ORDER BY seq DESC LIMIT ?2",
    [REPLICA__SQL_MEMBER_NEXT] =
        "SELECT bundle FROM member WHERE bundle > ?1 ORDER BY bundle LIMIT 1",
    [REPLICA__SQL_MEMBER_OF_USE] =
        "SELECT 1 FROM member m JOIN doc d ON d.number = m.doc WHERE m.bundle = ?1"
        " AND (d.bundle = ?1 OR EXISTS(SELECT 1 FROM replication_collection rc"
        "  JOIN replication r ON r.id = rc.replication LEFT JOIN state s"
        "  ON s.doc = m.doc AND s.replication = rc.replication WHERE rc.coll = d.coll"
        "  AND m.seq > ifnull(s.clean_seq, 0) AND " OF("r.keys", "r.filter") ") OR m.seq > ?2)"
        " LIMIT 1",
    [REPLICA__SQL_MEMBER_DROP] = "DELETE FROM member WHERE bundle = ?1",
    [REPLICA__SQL_MEMBER_GROUP] =
        "WITH RECURSIVE g(doc, seq, bundle) AS ("
        "SELECT d.number, " LEFT ", NULL FROM doc d"
        "  LEFT JOIN state s ON s.doc = d.number AND s.replication = ?2 WHERE d.number = ?1"
        " UNION SELECT NULL, NULL, m.bundle FROM g CROSS JOIN member m ON m.doc = g.doc"
        "  LEFT JOIN state s ON s.doc = m.doc AND s.replication = ?2 WHERE " OPEN
        " UNION SELECT d.number, " LEFT ", NULL FROM g CROSS JOIN member m ON m.bundle = g.bundle"
        "  CROSS JOIN doc d ON d.number = m.doc"
        "  LEFT JOIN state s ON s.doc = m.doc AND s.replication = ?2"
        "  WHERE " OPEN " AND d.seq <> ifnull(s.clean_seq, 0)"
        "   AND (?3 = 0 OR d.coll = ?3) AND " OF_REPLICATION("?2")
        "   AND EXISTS(SELECT 1 FROM replication_collection rc"
        "    WHERE rc.replication = ?2 AND rc.coll = d.coll))"
        " SELECT doc, seq, bundle, EXISTS(SELECT 1 FROM member m WHERE m.bundle = g.bundle"
        "  AND m.firm) FROM g",

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
    [REPLICA__SQL_STATE_MARKERS] =
        "SELECT t.text, max(s.server_seq) AS m FROM state s JOIN token t ON t.id = s.incarnation"
        " WHERE s.replication = ?1 AND s.server_seq IS NOT NULL AND t.text <> ?2"
        " GROUP BY s.incarnation ORDER BY m DESC LIMIT ?3",
    [REPLICA__SQL_STATE_REFS] =
        "SELECT base, sent, unsettled FROM state WHERE replication = ?1"
        " AND (base IS NOT NULL OR sent IS NOT NULL OR unsettled IS NOT NULL)",

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

    [REPLICA__SQL_INDEX_LIST] =
        "SELECT " INDEX_COLUMNS " FROM idx WHERE coll = ?1 ORDER BY name",
    [REPLICA__SQL_INDEX_GET] = "SELECT " INDEX_COLUMNS " FROM idx WHERE id = ?1 AND coll <> 0",
    /* What was dropped first: taking away is quick. */
    [REPLICA__SQL_INDEX_NEXT] =
        "SELECT id, coll FROM idx WHERE (built IS NOT NULL OR coll = 0)"
        " AND (?1 IS NULL OR coll = ?1) ORDER BY coll <> 0, id",
    [REPLICA__SQL_INDEX_ADD] =
        "INSERT INTO idx(coll, name, fields, flags, filter, built) VALUES(?1, ?2, ?3, ?4, ?5,"
        " CASE WHEN EXISTS(SELECT 1 FROM doc WHERE coll = ?1) THEN 0 END)",
    [REPLICA__SQL_INDEX_MARK] = "UPDATE idx SET flags = flags | ?2 WHERE id = ?1",
    [REPLICA__SQL_INDEX_BUILT] = "UPDATE idx SET built = ?2 WHERE id = ?1",
    [REPLICA__SQL_INDEX_UNBUILD] =
        "UPDATE idx SET built = built - 1 WHERE coll = ?1 AND built IS NOT NULL"
        " AND flags & 2 = 0", /* full text follows each write by itself */
    [REPLICA__SQL_INDEX_DROP] =
        "UPDATE idx SET coll = 0, name = CAST(id AS TEXT) WHERE id = ?1 AND coll <> 0",
    [REPLICA__SQL_INDEX_GONE] = "DELETE FROM idx WHERE id = ?1",
    [REPLICA__SQL_INDEX_DOCS] =
        "SELECT number, flags, id, body FROM doc WHERE number > ?1 AND number <= ?2 AND +coll = ?3"
        " ORDER BY number",
    [REPLICA__SQL_INDEX_CHANGED] = "SELECT number FROM doc WHERE coll = ?1 AND seq > ?2",
    [REPLICA__SQL_ENTRY_ADD] = "INSERT OR IGNORE INTO entry(idx, key, doc) VALUES(?1, ?2, ?3)",
    [REPLICA__SQL_ENTRY_DROP] = "DELETE FROM entry WHERE idx = ?1 AND key = ?2 AND doc = ?3",
    [REPLICA__SQL_ENTRY_DOCS] =
        "SELECT doc FROM entry WHERE idx = ?1 AND key >= ?2 AND key < ?3",
    [REPLICA__SQL_ENTRY_IDS] =
        "SELECT d.id FROM entry e CROSS JOIN doc d ON d.number = e.doc"
        " WHERE e.idx = ?1 AND e.key >= ?2 AND e.key < ?3",
    [REPLICA__SQL_ENTRY_NTH] =
        "SELECT key FROM entry WHERE idx = ?1 ORDER BY key LIMIT 1 OFFSET ?2",
    [REPLICA__SQL_ENTRY_CUT] = "DELETE FROM entry WHERE idx = ?1 AND key < ?2",

    [REPLICA__SQL_REPL_ABOUT] = "SELECT keys, filter FROM replication WHERE id = ?1",
    [REPLICA__SQL_REPL_WANTS] = "SELECT filter IS NULL OR replica_match(filter, ?2)"
        " FROM replication WHERE id = ?1",
    [REPLICA__SQL_REPL_SET_ABOUT] =
        "UPDATE replication SET keys = ?2, filter = ?3 WHERE id = ?1",
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
    [REPLICA__SQL_STATE_ORPHANS] =
        "SELECT s.doc, s.replication FROM state s"
        " WHERE NOT EXISTS(SELECT 1 FROM doc d WHERE d.number = s.doc)",
    [REPLICA__SQL_STATE_DROP] = "DELETE FROM state WHERE doc = ?1 AND replication = ?2",
    /* And whether they are what it is about. */
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
    [REPLICA__SQL_REPL_IN_STEP] =
        "SELECT d.number, d.coll, ifnull((r.keys IS NULL OR replica_in_keys(r.keys, d.id)) AND"
        " (r.filter IS NULL OR replica_match(r.filter, d.body)), 0) FROM replication r"
        " CROSS JOIN state s ON s.replication = r.id CROSS JOIN doc d ON d.number = s.doc"
        " WHERE r.id = ?1 AND s.doc > ?2 AND s.clean_seq = d.seq AND d.flags & 1 = 0"
        " AND (?4 = 0 OR d.coll = ?4) ORDER BY s.doc LIMIT ?3",
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
    [REPLICA__SQL_WAS_PUT] =
        "INSERT OR REPLACE INTO was(doc, until, fields) VALUES(?1, ?2, ?3)",
    [REPLICA__SQL_WAS_SAME] = "DELETE FROM was WHERE doc = ?1 AND fields = ?2",
    [REPLICA__SQL_WAS_LIST] =
        "SELECT fields FROM was WHERE doc = ?1 AND until > ?2 ORDER BY until DESC",
    [REPLICA__SQL_WAS_NEXT] =
        "SELECT max(doc) FROM (SELECT DISTINCT doc FROM was WHERE doc > ?1 ORDER BY doc LIMIT ?2)",
    [REPLICA__SQL_WAS_TRIM] =
        "DELETE FROM was WHERE doc > ?3 AND doc <= ?4 AND until <= ?2"
        " AND (SELECT coll FROM doc WHERE number = was.doc) = ?1",
    [REPLICA__SQL_WAS_DROP] = "DELETE FROM was WHERE doc = ?1",
    [REPLICA__SQL_HISTORY_GET] = "SELECT value FROM number WHERE name = 'history ' || ?1",
    [REPLICA__SQL_HISTORY_SET] =
        "INSERT INTO number(name, value) VALUES('history ' || ?1, ?2)"
        " ON CONFLICT(name) DO UPDATE SET value = excluded.value",
    [REPLICA__SQL_HISTORY_ADD] =
        "INSERT OR IGNORE INTO history(doc, seq, height, kept) VALUES(?1, ?2, ?3, ?4)",
    [REPLICA__SQL_HISTORY_LIST] =
        "SELECT seq, height, kept FROM history WHERE doc = ?1 AND seq < ?2 ORDER BY seq DESC"
        " LIMIT 1",
    [REPLICA__SQL_HISTORY_BEYOND] =
        "SELECT seq, kept FROM history WHERE doc = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2",
    [REPLICA__SQL_HISTORY_DROP] = "DELETE FROM history WHERE doc = ?1 AND seq = ?2",
    [REPLICA__SQL_ASIDE_PUT] =
        "INSERT INTO aside(replication, coll, doc, kind, code, reason, time, text)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
        " ON CONFLICT(coll, doc, replication) WHERE kind <> 5 DO UPDATE SET kind = excluded.kind,"
        " code = excluded.code, reason = excluded.reason, time = excluded.time,"
        " text = excluded.text",
    [REPLICA__SQL_ASIDE_DROP] =
        "DELETE FROM aside WHERE coll = ?1 AND doc = ?2 AND replication = ?3"
        " AND kind = ifnull(?4, kind) AND (kind <> 5 OR ?4 = 5)",
    /* Texts that came and could not be applied; not where a local state is set aside, too. */
    [REPLICA__SQL_ASIDE_UNKNOW] =
        "DELETE FROM aside WHERE replication = ?1 AND coll = ?2 AND kind = ?3 AND NOT EXISTS("
        "SELECT 1 FROM doc d JOIN state s ON s.doc = d.number AND s.replication = ?1"
        " WHERE d.coll = aside.coll AND d.id = aside.doc AND s.aside_seq = d.seq)",
    [REPLICA__SQL_ASIDE_LIST] =
        "SELECT id, replication, coll, doc, kind, code, reason, time, text"
        " FROM aside WHERE id > ?1 AND (?2 IS NULL OR coll = ?2) ORDER BY id LIMIT 1",
    [REPLICA__SQL_ASIDE_GET] = "SELECT replication, coll, doc, kind FROM aside WHERE id = ?1",
    [REPLICA__SQL_ASIDE_TEXT] = "SELECT text FROM aside WHERE id = ?1",
    [REPLICA__SQL_ASIDE_OF] = "SELECT 1 FROM aside WHERE coll = ?1 AND doc = ?2"
                              " AND replication = ?3 AND kind = ?4",
    [REPLICA__SQL_ASIDE_KIND] =
        "SELECT a.kind FROM doc d JOIN aside a ON a.coll = d.coll AND a.doc = d.id"
        " AND a.replication = ?2 AND a.kind <> 5 WHERE d.number = ?1",
    [REPLICA__SQL_ASIDE_DELETE] = "DELETE FROM aside WHERE id = ?1",

    /* Some numbers at a time, so that a look over another collection's documents is short, too. */
    [REPLICA__SQL_EVENT_ADD] =
        "INSERT INTO event(address, payload, time, origin, total) SELECT ?1, ?2, ?3, ?4,"
        " ?5 + ifnull((SELECT total FROM event ORDER BY id DESC LIMIT 1), 0)",
    [REPLICA__SQL_EVENT_TRIM] =
        "DELETE FROM event WHERE id IN (SELECT id FROM event ORDER BY id LIMIT 64)"
        " AND (id <= (SELECT max(id) FROM event) - ?1 OR time < ?3 OR time > ?4"
        "  OR total <= (SELECT total FROM event ORDER BY id DESC LIMIT 1) - ?2)",
    [REPLICA__SQL_EVENT_NEXT] =
        "SELECT id, address, payload, time, origin FROM event WHERE id > ?1 ORDER BY id",
    [REPLICA__SQL_EVENT_HEAD] =
        "SELECT ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0)",
    /* Names of numbers: "listen " and the pattern. */
    [REPLICA__SQL_LISTEN_PUT] =
        "INSERT INTO number(name, value) VALUES('listen ' || ?1, ?2)"
        " ON CONFLICT(name) DO UPDATE SET value = excluded.value",
    [REPLICA__SQL_LISTEN_LIST] =
        "SELECT substr(name, 8) FROM number WHERE name >= 'listen ' AND name < 'listen!'"
        " AND value BETWEEN ?1 AND ?2 ORDER BY name",
    [REPLICA__SQL_LISTEN_SWEEP] =
        "DELETE FROM number WHERE name >= 'listen ' AND name < 'listen!'"
        " AND value NOT BETWEEN ?1 AND ?2",
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

    [REPLICA__SQL_LOCK_GET] = "SELECT " LOCK_COLUMNS " FROM lock WHERE coll = ?1 AND key = ?2",
    [REPLICA__SQL_LOCK_PUT] =
        "INSERT OR REPLACE INTO lock(" LOCK_COLUMNS ")"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [REPLICA__SQL_LOCK_FLOOR] = "SELECT value FROM number WHERE name = 'fence'",
    [REPLICA__SQL_LOCK_RAISE] =
        "INSERT INTO number(name, value) SELECT 'fence', highest FROM (SELECT max(fence) AS highest"
        " FROM lock WHERE until < ?1 AND replication IS NULL) WHERE highest IS NOT NULL"
        " ON CONFLICT(name) DO UPDATE SET value = max(value, excluded.value)",
    [REPLICA__SQL_LOCK_TRIM] = "DELETE FROM lock WHERE until < ?1 AND replication IS NULL",
    [REPLICA__SQL_LOCK_LIST] =
        "SELECT " LOCK_COLUMNS ", place FROM (SELECT l.*, coalesce(c.name, '') AS place"
        " FROM lock l LEFT JOIN collection c ON c.id = l.coll WHERE l.holder IS NOT NULL)"
        " WHERE (place, key) > (?1, ?2) ORDER BY place, key LIMIT ?3",
    [REPLICA__SQL_LOCK_OF_REPL] =
        "SELECT " LOCK_COLUMNS " FROM lock WHERE replication = ?1 AND (coll, key) > (?2, ?3)"
        " ORDER BY coll, key LIMIT 1",
    [REPLICA__SQL_LOCK_ANY_FENCE] =
        "SELECT EXISTS(SELECT 1 FROM lock WHERE replication = ?1 AND server_fence IS NOT NULL)",
    [REPLICA__SQL_LOCK_FORGET] =
        "UPDATE lock SET replication = NULL, server_fence = NULL, server_until = NULL"
        " WHERE replication = ?1",
    [REPLICA__SQL_LOCK_LEAVE] =
        "UPDATE lock SET until = min(until, ?2 + min(ttl, ?3)) WHERE holder = ?1 AND state = 1",
    [REPLICA__SQL_LOCK_BACK] =
        "UPDATE lock SET until = ?2 + ttl WHERE holder = ?1 AND state = 1 AND until > ?2"
        " AND until <= ?2 + min(ttl, ?3)",
    [REPLICA__SQL_LOCK_REPLS] =
        "SELECT r.id, r.name FROM replication r WHERE ?1 = 0 OR EXISTS (SELECT 1"
        " FROM replication_collection rc WHERE rc.replication = r.id AND rc.coll = ?1)"
        " ORDER BY r.id",

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
_Static_assert(sizeof texts / sizeof texts[0] == REPLICA__SQL_COUNT, "a statement has no text");

static int code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_NOMEM: return REPLICA_ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return REPLICA_EBUSY;
    case SQLITE_FULL: return REPLICA_EFULL;
    case SQLITE_READONLY:
    case SQLITE_PERM: return REPLICA_EREADONLY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return REPLICA_ECORRUPT;
    case SQLITE_TOOBIG: return REPLICA_ELIMIT;
    default: return REPLICA_EIO;
    }
}

int replica__sql_error_of(sqlite3 *sqlite, int rc, replica_error *err)
{
    int extended = sqlite ? sqlite3_extended_errcode(sqlite) : rc;

    /* The connection's words belong to its last call, which may not be the one that failed. */
    if ((extended & 0xff) == (rc & 0xff))
        return replica__error_set(err, code_of(rc), extended, "SQLite: %s",
                                  sqlite3_errmsg(sqlite));
    return replica__error_set(err, code_of(rc), rc, "SQLite: %s", sqlite3_errstr(rc));
}

int replica__sql_error(replica_db *db, int rc, replica_error *err)
{
    return replica__sql_error_of(db->sqlite, rc, err);
}

int replica__sql_get(replica_db *db, enum replica__sql which, sqlite3_stmt **ret_stmt,
                     replica_error *err)
{
    sqlite3_stmt **slot = &db->statements[which];

    assert(!*ret_stmt);
    if (!*slot) {
        int rc = sqlite3_prepare_v3(db->sqlite, texts[which], -1, SQLITE_PREPARE_PERSISTENT, slot,
                                    NULL);

        if (rc != SQLITE_OK)
            return replica__sql_error(db, rc, err);
    }
    assert(!sqlite3_stmt_busy(*slot)); /* nobody above us is using it */
    *ret_stmt = *slot;
    return 0;
}

int replica__sql_own(replica_db *db, enum replica__sql which, sqlite3_stmt **ret_stmt,
                     replica_error *err)
{
    int rc = sqlite3_prepare_v2(db->sqlite, texts[which], -1, ret_stmt, NULL);

    return rc == SQLITE_OK ? 0 : replica__sql_error(db, rc, err);
}

int replica__sql_step_of(sqlite3 *sqlite, sqlite3_stmt *stmt, int rc, replica_error *err)
{
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        return 1;
    if (rc == SQLITE_DONE)
        return 0;
    return replica__sql_error_of(sqlite, rc, err);
}

int replica__sql_step(replica_db *db, sqlite3_stmt *stmt, int rc, replica_error *err)
{
    return replica__sql_step_of(db->sqlite, stmt, rc, err);
}

int replica__sql_run(replica_db *db, enum replica__sql which, replica_error *err, int n, ...)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    va_list values;
    int r = replica__sql_get(db, which, &stmt, err);

    if (r < 0)
        return r;
    va_start(values, n);
    for (int i = 1; i <= n; i++)
        replica__bind_int(stmt, i, va_arg(values, int64_t), &rc);
    va_end(values);
    return replica__sql_step(db, stmt, rc, err);
}

int replica__sql_int(replica_db *db, enum replica__sql which, int64_t *ret, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int r = replica__sql_get(db, which, &stmt, err);

    if (r >= 0)
        r = replica__sql_step(db, stmt, SQLITE_OK, err);
    if (r < 0)
        return r;
    *ret = r > 0 ? sqlite3_column_int64(stmt, 0) : 0;
    return 0;
}

int replica__sql_script(replica_db *db, const char *script, replica_error *err)
{
    int rc = sqlite3_exec(db->sqlite, script, NULL, NULL, NULL);

    return rc == SQLITE_OK ? 0 : replica__sql_error(db, rc, err);
}

void replica__bind_int(sqlite3_stmt *stmt, int at, int64_t value, int *rc)
{
    if (*rc == SQLITE_OK)
        *rc = sqlite3_bind_int64(stmt, at, value);
}

void replica__bind_int_or_null(sqlite3_stmt *stmt, int at, int64_t value, int *rc)
{
    if (*rc == SQLITE_OK)
        *rc = value ? sqlite3_bind_int64(stmt, at, value) : sqlite3_bind_null(stmt, at);
}

void replica__bind_text(sqlite3_stmt *stmt, int at, const char *text, size_t len, int *rc)
{
    if (*rc != SQLITE_OK)
        return;
    if (len == REPLICA_NUL)
        *rc = sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
    else
        *rc = sqlite3_bind_text64(stmt, at, text, len, SQLITE_STATIC, SQLITE_UTF8);
}

void replica__sql_reset(sqlite3_stmt **stmt)
{
    if (!*stmt)
        return;
    sqlite3_reset(*stmt);
    *stmt = NULL;
}

void replica__sql_finish(replica_db *db)
{
    for (int i = 0; i < REPLICA__SQL_COUNT; i++) {
        sqlite3_finalize(db->statements[i]);
        db->statements[i] = NULL;
    }
}

/* What is asked of transactions, collections and documents, and of what documents were. */
#include "libreplica/statements/conditions.h"
#include "libreplica/statements/tables.h"

#define DOC_COLUMNS \
    "number, coll, id, seq, height, opening, flags, stamp, writer, wseq, bundle, version, body"

/* What member m of a bundle was written with is not in step in the replication of s, or (?4) left
 * with it and has no verdict. */
#define OPEN \
    "m.seq > ifnull(s.clean_seq, 0) AND CASE WHEN ?4 THEN m.seq <= s.sent_seq ELSE 1 END"

/* What goes out of it: what is stored, or (?4) what left before. */
#define LEFT "CASE WHEN ?4 THEN s.sent_seq ELSE d.seq END"

const char *const replica__statements_documents[REPLICA__SQL_COUNT] = {
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
};

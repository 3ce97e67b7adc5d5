/* What is asked of the rows that a file has beside its documents: indexes, locks, events. */
#include "libreplica/statements/tables.h"

#define INDEX_COLUMNS "id, name, fields, flags, filter, built, coll"
#define LOCK_COLUMNS \
    "coll, key, holder, name, fence, ttl, until, replication, server_fence, server_until, state"

const char *const replica__statements_beside[REPLICA__SQL_COUNT] = {
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
};

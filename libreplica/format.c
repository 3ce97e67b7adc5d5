#include "libreplica/format.h"

#include "libreplica/db.h"
#include "libreplica/txn.h"

/* Version 1: what a new file begins with. */
static const char tables[] =
    "CREATE TABLE token(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, begin INTEGER);"
    "CREATE TABLE collection("
    "  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, key TEXT NOT NULL,"
    "  version INTEGER NOT NULL);"
    /* The body comes last: what is before it is read without its overflow pages. */
    "CREATE TABLE doc("
    "  number INTEGER PRIMARY KEY, coll INTEGER NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL,"
    "  height INTEGER NOT NULL, opening INTEGER NOT NULL, flags INTEGER NOT NULL,"
    "  stamp INTEGER NOT NULL, writer INTEGER, wseq INTEGER, bundle TEXT,"
    "  version INTEGER NOT NULL, body TEXT NOT NULL);"
    "CREATE UNIQUE INDEX doc_id ON doc(coll, id);"
    "CREATE UNIQUE INDEX doc_feed ON doc(coll, seq);"
    /* What a server took from each opening; the newest is in the document's own row. */
    "CREATE TABLE taken("
    "  doc INTEGER NOT NULL, token INTEGER NOT NULL, wseq INTEGER NOT NULL,"
    "  PRIMARY KEY(doc, token)) WITHOUT ROWID;"
    "CREATE TABLE kept("
    "  id INTEGER PRIMARY KEY, refs INTEGER NOT NULL, flags INTEGER NOT NULL,"
    "  version INTEGER NOT NULL, incarnation INTEGER, server_seq INTEGER, opening INTEGER,"
    "  stamp INTEGER, writer INTEGER, wseq INTEGER, bundle TEXT, body TEXT NOT NULL);"
    "CREATE TABLE replication("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, one_feed INTEGER,"
    "  seen INTEGER NOT NULL);"
    "CREATE TABLE replication_collection("
    "  replication INTEGER NOT NULL, coll INTEGER NOT NULL,"
    "  PRIMARY KEY(replication, coll)) WITHOUT ROWID;"
    "CREATE TABLE feed("
    "  replication INTEGER NOT NULL, coll INTEGER NOT NULL, checkpoint TEXT,"
    "  mark INTEGER NOT NULL, sent_from INTEGER NOT NULL, sent_to INTEGER NOT NULL,"
    "  common INTEGER NOT NULL,"
    "  PRIMARY KEY(replication, coll)) WITHOUT ROWID;"
    "CREATE TABLE state("
    "  doc INTEGER NOT NULL, replication INTEGER NOT NULL, clean_seq INTEGER,"
    "  incarnation INTEGER, server_seq INTEGER, base INTEGER, sent_seq INTEGER, sent INTEGER,"
    "  unsettled INTEGER, rounds INTEGER, todo INTEGER, aside_seq INTEGER, lost_seq INTEGER,"
    "  PRIMARY KEY(doc, replication)) WITHOUT ROWID;"
    "CREATE INDEX state_todo ON state(replication, doc) WHERE todo IS NOT NULL;"
    "CREATE INDEX state_unsettled ON state(replication, doc) WHERE unsettled IS NOT NULL;"
    "CREATE TABLE conflict_log("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, replication INTEGER NOT NULL, coll INTEGER NOT NULL,"
    "  doc TEXT NOT NULL, time INTEGER NOT NULL, rule TEXT NOT NULL, assumed INTEGER,"
    "  real INTEGER NOT NULL, local INTEGER NOT NULL, result INTEGER);"
    "CREATE TABLE aside("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, replication INTEGER NOT NULL, coll INTEGER NOT NULL,"
    "  doc TEXT NOT NULL, kind INTEGER NOT NULL, code INTEGER NOT NULL, reason TEXT NOT NULL,"
    "  time INTEGER NOT NULL, text TEXT);"
    "CREATE UNIQUE INDEX aside_doc ON aside(coll, doc, replication);";

/* upgrades[v] makes version v + 1 of version v. */
static const char *const upgrades[] = {
    [1] =
        "ALTER TABLE collection ADD COLUMN schema TEXT;"
        "ALTER TABLE collection ADD COLUMN unmigrated INTEGER;"
        "ALTER TABLE collection ADD COLUMN oldest INTEGER;"
        "ALTER TABLE collection ADD COLUMN purged INTEGER;"
        "ALTER TABLE feed ADD COLUMN purged INTEGER;"
        "ALTER TABLE replication_collection ADD COLUMN version INTEGER;"
        "ALTER TABLE replication_collection ADD COLUMN confirmed INTEGER;"
        "ALTER TABLE state ADD COLUMN version INTEGER;"
        "UPDATE replication_collection SET (version, confirmed) ="
        "  (SELECT c.version, c.version FROM collection c WHERE c.id = coll);"
        "CREATE TABLE idx("
        "  id INTEGER PRIMARY KEY AUTOINCREMENT, coll INTEGER NOT NULL, name TEXT NOT NULL,"
        "  fields TEXT NOT NULL, flags INTEGER NOT NULL, filter TEXT, built INTEGER,"
        "  UNIQUE(coll, name));"
        "CREATE TABLE entry("
        "  idx INTEGER NOT NULL, key BLOB NOT NULL, doc INTEGER NOT NULL,"
        "  PRIMARY KEY(idx, key, doc)) WITHOUT ROWID;"
        "CREATE TABLE lease("
        "  replication INTEGER PRIMARY KEY, term INTEGER NOT NULL, asked INTEGER NOT NULL,"
        "  answered INTEGER NOT NULL, head INTEGER NOT NULL);",
    [2] =
        /* Which documents were written by a bundle, and firmly so. */
        "CREATE TABLE member("
        "  bundle TEXT NOT NULL, doc INTEGER NOT NULL, seq INTEGER NOT NULL, firm INTEGER NOT NULL,"
        "  PRIMARY KEY(bundle, doc)) WITHOUT ROWID;"
        "CREATE INDEX member_doc ON member(doc, seq);"
        "INSERT INTO member SELECT bundle, number, seq, 0 FROM doc WHERE bundle IS NOT NULL;"
        "CREATE TABLE lock("
        "  coll INTEGER NOT NULL, key TEXT NOT NULL, holder TEXT, name TEXT,"
        "  fence INTEGER NOT NULL, ttl INTEGER NOT NULL, until INTEGER NOT NULL,"
        "  replication INTEGER, server_fence INTEGER, server_until INTEGER,"
        "  state INTEGER NOT NULL, PRIMARY KEY(coll, key)) WITHOUT ROWID;"
        "CREATE INDEX lock_holder ON lock(holder) WHERE holder IS NOT NULL;"
        "CREATE INDEX lock_replication ON lock(replication) WHERE replication IS NOT NULL;"
        "CREATE TABLE event("
        "  id INTEGER PRIMARY KEY AUTOINCREMENT, address TEXT NOT NULL, payload TEXT NOT NULL,"
        "  time INTEGER NOT NULL, origin TEXT NOT NULL, total INTEGER NOT NULL);"
        "CREATE TABLE history("
        "  doc INTEGER NOT NULL, seq INTEGER NOT NULL, height INTEGER NOT NULL,"
        "  kept INTEGER NOT NULL,"
        "  PRIMARY KEY(doc, seq)) WITHOUT ROWID;"
        "CREATE INDEX conflict_log_doc ON conflict_log(coll, doc);"
        "CREATE TABLE number(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
        /* As each entry that is added or goes counts from now on. */
        "INSERT INTO number(name, value) SELECT 'log_bytes', ifnull(sum((SELECT"
        "  200 + ifnull(sum(length(CAST(body AS BLOB))), 0) FROM kept"
        "  WHERE id IN (assumed, real, local, result))), 0) FROM conflict_log;"
        "ALTER TABLE replication ADD COLUMN client TEXT;"
        "ALTER TABLE replication ADD COLUMN keys TEXT;",
    [3] =
        /* Where a reconciliation is, and up to where a new client needs no tombstones. */
        "ALTER TABLE feed ADD COLUMN reconcile TEXT;"
        "ALTER TABLE feed ADD COLUMN fresh INTEGER;"
        "ALTER TABLE replication ADD COLUMN filter TEXT;"
        /* Edits whose document was taken away stand beside what else is set aside of it. */
        "DROP INDEX aside_doc;"
        "CREATE INDEX aside_of ON aside(coll, doc, replication);"
        "CREATE UNIQUE INDEX aside_doc ON aside(coll, doc, replication) WHERE kind <> 5;"
        /* What other processes tell people of it. */
        "ALTER TABLE replication ADD COLUMN error TEXT;"
        "ALTER TABLE replication ADD COLUMN synced INTEGER;"
        "ALTER TABLE replication ADD COLUMN synced_head INTEGER;"
        "ALTER TABLE state ADD COLUMN waits TEXT;"
        "ALTER TABLE state ADD COLUMN left_seq INTEGER;"
        /* A server's access rules read these fields, and what they were before. */
        "ALTER TABLE collection ADD COLUMN reads TEXT;"
        /* Tombstones are passed over without a look at them. */
        "DROP INDEX doc_feed;"
        "CREATE UNIQUE INDEX doc_feed ON doc(coll, seq, flags);"
        /* The highest operation of an opening that was purged. */
        "ALTER TABLE token ADD COLUMN purged INTEGER;"
        "CREATE TABLE was("
        "  doc INTEGER NOT NULL, until INTEGER NOT NULL, fields TEXT NOT NULL,"
        "  PRIMARY KEY(doc, until)) WITHOUT ROWID;",
};
_Static_assert(sizeof upgrades / sizeof upgrades[0] == REPLICA__FORMAT_VERSION,
               "an upgrade is missing");

static int pragma_int(replica_db *db, const char *sql, int *ret, replica_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db->sqlite, sql, -1, &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    return rc == SQLITE_ROW ? 0 : replica__sql_error(db, rc, err);
}

/* In this order: another process may create the file meanwhile, in one transaction, and what is
 * read last then says so. */
static int read_marks(replica_db *db, int *objects, int *version, int *application,
                      replica_error *err)
{
    int r = pragma_int(db, "SELECT count(*) FROM sqlite_schema", objects, err);

    if (r >= 0)
        r = pragma_int(db, "PRAGMA user_version", version, err);
    return r < 0 ? r : pragma_int(db, "PRAGMA application_id", application, err);
}

/* The version of ours; 0: an empty file. */
static int look(replica_db *db, replica_error *err)
{
    int application = 0, version = 0, objects = 0;
    int r = read_marks(db, &objects, &version, &application, err);

    if (r >= 0 && application == REPLICA__APPLICATION_ID && version == 0) /* just now */
        r = read_marks(db, &objects, &version, &application, err);
    if (r < 0)
        return r;
    if (application == 0 && version == 0 && objects == 0)
        return 0;
    if (application != REPLICA__APPLICATION_ID)
        return replica__error_set(err, REPLICA_ECORRUPT, 0,
                                  "an SQLite database, but not one of libreplica");
    if (version > REPLICA__FORMAT_VERSION)
        return replica__error_set(err, REPLICA_EVERSION, version,
                                  "file format %d is newer than this library's %d", version,
                                  REPLICA__FORMAT_VERSION);
    if (version < 1)
        return replica__error_set(err, REPLICA_ECORRUPT, 0, "file format %d", version);
    return version;
}

static int set_version(replica_db *db, int version, replica_error *err)
{
    char mark[50];

    sqlite3_snprintf(sizeof mark, mark, "PRAGMA user_version = %d", version);
    return replica__sql_script(db, mark, err);
}

static int create(replica_db *db, replica_error *err)
{
    char mark[50];
    int r = replica__sql_script(db, tables, err);

    if (r < 0)
        return r;
    sqlite3_snprintf(sizeof mark, mark, "PRAGMA application_id = %d", REPLICA__APPLICATION_ID);
    return replica__sql_script(db, mark, err);
}

/* All steps to the newest version, in one transaction: nobody finds a new file half made.  Two
 * programs may begin it at once, and the second finds it done when it gets the lock. */
static int upgrade(replica_db *db, replica_error *err)
{
    int r = replica__sql_script(db, "BEGIN IMMEDIATE", err);
    int version;

    if (r < 0)
        return r;
    r = version = look(db, err);
    for (; r >= 0 && version < REPLICA__FORMAT_VERSION; version++)
        r = version ? replica__sql_script(db, upgrades[version], err) : create(db, err);
    if (r >= 0)
        r = set_version(db, REPLICA__FORMAT_VERSION, err);
    if (r >= 0)
        r = replica__sql_script(db, "COMMIT", err);
    if (r < 0)
        sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
    return r < 0 ? r : 0;
}

/* Copies that SQLite makes are in another mode.  The change needs the file alone, and SQLite
 * answers "busy" at once, without its busy handler, where two that change it at the same time would
 * wait for each other.  So the wait is here, and ends. */
static int set_wal(replica_db *db, replica_error *err)
{
    const struct replica__world *world = &replica__real_world;
    int64_t until = world->monotonic_ms(world->ctx) + db->busy_ms;
    int r;

    while ((r = replica__sql_script(db, "PRAGMA journal_mode = WAL", err)) == REPLICA_EBUSY &&
           world->monotonic_ms(world->ctx) < until)
        replica__os_sleep_us(500 + (int64_t)(world->random(world->ctx) % 2000));
    return r;
}

int replica__format_open(replica_db *db, replica_error *err)
{
    int version = look(db, err);
    int r = version;

    if (r == 0 && db->flags & REPLICA_DB_READ_ONLY)
        return replica__error_set(err, REPLICA_ECORRUPT, 0, "an empty file");
    if (r > 0 && r < REPLICA__FORMAT_VERSION && db->flags & REPLICA_DB_READ_ONLY)
        return replica__error_set(err, REPLICA_EVERSION, r,
                                  "file format %d is older than this library's %d, and can only be"
                                  " upgraded by opening it for writing", r,
                                  REPLICA__FORMAT_VERSION);
    if (r < 0 || db->flags & REPLICA_DB_READ_ONLY)
        return r < 0 ? r : 0;
    if (!db->memory) /* outside a transaction */
        r = set_wal(db, err);
    if (r >= 0 && version < REPLICA__FORMAT_VERSION)
        r = upgrade(db, err);
    return r < 0 ? r : 0;
}

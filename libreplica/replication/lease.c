#include "libreplica/replication/lease.h"

#include "libreplica/migrate/migrate.h"
#include "libreplica/replication/client.h"
#include "libreplica/replication/replication.h"
#include "libreplica/txn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOOK_MS 1000  /* from one look at the holder to the next */
#define MOVE_MS 2000  /* the holder's lock moves on */
#define STALE_MS 10000 /* a lock that has not moved for so long is that of one who has stopped */

/* Bytes of the file: so many for each term, in so many for each replication. */
#define BITS 20
#define MASK ((INT64_C(1) << BITS) - 1)

static int64_t place(const struct replica__replication *repl, int64_t term, int64_t beat)
{
    return ((repl->number & MASK) << 2 * BITS) | (term & MASK) << BITS | (beat & MASK);
}

static int64_t now_ms(const struct replica__replication *repl)
{
    const struct replica__world *world = repl->db->world;

    return world->monotonic_ms(world->ctx);
}

static int lock_failed(replica_error *err)
{
    return replica__error_set(err, REPLICA_EIO, errno, "the lease's lock failed: error %d", errno);
}

int replica__lease_file(replica_db *db, int *ret_locks, replica_error *err)
{
    const char *path = sqlite3_db_filename(db->sqlite, "main");
    char *name;
    int r;

    *ret_locks = -1;
    if (db->memory)
        return 0;
    name = sqlite3_mprintf("%s-lease", path); /* links are followed: one file, one lease */
    if (!name)
        return replica__enomem(err);
    r = replica__os_locks_open(name, path, ret_locks, err);
    sqlite3_free(name);
    return r;
}

int replica__lease_open(struct replica__replication *repl, replica_error *err)
{
    repl->lease = (struct replica__lease){ .locks = -1, .opened_term = -1, .seen_term = -1 };
    return replica__lease_file(repl->db, &repl->lease.locks, err);
}

void replica__lease_close(struct replica__replication *repl)
{
    replica__os_locks_close(repl->lease.locks);
    repl->lease.locks = -1;
}

/* ---- the row --------------------------------------------------------------------- */

static int read_row(struct replica__replication *repl, int64_t *ret_term,
                    struct replica__lease_asked *ret_asked, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__sql_get(repl->db, REPLICA__SQL_LEASE_GET, &stmt, err);

    *ret_term = 0;
    *ret_asked = (struct replica__lease_asked){ 0 };
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, repl->number, &rc);
    r = replica__sql_step(repl->db, stmt, rc, err);
    if (r <= 0)
        return r;
    *ret_term = sqlite3_column_int64(stmt, 0);
    ret_asked->asked = sqlite3_column_int64(stmt, 1);
    ret_asked->answered = sqlite3_column_int64(stmt, 2);
    ret_asked->head = sqlite3_column_int64(stmt, 3);
    return 1;
}

/* ---- the lock -------------------------------------------------------------------- */

/* Where the lock of another holder of this term is: 1; 0: there is none. */
static int find_lock(struct replica__replication *repl, int64_t term, int64_t *ret_at,
                     replica_error *err)
{
    int r = 0;

    if (repl->lease.locks >= 0 && term > 0)
        r = replica__os_locked(repl->lease.locks, place(repl, term, 0), MASK + 1, ret_at);
    return r < 0 ? lock_failed(err) : r;
}

static bool is_silent(const struct replica__lease *l, int64_t term, int64_t at)
{
    return l->seen_term == term && l->seen_at == at && l->silent_ms >= STALE_MS;
}

int replica__lease_is_others(struct replica__replication *repl, int64_t *ret_term,
                             replica_error *err)
{
    struct replica__lease_asked asked;
    int64_t at = 0;
    int r = read_row(repl, ret_term, &asked, err);

    if (r >= 0)
        r = find_lock(repl, *ret_term, &at, err);
    return r <= 0 ? r : !is_silent(&repl->lease, *ret_term, at);
}

/* Where in the file who replicates shows how far it is. */
static int64_t shown_at(int64_t number)
{
    return (number & 0xffff) * REPLICA__SHOWN;
}

/* The term, a space, JSON and a NUL. */
static void read_shown(struct replica__replication *repl, int64_t term, char ret[REPLICA__SHOWN])
{
    char block[REPLICA__SHOWN];
    long long of = 0;
    int behind = 0;

    ret[0] = '\0';
    if (!replica__os_locks_read(repl->lease.locks, shown_at(repl->number), block, sizeof block) ||
        block[sizeof block - 1] != '\0' || sscanf(block, "%lld %n", &of, &behind) != 1 ||
        of != term)
        return;
    memmove(ret, block + behind, strlen(block + behind) + 1);
}

int replica__lease_runs(replica_db *db, int64_t number, char ret[REPLICA__SHOWN],
                        replica_error *err)
{
    struct replica__replication repl = { .db = db, .number = number };
    struct replica__lease_asked asked;
    int64_t term = 0, at;
    int r = read_row(&repl, &term, &asked, err);

    ret[0] = '\0';
    if (r <= 0 || replica__lease_open(&repl, NULL) < 0)
        return r < 0 ? r : 0; /* who may not write beside the file cannot look, either */
    r = find_lock(&repl, term, &at, NULL);
    if (r > 0)
        read_shown(&repl, term, ret);
    replica__lease_close(&repl);
    return r > 0;
}

void replica__lease_show(const struct replica__replication *repl, const char *json)
{
    char block[REPLICA__SHOWN] = "";

    if (repl->lease.locks < 0 || !repl->lease.term)
        return;
    snprintf(block, sizeof block, "%lld %s", (long long)repl->lease.term, json);
    replica__os_locks_write(repl->lease.locks, shown_at(repl->number), block, sizeof block);
}

int replica__lease_look(struct replica__replication *repl, replica_error *err)
{
    struct replica__lease *l = &repl->lease;
    struct replica__lease_asked asked;
    int64_t term, at = 0, now = now_ms(repl);
    int r = read_row(repl, &term, &asked, err);

    if (r >= 0)
        r = find_lock(repl, term, &at, err);
    if (r <= 0)
        return r < 0 ? r : 1;
    if (l->seen_term != term || l->seen_at != at) {
        l->seen_term = term;
        l->seen_at = at;
        l->silent_ms = 0;
    } else {
        /* No more than one look is worth: who looks may have been stopped together with who is
         * looked at. */
        l->silent_ms += now - l->looked < 2 * LOOK_MS ? now - l->looked : LOOK_MS;
    }
    l->looked = now;
    return is_silent(l, term, at);
}

int64_t replica__lease_next(const struct replica__replication *repl)
{
    return repl->lease.term ? repl->lease.move_at : repl->lease.looked + LOOK_MS;
}

bool replica__lease_held(const struct replica__replication *repl)
{
    return repl->lease.term != 0;
}

static void unlock(struct replica__replication *repl)
{
    struct replica__lease *l = &repl->lease;

    if (l->locks >= 0 && l->last_term)
        replica__os_unlock(l->locks, place(repl, l->last_term, l->beat));
}

void replica__lease_release(struct replica__replication *repl)
{
    if (repl->lease.term)
        unlock(repl);
    repl->lease.term = 0;
}

/* The first byte of the term. */
static int lock(struct replica__replication *repl, int64_t term, replica_error *err)
{
    struct replica__lease *l = &repl->lease;
    int r = l->locks < 0 ? 1 : replica__os_lock(l->locks, place(repl, term, 0));

    if (r < 0)
        return lock_failed(err);
    if (r == 0) /* one that stopped a million terms ago */
        return replica__error_set(err, REPLICA_EBUSY, 0, "the lease's lock is taken");
    l->last_term = term;
    l->beat = 0;
    l->move_at = now_ms(repl) + MOVE_MS;
    return 0;
}

/* ---- taking and keeping it ------------------------------------------------------- */

/* Before its first term nothing tells whether it was removed meanwhile. */
static int write_term(struct replica__replication *repl, int64_t was, int64_t term,
                      replica_error *err)
{
    int r = 0;

    if (term != was)
        r = replica__sql_run(repl->db, REPLICA__SQL_LEASE_TAKE, err, repl->number, term);
    if (r >= 0 && (was == 0 || repl->lease.opened_term != was))
        r = replica__replication_taken(repl, err);
    if (r >= 0 && term != was)
        r = replica__client_begin(repl, err);
    return r;
}

int replica__lease_take(struct replica__replication *repl, bool *ret_same, replica_error *err)
{
    struct replica__lease *l = &repl->lease;
    REPLICA_TXN txn = NULL;
    int64_t was, term;
    bool same;
    int r = replica__txn_begin(repl->db, &txn, err);

    if (r >= 0)
        r = replica__lease_is_others(repl, &was, err);
    if (r != 0)
        return r < 0 ? r : 0;
    same = was > 0 && was == l->last_term;
    term = same ? was : was + 1;
    r = lock(repl, term, err);
    if (r < 0)
        return r;
    r = write_term(repl, was, term, err);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r < 0) {
        unlock(repl);
        l->last_term = 0;
        return r;
    }
    l->term = l->opened_term = term;
    *ret_same = same;
    return 1;
}

int replica__lease_check(struct replica__replication *repl, replica_error *err)
{
    struct replica__lease_asked asked;
    int64_t term;
    int r = read_row(repl, &term, &asked, err);

    if (r < 0)
        return r;
    if (repl->lease.term && repl->lease.term == term)
        return 0;
    replica__lease_release(repl);
    return replica__error_set(err, REPLICA_ECANCELLED, 0, "another process replicates now");
}

int replica__lease_begin(struct replica__replication *repl, replica_db **ret_txn,
                         replica_error *err)
{
    REPLICA_TXN txn = NULL;
    int r = replica__txn_begin(repl->db, &txn, err);

    if (r >= 0)
        r = replica__lease_check(repl, err);
    /* What has risen is not for the endpoint of the version before. */
    for (size_t i = 0; r >= 0 && i < repl->n; i++)
        r = replica__migrate_may_write(repl->colls[i], err);
    if (r < 0)
        return r;
    *ret_txn = txn;
    txn = NULL;
    return 0;
}

static int move(struct replica__replication *repl, replica_error *err)
{
    struct replica__lease *l = &repl->lease;
    int64_t next = (l->beat + 1) & MASK;

    l->move_at = now_ms(repl) + MOVE_MS;
    if (l->locks < 0)
        return 0;
    if (replica__os_lock(l->locks, place(repl, l->term, next)) < 0)
        return lock_failed(err);
    replica__os_unlock(l->locks, place(repl, l->term, l->beat));
    l->beat = next;
    return 0;
}

int replica__lease_keep(struct replica__replication *repl, struct replica__lease_asked *ret_asked,
                        replica_error *err)
{
    int64_t term;
    int r = read_row(repl, &term, ret_asked, err);

    if (r < 0)
        return r;
    if (term != repl->lease.term) {
        replica__lease_release(repl);
        return 0;
    }
    r = now_ms(repl) >= repl->lease.move_at ? move(repl, err) : 0;
    return r < 0 ? r : 1;
}

/* ---- asking the holder ----------------------------------------------------------- */

int replica__lease_ask(struct replica__replication *repl, int64_t *ret_ticket, replica_error *err)
{
    struct replica__lease_asked asked;
    REPLICA_TXN txn = NULL;
    int64_t term;
    int r = replica__txn_begin(repl->db, &txn, err);

    if (r >= 0)
        r = replica__sql_run(repl->db, REPLICA__SQL_LEASE_ASK, err, repl->number);
    if (r >= 0)
        r = read_row(repl, &term, &asked, err);
    if (r >= 0)
        r = replica__txn_commit(&txn, err);
    if (r < 0)
        return r;
    *ret_ticket = asked.asked;
    return 0;
}

int replica__lease_answered(struct replica__replication *repl, int64_t ticket, bool push,
                            int64_t *ret_head, replica_error *err)
{
    struct replica__lease_asked asked;
    REPLICA_READ read = NULL;
    int64_t term;
    int r = replica__read_begin(repl->db, &read, err);

    if (r >= 0)
        r = read_row(repl, &term, &asked, err);
    if (r < 0)
        return r;
    if (ticket == 0 || asked.answered < ticket)
        return 0;
    *ret_head = asked.head;
    r = push ? replica__pending_in_file(repl, err) : 0;
    return r < 0 ? r : !r;
}

int replica__lease_answer(struct replica__replication *repl, int64_t asked, int64_t head,
                          replica_error *err)
{
    REPLICA_TXN txn = NULL;
    int r = replica__lease_begin(repl, &txn, err);

    if (r >= 0)
        r = replica__sql_run(repl->db, REPLICA__SQL_LEASE_ANSWER, err, repl->number, asked, head);
    return r < 0 ? r : replica__txn_commit(&txn, err);
}

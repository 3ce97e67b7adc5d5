/* kill -9 at random points of a migration, and two processes that migrate at once: each document
 * rises once, and what is not in step with a server stays so. */
#include "tests/support/clock.h"
#include "tests/support/rise.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 8
#define KILLS 3
#define DOCS 900

/* A third is in step with a server, a third was edited since, a third was never sent. */
static void prepare(const char *path)
{
    STORE s = rise_open(path, 0, 0);
    struct come docs[DOCS];
    char texts[DOCS][40];
    replica_bulk_row rows[DOCS];

    store_replicate(&s, "r1");
    for (int i = 0; i < DOCS; i++) {
        snprintf(texts[i], sizeof texts[i], "{\"id\":\"k%d\",\"n\":%d}", i, i);
        docs[i] = (struct come){ .json = texts[i], .sequence = i + 1 };
        rows[i] = (replica_bulk_row){ .json = texts[i], .len = REPLICA_NUL, .base_rev = "*" };
    }
    CHECK_RC(store_pull(&s, "{\"lwt\":600}", docs, DOCS * 2 / 3), 0);
    CHECK(replica_bulk(s.coll, &rows[DOCS / 3], DOCS * 2 / 3, &test_err) >= 0);
}

static pid_t start(const char *path, int *ret_fd)
{
    int ends[2];
    pid_t pid;

    CHECK(pipe(ends) == 0);
    pid = fork();
    if (pid == 0) {
        struct store s = rise_open(path, 0, 1);
        char one = 1;

        close(ends[0]);
        for (int left = 1; left;) {
            replica_migration_progress p;

            replica_db_dispatch(s.db, 0, NULL);
            left = replica_migration_state(s.coll, &p, NULL) < 0 || p.left > 0;
            if (write(ends[1], &one, 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    close(ends[1]);
    *ret_fd = ends[0];
    return pid;
}

static void kill_it(const char *path, uint64_t *dice)
{
    volatile uint64_t more = dice_roll(dice) % 3000000;
    int fd, status;
    pid_t pid = start(path, &fd);
    char one;

    if (dice_roll(dice) % 2)
        CHECK(read(fd, &one, 1) == 1);
    while (more > 0)
        more--;
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    close(fd);
}

static void check_halfway(struct store *s)
{
    store_sound(s);
    CHECK_INT(rise_count(s, 0) + rise_count(s, 1), DOCS);
    CHECK_INT(store_sql_int(s, "SELECT count(*) FROM doc, collection WHERE doc.version = 0"
                               " AND number <= unmigrated"), 0);
}

static void check_end(struct store *s)
{
    PAGE page = { 0 };
    int64_t sent = 0;
    int n;

    CHECK_INT(rise_count(s, 1), DOCS);
    CHECK_INT(store_sql_int(s, "SELECT count(*) FROM doc WHERE body NOT LIKE '%,\"v1\":0}'"
                               " OR body LIKE '%v1%v1%'"), 0);
    CHECK_INT(store_sql_int(s, "SELECT sum(height) FROM doc"), DOCS * 2 + DOCS / 3);
    store_sound(s);
    store_replicate(s, "r1");
    while ((n = store_push(s, &page)) > 0) {
        for (size_t i = 0; i < page.n; i++) {
            int k = atoi(page.rows[i].id + 1);

            CHECK(k >= DOCS / 3);
            CHECK_INT(page.rows[i].assumed != NULL, k < DOCS * 2 / 3);
        }
        sent += n;
        CHECK_RC(store_judge(s, &page, REPLICA_VERDICT_TAKEN, 1000 + sent, NULL), 0);
    }
    CHECK_INT(sent, DOCS * 2 / 3);
}

TEST(a_migration_that_is_killed_goes_on_and_loses_nothing)
{
    uint64_t dice = 5;

    for (int round = 0; round < ROUNDS; round++) {
        char name[20];

        snprintf(name, sizeof name, "%d.db", round);
        prepare(tmp_path(name));
        for (int i = 0; i < KILLS; i++) {
            STORE s = { .path = tmp_path(name) };

            kill_it(s.path, &dice);
            s = store_open(s.path, NULL);
            check_halfway(&s);
        }
        STORE s = rise_open(tmp_path(name), 0, 1);
        rise_finish(&s);
        check_end(&s);
    }
}

TEST(two_processes_that_migrate_at_once_do_it_once)
{
    for (int round = 0; round < ROUNDS / 2; round++) {
        const char *path;
        char name[20], one;
        pid_t pids[2];
        int fds[2], status;

        snprintf(name, sizeof name, "%d.db", round);
        path = tmp_path(name);
        prepare(path);
        for (int i = 0; i < 2; i++)
            pids[i] = start(path, &fds[i]);
        for (int i = 0; i < 2; i++) {
            while (read(fds[i], &one, 1) == 1)
                ;
            waitpid(pids[i], &status, 0);
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
            close(fds[i]);
        }
        STORE s = rise_open(path, 0, 1);
        check_end(&s);
    }
}

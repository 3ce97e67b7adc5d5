/* kill -9 while indexes are created, built, kept in step, and dropped.
 *
 * A child process writes documents and lets dispatch build; it is killed in the middle, and the
 * file is opened again: each index has what the documents say, whether it was built or not, and
 * goes on from there. */
#include "libreplica/query.h"
#include "tests/support/clock.h"
#include "tests/support/store.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 20
#define DOCS 3000

static void create(struct store *s, const char *field, unsigned flags)
{
    const char *const fields[] = { field };
    const replica_index_options o = { .size = sizeof o, .fields = fields, .n = 1, .flags = flags };

    CHECK(replica_index_create(s->coll, &o, &test_err) >= 0);
}

static void step(struct store *s, uint64_t *dice, int i)
{
    char id[16], text[100];

    snprintf(id, sizeof id, "k%d", (int)(dice_roll(dice) % DOCS));
    snprintf(text, sizeof text, "{\"id\":\"%s\",\"n\":%d,\"title\":\"word%d common\"}", id, i % 50,
             i);
    if (dice_roll(dice) % 8)
        store_put(s, text);
    else
        CHECK(replica_delete(s->coll, id, REPLICA_ANY_REV, NULL, &test_err) >= 0);
    if (i % 150 == 0) {
        create(s, "title", REPLICA_INDEX_TEXT);
        create(s, "n", 0);
    }
    if (i % 600 == 599)
        CHECK(replica_index_drop(s->coll, dice_roll(dice) % 2 ? "title" : "n", &test_err) >= 0);
    if (i % 3 == 0)
        CHECK(replica_db_dispatch(s->db, 1, &test_err) >= 0);
}

static _Noreturn void work(const char *path, uint64_t dice, int fd)
{
    STORE s = store_open(path, NULL);

    for (int i = 0;; i++) {
        step(&s, &dice, i);
        CHECK(write(fd, "", 1) == 1);
    }
}

/* It dies after so many steps, somewhere in the next ones. */
static void work_and_die(const char *path, uint64_t *dice)
{
    int64_t steps = (int64_t)(dice_roll(dice) % 800) + 1;
    uint64_t seed = dice_roll(dice);
    int ends[2], status;
    char byte;
    pid_t pid;

    CHECK(pipe(ends) == 0);
    pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        work(path, seed, ends[1]);
    }
    close(ends[1]);
    for (int64_t i = 0; i < steps && read(ends[0], &byte, 1) == 1; i++)
        continue;
    kill(pid, SIGKILL);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status));
    close(ends[0]);
}

static int64_t found(struct store *s)
{
    replica_cursor *cursor = NULL;
    replica_doc *doc = NULL;
    int64_t n = 0;
    int r;

    CHECK_RC(replica_search(s->coll, "title", "common", -1, &cursor, &test_err), 0);
    while ((r = replica_cursor_next(cursor, &doc, &test_err)) > 0)
        n++;
    CHECK_RC(r, 0);
    replica_cursor_close(cursor);
    return n;
}

TEST(indexes_say_what_the_documents_say_wherever_the_process_died)
{
    const char *path = tmp_path("test.db");
    uint64_t dice = 4;

    for (int round = 0; round < ROUNDS; round++) {
        work_and_die(path, &dice);

        STORE s = store_open(path, NULL);
        int64_t documents = 0;

        store_sound(&s); /* also of an index that is half built */
        create(&s, "title", REPLICA_INDEX_TEXT);
        create(&s, "n", 0);
        CHECK_RC(replica_index_wait(s.coll, &test_err), 0);
        store_sound(&s);
        CHECK_RC(replica_collection_count(s.coll, &documents, &test_err), 0);
        CHECK_INT(found(&s), documents);
        if (round % 3 == 0) /* else the next one finds them built */
            CHECK(replica_index_drop(s.coll, "title", &test_err) == 1);
    }
}

/* kill -9 at random points of writing, pulling and pushing.
 *
 * A child process works and reports through a pipe what was acknowledged to it: it is killed in the
 * middle, and the file is opened again.  Whatever was acknowledged must be there; what was not may
 * be there or not, but whole. */
#include "libreplica/master.h"
#include "tests/support/clock.h"
#include "tests/support/store.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 16 /* of each kind */
#define PAGE_DOCS 20

static void report(int fd, int64_t number)
{
    CHECK(write(fd, &number, sizeof number) == sizeof number);
}

struct child {
    pid_t pid;
    int fd;
};

static struct child start(void (*work)(const char *path, int fd), const char *path)
{
    struct child c;
    int ends[2];

    CHECK(pipe(ends) == 0);
    c.pid = fork();
    if (c.pid == 0) {
        close(ends[0]);
        work(path, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    c.fd = ends[0];
    return c;
}

/* Let it work until it has reported some, and then for a random while; the last number it
 * reported. */
static int64_t kill_it(struct child *c, uint64_t *dice)
{
    int64_t last = 0, number, want = (int64_t)(dice_roll(dice) % 15) + 1;
    volatile uint64_t more = dice_roll(dice) % 1000000;
    int status;

    for (int64_t i = 0; i < want && read(c->fd, &number, sizeof number) == sizeof number; i++)
        last = number;
    while (more > 0) /* and dies somewhere in the next step, or the one behind it */
        more--;
    kill(c->pid, SIGKILL);
    waitpid(c->pid, &status, 0);
    CHECK(WIFSIGNALED(status));
    while (read(c->fd, &number, sizeof number) == sizeof number)
        last = number;
    close(c->fd);
    return last;
}

/* ---- writing --------------------------------------------------------------------- */

/* Each step is a bundle of two documents, an overwritten one, and a deletion now and then. */
static void write_step(struct store *s, int64_t i)
{
    replica_bundle *bundle = NULL;
    char text[80];

    CHECK_RC(replica_bundle_begin(s->db, &bundle, &test_err), 0);
    for (int j = 0; j < 2; j++) {
        snprintf(text, sizeof text, "{\"id\":\"%c%lld\",\"n\":%lld}", 'a' + j, (long long)i,
                 (long long)i);
        CHECK_RC(replica_bundle_put(bundle, s->coll, text, REPLICA_NUL, NULL, &test_err), 0);
    }
    snprintf(text, sizeof text, "{\"id\":\"last\",\"n\":%lld}", (long long)i);
    CHECK_RC(replica_bundle_put(bundle, s->coll, text, REPLICA_NUL, "*", &test_err), 0);
    CHECK_RC(replica_bundle_commit(bundle, NULL, &test_err), 0);
}

static int64_t number_of(struct store *s, const char *id)
{
    const char *json = store_json(s, id);

    return json ? strtoll(strstr(json, "\"n\":") + 4, NULL, 10) : 0;
}

static void write_for_ever(const char *path, int fd)
{
    struct store s = store_open(path, NULL);

    for (int64_t i = number_of(&s, "last") + 1;; i++) {
        write_step(&s, i);
        report(fd, i);
    }
}

TEST(what_was_acknowledged_survives_the_death_of_the_process)
{
    uint64_t dice = 1;
    const char *path = tmp_path("test.db");

    store_close(&(struct store[]){ store_open(path, NULL) }[0]);
    for (int round = 0; round < ROUNDS; round++) {
        struct child c = start(write_for_ever, path);
        int64_t acknowledged = kill_it(&c, &dice);
        STORE s = store_open(path, NULL);
        int64_t last = number_of(&s, "last");

        CHECK(last >= acknowledged && last <= acknowledged + 1);
        for (int64_t i = 1; i <= last + 1; i++) { /* bundles are whole */
            char a[30], b[30];

            snprintf(a, sizeof a, "a%lld", (long long)i);
            snprintf(b, sizeof b, "b%lld", (long long)i);
            CHECK_INT(number_of(&s, a), i <= last ? i : 0);
            CHECK_INT(number_of(&s, b), i <= last ? i : 0);
        }
        CHECK_INT(store_sql_int(&s, "SELECT max(seq) FROM doc"), last * 3);
        store_sound(&s);
    }
}

/* ---- pulling --------------------------------------------------------------------- */

/* The server has documents 1, 2, ...; a page takes the next ones, its checkpoint is the last. */
static int64_t checkpoint_of(struct store *s)
{
    const char *text = replica__feed_checkpoint(s->repl, 0);

    return text ? strtoll(text, NULL, 10) : 0;
}

static void pull_page(struct store *s)
{
    char texts[PAGE_DOCS][60], checkpoint[30];
    struct come docs[PAGE_DOCS];
    int64_t at = checkpoint_of(s);

    for (int i = 0; i < PAGE_DOCS; i++) {
        int64_t n = at + i + 1;

        /* Every tenth one is no document here, and some ids come again. */
        if (n % 10 == 0)
            snprintf(texts[i], sizeof texts[i], "{\"none\":%lld}", (long long)n);
        else
            snprintf(texts[i], sizeof texts[i], "{\"id\":\"k%lld\",\"n\":%lld}",
                     (long long)(n % 1000),
                     (long long)n);
        docs[i] = (struct come){ .json = texts[i], .sequence = n };
    }
    snprintf(checkpoint, sizeof checkpoint, "%lld", (long long)(at + PAGE_DOCS));
    CHECK_RC(store_pull(s, checkpoint, docs, PAGE_DOCS), 0);
}

static void pull_for_ever(const char *path, int fd)
{
    struct store s = store_open(path, NULL);

    store_replicate(&s, "r1");
    for (;;) {
        pull_page(&s);
        report(fd, checkpoint_of(&s));
    }
}

TEST(a_checkpoint_never_passes_a_document_that_is_not_there)
{
    uint64_t dice = 2;
    const char *path = tmp_path("test.db");

    store_close(&(struct store[]){ store_open(path, NULL) }[0]);
    for (int round = 0; round < ROUNDS; round++) {
        struct child c = start(pull_for_ever, path);
        int64_t acknowledged = kill_it(&c, &dice);
        STORE s = store_open(path, NULL);
        int64_t at, newest;

        store_replicate(&s, "r1");
        at = checkpoint_of(&s);
        CHECK(at >= acknowledged);
        for (int64_t n = at > 900 ? at - 900 : 1; n <= at; n++) {
            char id[30];

            snprintf(id, sizeof id, "k%lld", (long long)(n % 1000));
            if (n % 10 != 0)
                CHECK_INT(number_of(&s, id), n);
        }
        newest = store_sql_int(&s, "SELECT ifnull(max(server_seq), 0) FROM state");
        CHECK(newest <= at); /* nor is a document ahead of it */
        CHECK_INT(store_sql_int(&s, "SELECT count(*) FROM aside"), at / 10);
        CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
        store_sound(&s);
    }
}

/* ---- pushing --------------------------------------------------------------------- */

/* The child is both the program, which writes counters, and its replication; the server is a file
 * of its own beside it, written by the child too, with a push as one transaction.  So the client
 * can die between the server's commit and its own. */
static void serve(struct store *server, const struct replica__push_page *page,
                  struct replica__verdict *verdicts)
{
    struct replica__master_row *rows = calloc(page->n, sizeof *rows);
    int64_t before, after;

    for (size_t i = 0; i < page->n; i++) {
        const struct replica__push_row *from = &page->rows[i];
        struct replica__pulled scanned;

        store_scan(server, &(struct come){ .json = from->json }, &scanned);
        rows[i] = (struct replica__master_row){
            .coll = server->coll,
            .doc = scanned.doc,
            .operation = from->operation,
            .assumed = from->assumed ? REPLICA__ASSUMED_TEXT : REPLICA__ASSUMED_NONE,
            .assumed_json = from->assumed,
            .assumed_len = from->assumed_len,
        };
    }
    CHECK_RC(replica__master_push(server->db, rows, page->n, &(struct replica__pusher){ 0 },
                                  &before, &after, &test_err), 0);
    for (size_t i = 0; i < page->n; i++) {
        /* There is one client: whatever happened, it is never in conflict with itself. */
        CHECK(rows[i].verdict == REPLICA_VERDICT_TAKEN ||
              rows[i].verdict == REPLICA_VERDICT_ALREADY);
        verdicts[i] = (struct replica__verdict){ .verdict = rows[i].verdict,
                                                 .sequence = rows[i].sequence };
        replica_doc_unref(rows[i].real);
    }
    free(rows);
}

static void push_once(struct store *s, struct store *server)
{
    PAGE page = { 0 };
    struct replica__verdict *verdicts;

    if (store_push_again(s, &page) == 0)
        return;
    verdicts = calloc(page.n, sizeof *verdicts);
    serve(server, &page, verdicts);
    CHECK_RC(replica__push_apply(s->repl, 0, &page, verdicts, "inc", NULL, &test_err), 0);
    free(verdicts);
}

static void count_up(struct store *s, int which, int64_t n)
{
    char text[60];

    snprintf(text, sizeof text, "{\"id\":\"c%d\",\"n\":%lld}", which, (long long)n);
    store_put(s, text);
}

static struct store open_server(const char *path)
{
    char name[600];

    snprintf(name, sizeof name, "%s.server", path);
    return store_open(name, NULL);
}

static void push_for_ever(const char *path, int fd)
{
    struct store s = store_open(path, NULL);
    struct store server = open_server(path);
    PAGE page = { 0 };

    store_replicate(&s, "r1");
    for (int64_t i = number_of(&s, "c0") + 1;; i++) {
        for (int which = 2; which >= 0; which--)
            count_up(&s, which, i);
        report(fd, i);
        if (i % 3 == 0) { /* a page goes out, its answer is lost, and the program writes on */
            struct replica__verdict verdicts[100];

            if (store_push_again(&s, &page) > 0)
                serve(&server, &page, verdicts);
        } else {
            push_once(&s, &server);
        }
    }
}

TEST(a_push_takes_effect_once_whenever_the_client_dies)
{
    uint64_t dice = 3;
    const char *path = tmp_path("test.db");

    for (int round = 0; round < ROUNDS; round++) {
        struct child c = start(push_for_ever, path);
        int64_t acknowledged = kill_it(&c, &dice);
        STORE s = store_open(path, NULL);
        STORE server = open_server(path);

        store_replicate(&s, "r1");
        CHECK(number_of(&s, "c0") >= acknowledged);
        store_sound(&s);
        store_sound(&server);
        for (int i = 0; i < 3; i++) /* what is under way, then what is dirty */
            push_once(&s, &server);
        CHECK_RC(replica__replication_pending(s.repl, &test_err), 0);
        for (int which = 0; which < 3; which++) {
            char id[8], text[60];

            snprintf(id, sizeof id, "c%d", which);
            snprintf(text, sizeof text, "%s", store_json(&s, id));
            CHECK_STR(store_json(&server, id), text);
            CHECK_INT(store_state(&s, id), REPLICA_DOC_IN_SYNC);
        }
        store_sound(&s);
    }
}

/* A client of tools/demo: a program that embeds the database, works whether or not there is a
 * server, and is told what to do by lines on its standard input.
 *
 *     demo_client NAME FILE URL        URL: the endpoint of the first collection
 *
 *     import FOLDER                    the code tables in that folder
 *     start                            a replication of all collections, which lives from here on
 *     wait HEAD                        until in sync with all that the server had at this number
 *     offline                          until the status says that the server is not there
 *     status
 *     edit COLLECTION ID PATCH         a merge patch
 *     edit-all COLLECTION PATCH        of every document
 *     visit COLLECTION ID N            count N visits
 *     delete COLLECTION ID
 *     where COLLECTION ID              is it on the server yet?
 *     conflicts                        what was settled here
 *     end
 *
 * Each is answered by a line on standard output: "ok", or "failed: " and why.  What people like to
 * see goes to standard error. */
#include "examples/demo_show.h"
#include "examples/demo_tables.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096
#define BATCH 500       /* documents of an import that are written at a time */
#define SLICE_MS 50     /* of waiting, between two looks at the status */
#define PATIENCE_S 60

struct client {
    const char *url;
    replica_db *db;
    replica_collection *colls[TABLES];
    replica_sync *sync;
    replica_sync_status told; /* what wait told last */
};

static int fail(replica_error *err, int code, const char *why)
{
    *err = (replica_error){ .code = code, .offset = -1 };
    snprintf(err->message, sizeof(err->message), "%s", why);
    return code;
}

static int find(struct client *c, const char *name, replica_collection **ret, replica_error *err)
{
    for (int i = 0; i < TABLES; i++) {
        if (strcmp(tables[i].name, name) == 0) {
            *ret = c->colls[i];
            return 0;
        }
    }
    return fail(err, REPLICA_EINVAL, "there is no such collection");
}

/* ---- importing ------------------------------------------------------------------- */

static int write_rows(replica_collection *coll, const struct rows *rows, int64_t before,
                      int64_t total, replica_error *err)
{
    for (size_t done = 0; done < rows->count;) {
        replica_bulk_row batch[BATCH] = { { 0 } };
        size_t n = rows->count - done < BATCH ? rows->count - done : BATCH;

        for (size_t i = 0; i < n; i++) {
            batch[i].json = rows->json[done + i];
            batch[i].len = REPLICA_NUL;
        }
        if (replica_bulk(coll, batch, n, err) != 0)
            return err->code;
        done += n;
        show_bar("imports", before + (int64_t)done, total);
    }
    return 0;
}

static int do_import(struct client *c, char **words, replica_error *err)
{
    struct rows rows[TABLES] = { { 0 } };
    int64_t total = 0, done = 0;
    int r = 0;

    for (int i = 0; i < TABLES && r >= 0; i++) {
        r = rows_read(&tables[i], words[0], &rows[i], err);
        total += (int64_t)rows[i].count;
    }
    for (int i = 0; i < TABLES && r >= 0; i++) {
        r = write_rows(c->colls[i], &rows[i], done, total, err);
        done += (int64_t)rows[i].count;
    }
    for (int i = 0; i < TABLES; i++)
        rows_free(&rows[i]);
    if (r >= 0)
        show_bar_end("imported", total);
    return r;
}

/* ---- replication ----------------------------------------------------------------- */

static void on_event(void *ctx, const replica_sync_event *event)
{
    (void)ctx;
    if (event->kind == REPLICA_EVENT_CONFLICT)
        conflicts_note(event);
    if (event->kind == REPLICA_EVENT_REJECTED)
        show("set aside   %s/%s: %s", event->collection, event->id, event->reason);
}

static int do_start(struct client *c, char **words, replica_error *err)
{
    replica_sync_options opts = REPLICA_SYNC_OPTIONS_INIT;

    (void)words;
    opts.identifier = "demo";
    opts.url = c->url;
    opts.collections = c->colls;
    opts.collection_count = TABLES;
    opts.on_event = on_event;
    return replica_sync_start(c->db, &opts, &c->sync, err);
}

/* Work for a moment, and look.  fd and timeout would do as well: see loop(). */
static int work(struct client *c, replica_sync_status *ret_status, replica_error *err)
{
    *ret_status = (replica_sync_status)REPLICA_SYNC_STATUS_INIT;
    if (replica_db_wait(c->db, SLICE_MS, err) < 0)
        return err->code;
    return replica_sync_get_status(c->sync, ret_status, err);
}

static void tell_in_sync(struct client *c, const replica_sync_status *now)
{
    show("in sync     received %lld, sent %lld; %lld conflicts settled",
         (long long)(now->pulled - c->told.pulled), (long long)(now->pushed - c->told.pushed),
         (long long)(now->conflicts - c->told.conflicts));
    c->told = *now;
}

static int do_wait(struct client *c, char **words, replica_error *err)
{
    int64_t head = atoll(words[0]);
    time_t end = time(NULL) + PATIENCE_S;
    int r = replica_sync_now(c->sync, err); /* a program says so when the network is back */

    while (r >= 0 && time(NULL) <= end) {
        replica_sync_status now;
        int64_t done, left;

        r = work(c, &now, err);
        if (r >= 0 && now.in_sync && now.head >= head) {
            tell_in_sync(c, &now);
            return 0;
        }
        done = now.pulled - c->told.pulled + now.pushed - c->told.pushed;
        left = now.push_remaining + (now.pull_remaining > 0 ? now.pull_remaining : 0);
        if (done + left > 0)
            show_bar("syncs", done, done + left);
    }
    return r < 0 ? r : fail(err, REPLICA_ETIMEOUT, "not in sync within a minute");
}

static int do_offline(struct client *c, char **words, replica_error *err)
{
    replica_sync_status now;
    time_t end = time(NULL) + PATIENCE_S;
    int r = 0;

    (void)words;
    while (r >= 0 && time(NULL) <= end) {
        r = work(c, &now, err);
        if (r >= 0 && now.state == REPLICA_SYNC_WAITING && now.error.code == REPLICA_ENET)
            return 0;
    }
    return r < 0 ? r : fail(err, REPLICA_ETIMEOUT, "the outage was not noticed within a minute");
}

static int do_status(struct client *c, char **words, replica_error *err)
{
    replica_sync_status now;
    int r = work(c, &now, err);

    (void)words;
    if (r >= 0)
        show_status(&now);
    return r;
}

static int do_where(struct client *c, char **words, replica_error *err)
{
    static const char *const answers[] = { "not here", "on the server", "not on the server yet",
                                           "sent, without an answer yet", "in conflict",
                                           "set aside" };
    replica_collection *coll = NULL;
    int state = 0;
    int r = find(c, words[0], &coll, err);

    if (r >= 0)
        r = replica_sync_doc_state(c->sync, coll, words[1], &state, err);
    if (r >= 0)
        show("where       %s/%s: %s", words[0], words[1], answers[state]);
    return r;
}

static int do_conflicts(struct client *c, char **words, replica_error *err)
{
    (void)c;
    (void)words;
    (void)err;
    conflicts_show();
    return 0;
}

/* ---- editing --------------------------------------------------------------------- */

static int patch(replica_collection *coll, const char *id, const char *json, replica_error *err)
{
    int r = replica_patch(coll, id, json, REPLICA_NUL, REPLICA_ANY_REV, NULL, NULL, err);

    return r != 0 ? r : fail(err, REPLICA_EINVAL, "there is no such document");
}

static int do_edit(struct client *c, char **words, replica_error *err)
{
    replica_collection *coll = NULL;
    int r = find(c, words[0], &coll, err);

    if (r >= 0)
        r = patch(coll, words[1], words[2], err);
    if (r >= 0)
        show("edits       %s/%s  %s", words[0], words[1], words[2]);
    return r;
}

static int do_edit_all(struct client *c, char **words, replica_error *err)
{
    replica_collection *coll = NULL;
    replica_cursor *cursor = NULL;
    replica_doc *doc = NULL;
    int64_t total = 0, done = 0;
    int r = find(c, words[0], &coll, err);

    if (r >= 0)
        r = replica_collection_count(coll, &total, err);
    if (r >= 0)
        r = replica_all(coll, NULL, &cursor, err);
    while (r >= 0 && (r = replica_cursor_next(cursor, &doc, err)) > 0) {
        r = patch(coll, replica_doc_id(doc), words[1], err);
        show_bar("edits", ++done, total);
    }
    replica_cursor_close(cursor);
    if (r >= 0)
        show("edits       all %lld of %s  %s", (long long)done, words[0], words[1]);
    return r;
}

/* Called again with a newer state if somebody was faster: nothing else happens in here. */
static int add_visits(void *ctx, replica_doc *current, replica_text *out)
{
    const char *json = current ? replica_doc_json(current, NULL) : "";
    const char *name = strstr(json, "\"visits\":"); /* the demo's documents have it nowhere else */
    char number[32];

    if (!current)
        return REPLICA_MODIFY_KEEP;
    snprintf(number, sizeof(number), "%lld", (name ? atoll(name + 9) : 0) + *(long long *)ctx);
    if (name) {
        name += 9;
        replica_text_add(out, json, (size_t)(name - json));
        replica_text_add(out, number, REPLICA_NUL);
        replica_text_add(out, name + strspn(name, "-0123456789"), REPLICA_NUL);
    } else {
        replica_text_add(out, json, strlen(json) - 1);
        replica_text_add(out, ",\"visits\":", REPLICA_NUL);
        replica_text_add(out, number, REPLICA_NUL);
        replica_text_add(out, "}", 1);
    }
    return REPLICA_MODIFY_PUT;
}

static int do_visit(struct client *c, char **words, replica_error *err)
{
    replica_collection *coll = NULL;
    long long visits = atoll(words[2]);
    int r = find(c, words[0], &coll, err);

    if (r >= 0)
        r = replica_modify(coll, words[1], add_visits, &visits, NULL, err);
    if (r > 0)
        show("counts      %s/%s  %lld visits more", words[0], words[1], visits);
    return r != 0 ? r : fail(err, REPLICA_EINVAL, "there is no such document");
}

static int do_delete(struct client *c, char **words, replica_error *err)
{
    replica_collection *coll = NULL;
    int r = find(c, words[0], &coll, err);

    if (r >= 0)
        r = replica_delete(coll, words[1], REPLICA_ANY_REV, NULL, err);
    if (r > 0)
        show("deletes     %s/%s", words[0], words[1]);
    return r != 0 ? r : fail(err, REPLICA_EINVAL, "there is no such document");
}

/* ---- the program ----------------------------------------------------------------- */

static const struct {
    const char *name;
    int words;
    int (*run)(struct client *c, char **words, replica_error *err);
} commands[] = {
    { "import", 1, do_import },     { "start", 0, do_start },       { "wait", 1, do_wait },
    { "offline", 0, do_offline },   { "status", 0, do_status },     { "edit", 3, do_edit },
    { "edit-all", 2, do_edit_all }, { "visit", 3, do_visit },       { "delete", 2, do_delete },
    { "where", 2, do_where },       { "conflicts", 0, do_conflicts },
};

/* The last word is what is left of the line. */
static int run(struct client *c, char *line, replica_error *err)
{
    char *words[3] = { NULL, NULL, NULL };
    char *name = strsep(&line, " ");

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, name) != 0)
            continue;
        for (int w = 0; w < commands[i].words; w++) {
            words[w] = w + 1 < commands[i].words ? strsep(&line, " ") : line;
            if (!words[w])
                return fail(err, REPLICA_EINVAL, "a word is missing");
        }
        return commands[i].run(c, words, err);
    }
    return fail(err, REPLICA_EINVAL, "there is no such command");
}

/* The program's own loop: it waits for lines and for the database at once. */
static int loop(struct client *c, replica_error *err)
{
    char line[LINE_MAX_BYTES];
    struct pollfd fds[2] = { { STDIN_FILENO, POLLIN, 0 }, { replica_db_fd(c->db), POLLIN, 0 } };

    for (;;) {
        replica_error why = { 0 };

        poll(fds, 2, replica_db_timeout(c->db));
        if (replica_db_dispatch(c->db, 0, err) < 0)
            return err->code;
        if (!fds[0].revents)
            continue;
        if (!fgets(line, sizeof(line), stdin))
            return 0;
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, "end") == 0)
            return 0;
        if (run(c, line, &why) < 0)
            printf("failed: %s\n", why.message);
        else
            printf("ok\n");
    }
}

int main(int argc, char **argv)
{
    struct client c = { 0 };
    replica_error err = { 0 };
    int r;

    if (argc != 4) {
        fprintf(stderr, "usage: demo_client NAME FILE URL\n");
        return 2;
    }
    setvbuf(stdin, NULL, _IONBF, 0); /* what poll says is what fgets finds */
    setvbuf(stdout, NULL, _IOLBF, 0);
    show_as(argv[1]);
    c.url = argv[3];
    r = replica_db_open(argv[2], NULL, &c.db, &err);
    for (int i = 0; i < TABLES && r >= 0; i++)
        r = table_open(&tables[i], c.db, &c.colls[i], &err);
    if (r >= 0)
        r = loop(&c, &err);
    replica_sync_cancel(c.sync);
    replica_db_close(c.db);
    if (r < 0)
        printf("failed: %s\n", err.message);
    return r < 0;
}

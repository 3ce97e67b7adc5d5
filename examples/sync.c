/* A program with a loop of its own, in which a replication lives: it polls the database beside what
 * else it waits for (here: lines on standard input, each of which becomes a document).
 *
 *     sync FILE URL [TOKEN-FILE]     ends with its input, when everything is on the server */
#include <replicator/replicator.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct app {
    replica_db *db;
    replica_collection *lines;
    replica_sync *sync;
    const char *token_file;
    char given[256]; /* the token that the server got */
    replica_error err;
};

static void need(struct app *app, int r)
{
    if (r < 0) {
        fprintf(stderr, "sync: %s\n", app->err.message);
        exit(1);
    }
}

/* Asked at the start and after each refusal: the same token again would be refused again. */
static int give_token(void *ctx, char *out, size_t room)
{
    struct app *app = ctx;
    char token[256] = "";
    FILE *file = fopen(app->token_file, "r");

    if (file) {
        if (!fgets(token, sizeof(token), file))
            token[0] = '\0';
        fclose(file);
    }
    token[strcspn(token, "\r\n")] = '\0';
    if (!token[0] || strcmp(token, app->given) == 0 || strlen(token) >= room)
        return -1;
    strcpy(app->given, token);
    strcpy(out, token);
    return 1;
}

static void on_event(void *ctx, const replica_sync_event *event)
{
    static const char *const names[] = { "", "received", "sent", "conflict", "set aside" };

    (void)ctx;
    printf("%s %s/%s%s%s\n", names[event->kind], event->collection, event->id,
           event->reason ? ": " : "", event->reason ? event->reason : "");
}

static void on_error(void *ctx, const replica_error *error)
{
    (void)ctx;
    fprintf(stderr, "sync: %s (will be tried again)\n", error->message);
}

static void start(struct app *app, const char *url)
{
    replica_sync_options opts = REPLICA_SYNC_OPTIONS_INIT;

    opts.url = url;
    opts.collections = &app->lines;
    opts.collection_count = 1;
    opts.token = app->token_file ? give_token : NULL;
    opts.on_event = on_event;
    opts.on_error = on_error;
    opts.ctx = app;
    need(app, replica_sync_start(app->db, &opts, &app->sync, &app->err));
}

/* A document is a text; a program that makes one writes JSON. */
static void add_line(struct app *app, const char *line)
{
    static int number;
    char json[1024], *out = json;

    out += sprintf(out, "{\"id\":\"line-%04d\",\"text\":\"", ++number);
    for (; *line && *line != '\n' && out < json + sizeof(json) - 16; line++) {
        if (*line == '"' || *line == '\\')
            *out++ = '\\';
        if ((unsigned char)*line >= ' ')
            *out++ = *line;
    }
    strcpy(out, "\"}");
    need(app, replica_upsert(app->lines, json, REPLICA_NUL, NULL, &app->err));
}

static void loop(struct app *app)
{
    char line[400];
    struct pollfd fds[2] = { { STDIN_FILENO, POLLIN, 0 }, { replica_db_fd(app->db), POLLIN, 0 } };

    for (;;) {
        poll(fds, 2, replica_db_timeout(app->db));
        need(app, replica_db_dispatch(app->db, 0, &app->err));
        if (!fds[0].revents)
            continue;
        if (!fgets(line, sizeof(line), stdin))
            return;
        add_line(app, line);
    }
}

int main(int argc, char **argv)
{
    struct app app = { 0 };

    if (argc < 3) {
        fprintf(stderr, "usage: sync FILE URL [TOKEN-FILE]\n");
        return 2;
    }
    setvbuf(stdin, NULL, _IONBF, 0); /* what poll says is what fgets finds */
    app.token_file = argv[3];
    need(&app, replica_db_open(argv[1], NULL, &app.db, &app.err));
    need(&app, replica_db_collection(app.db, "lines", NULL, &app.lines, &app.err));
    start(&app, argv[2]);
    loop(&app);
    need(&app, replica_sync_wait_in_sync(app.sync, 30000, &app.err));
    replica_sync_cancel(app.sync);
    replica_db_close(app.db);
    return 0;
}

/* Replications with tokens that expire, against our own server. */
#include "replicator/replicator.h"
#include "base/clock.h"
#include "tests/http/served.h"
#include "tests/support/signer.h"
#include "tests/support/store.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <inttypes.h>
#include <stdio.h>

static int64_t ahead_ms; /* of the server's clock */

static int64_t server_now_s(void)
{
    return (replica__real_world.now_ms(NULL) + __atomic_load_n(&ahead_ms, __ATOMIC_SEQ_CST)) /
           1000;
}

static struct served *start_server(const struct signer *s)
{
    const struct replica__auth_options options = {
        .jwt_key = tmp_write("key", signer_pem(s), REPLICA_NUL)
    };

    return served_start_guarded(&options, &ahead_ms);
}

/* ---- a program ------------------------------------------------------------------- */

struct program {
    const struct signer *signer;
    const char *fixed; /* the only token it has; NULL: a fresh one each time */
    int result;        /* of the callback */
    int asked;
    int errors;
    bool paused;       /* it was, at some time */
    struct store s;
    replica_sync *sync;
};

static const char *fresh_token(const struct signer *s)
{
    char claims[100];

    snprintf(claims, sizeof(claims), "{\"sub\":\"anna\",\"exp\":%" PRId64 "}",
             server_now_s() + 100);
    return signer_token(s, claims);
}

static int give_token(void *ctx, char *out, size_t room)
{
    struct program *p = ctx;
    const char *token = p->fixed ? p->fixed : fresh_token(p->signer);

    p->asked++;
    CHECK(strlen(token) < room);
    strcpy(out, token);
    return p->result;
}

static void on_status(void *ctx, const replica_sync_status *status)
{
    ((struct program *)ctx)->paused |= status->state == REPLICA_SYNC_PAUSED;
}

static void on_error(void *ctx, const replica_error *error)
{
    (void)error;
    ((struct program *)ctx)->errors++;
}

static void begin(struct program *p, const struct signer *signer, const char *name,
                  struct served *server)
{
    replica_sync_options o = REPLICA_SYNC_OPTIONS_INIT;

    *p = (struct program){ .signer = signer, .result = 1, .s = { .path = tmp_path(name) } };
    CHECK_RC(replica_db_open(p->s.path, NULL, &p->s.db, &test_err), 0);
    CHECK_RC(replica_db_collection(p->s.db, "notes", NULL, &p->s.coll, &test_err), 0);
    o.collections = &p->s.coll;
    o.collection_count = 1;
    o.url = served_url(server, "/notes/0");
    o.token = give_token;
    o.on_status = on_status;
    o.on_error = on_error;
    o.ctx = p;
    CHECK_RC(replica_sync_start(p->s.db, &o, &p->sync, &test_err), 0);
}

static void end(struct program *p)
{
    replica_sync_cancel(p->sync);
    store_close(&p->s);
}
#define PROGRAM __attribute__((cleanup(end))) struct program

static void in_sync(struct program *p)
{
    CHECK_RC(replica_sync_wait_in_sync(p->sync, 10000, &test_err), 1);
}

static bool is_streaming(struct program *p)
{
    replica_sync_status status = REPLICA_SYNC_STATUS_INIT;

    CHECK_RC(replica_sync_get_status(p->sync, &status, &test_err), 0);
    return status.streaming;
}

static void wait_streaming(struct program *p)
{
    for (int i = 0; i < 1000 && !is_streaming(p); i++)
        replica_db_wait(p->s.db, 10, NULL);
    CHECK(is_streaming(p));
}

static void wait_for(struct program *p, struct program *also, const char *id)
{
    for (int i = 0; i < 1500 && !store_json(&p->s, id); i++) {
        replica_db_wait(p->s.db, 5, NULL);
        replica_db_wait(also->s.db, 5, NULL);
    }
    CHECK(store_json(&p->s, id) != NULL);
}

static void wait_paused(struct program *p, replica_sync_status *ret_status)
{
    *ret_status = (replica_sync_status)REPLICA_SYNC_STATUS_INIT;
    for (int i = 0; i < 1000 && ret_status->state != REPLICA_SYNC_PAUSED; i++) {
        replica_db_wait(p->s.db, 10, NULL);
        CHECK_RC(replica_sync_get_status(p->sync, ret_status, &test_err), 0);
    }
    CHECK_INT(ret_status->state, REPLICA_SYNC_PAUSED);
}

/* ---------------------------------------------------------------------------------- */

TEST(a_token_that_expires_under_a_stream_is_renewed_and_nothing_pauses)
{
    SIGNER signer = signer_open("EdDSA", NULL);
    SERVED server = start_server(signer);
    PROGRAM reader, writer;

    begin(&reader, signer, "reader.db", server);
    begin(&writer, signer, "writer.db", server);
    in_sync(&reader);
    in_sync(&writer);
    wait_streaming(&reader);
    CHECK_INT(reader.asked, 1);
    for (int round = 1; round <= 3; round++) {
        char note[40], id[8];

        __atomic_add_fetch(&ahead_ms, 1000 * 1000, __ATOMIC_SEQ_CST);
        snprintf(id, sizeof(id), "n%d", round);
        snprintf(note, sizeof(note), "{\"id\":\"%s\"}", id);
        store_put(&writer.s, note);
        wait_for(&reader, &writer, id);
        in_sync(&writer);
        in_sync(&reader);
        wait_streaming(&reader);
        wait_streaming(&writer);
        CHECK_INT(reader.asked, 1 + round);
        CHECK_INT(writer.asked, 1 + round);
    }
    CHECK(!reader.paused && !writer.paused);
    CHECK_INT(reader.errors + writer.errors, 0);
}

TEST(a_program_that_gives_a_refused_token_again_is_paused_and_may_go_on)
{
    SIGNER signer = signer_open("EdDSA", NULL);
    SERVED server = start_server(signer);
    replica_sync_status status;
    PROGRAM p;

    begin(&p, signer, "a.db", server);
    p.fixed = signer_token(signer, "{\"exp\":1000}"); /* nobody has asked for it yet */
    store_put(&p.s, "{\"id\":\"a\"}");
    wait_paused(&p, &status);
    CHECK_INT(p.asked, 2);
    CHECK_INT(status.error.code, REPLICA_EAUTH);
    CHECK_INT(status.error.detail, 401);
    CHECK(strstr(status.error.message, "the token has expired"));
    CHECK(!strstr(status.error.message, "eyJ"));
    replica_db_wait(p.s.db, 0, NULL);
    CHECK_INT(p.asked, 2); /* no more, until the program says so */

    p.fixed = NULL;
    CHECK_RC(replica_sync_resume(p.sync, &test_err), 0);
    in_sync(&p);
    CHECK_INT(p.asked, 3);
    CHECK_RC(replica_sync_get_status(p.sync, &status, &test_err), 0);
    CHECK_INT(status.error.code, 0);
}

TEST(a_program_without_a_token_is_paused_and_may_go_on)
{
    SIGNER signer = signer_open("EdDSA", NULL);
    SERVED server = start_server(signer);
    replica_sync_status status;
    PROGRAM p;

    begin(&p, signer, "a.db", server);
    p.result = -1;
    wait_paused(&p, &status);
    CHECK_INT(status.error.code, REPLICA_EAUTH);
    CHECK_INT(p.asked, 1);
    p.result = 1;
    CHECK_RC(replica_sync_resume(p.sync, &test_err), 0);
    in_sync(&p);
    CHECK_INT(p.asked, 2);
}

/* The callback runs where the program dispatches: until it does, all waits. */
TEST(a_token_may_come_late_or_never)
{
    SIGNER signer = signer_open("EdDSA", NULL);
    SERVED server = start_server(signer);
    replica_sync_status status = REPLICA_SYNC_STATUS_INIT;
    PROGRAM late, never;

    begin(&never, signer, "never.db", server);
    begin(&late, signer, "late.db", server);
    store_put(&late.s, "{\"id\":\"a\"}");
    CHECK_RC(replica_sync_get_status(never.sync, &status, &test_err), 0);
    CHECK(status.state != REPLICA_SYNC_PAUSED);
    in_sync(&late);
    CHECK_INT(late.asked, 1);
    CHECK_INT(late.errors, 0);
    CHECK_INT(never.asked, 0);
    /* and the end of `never` waits for nobody */
}

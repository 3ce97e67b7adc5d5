/* Writes that read first, alone and against each other. */
#include "tests/support/store.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static int answer_with(void *ctx, replica_doc *current, replica_text *out)
{
    replica_text_add(out, ctx, REPLICA_NUL);
    return REPLICA_MODIFY_PUT;
}

static int answer_code(void *ctx, replica_doc *current, replica_text *out)
{
    return *(int *)ctx;
}

TEST(modify_inserts_what_is_not_there)
{
    STORE s = store_empty();
    char text[] = "{\"id\":\"a\"}";
    replica_doc *doc = NULL;

    CHECK_RC(replica_modify(s.coll, "a", answer_with, text, &doc, &test_err), 1);
    CHECK_STR(replica_doc_json(doc, NULL), text);
    CHECK_STR(store_json(&s, "a"), text);
    replica_doc_unref(doc);
}

static int add_one(void *ctx, replica_doc *current, replica_text *out)
{
    char text[64];
    int n = current ? atoi(strstr(replica_doc_json(current, NULL), "\"n\":") + 4) : 0;

    snprintf(text, sizeof text, "{\"id\":\"a\",\"n\":%d}", n + 1);
    replica_text_add(out, text, 5);
    replica_text_add(out, text + 5, REPLICA_NUL);
    return REPLICA_MODIFY_PUT;
}

TEST(modify_sees_what_is_stored_and_puts_what_it_wrote)
{
    STORE s = store_with("{\"id\":\"a\",\"n\":41}");

    CHECK_RC(replica_modify(s.coll, "a", add_one, NULL, NULL, &test_err), 1);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":42}");
}

TEST(modify_can_keep_delete_and_fail)
{
    STORE s = store_with("{\"id\":\"a\"}");
    int code = REPLICA_MODIFY_KEEP;

    CHECK_RC(replica_modify(s.coll, "a", answer_code, &code, NULL, &test_err), 0);
    code = -7;
    CHECK_RC(replica_modify(s.coll, "a", answer_code, &code, NULL, &test_err), REPLICA_EUSER);
    code = 99;
    CHECK_RC(replica_modify(s.coll, "a", answer_code, &code, NULL, &test_err), REPLICA_EUSER);
    CHECK(store_json(&s, "a"));
    code = REPLICA_MODIFY_DELETE;
    CHECK_RC(replica_modify(s.coll, "a", answer_code, &code, NULL, &test_err), 1);
    CHECK(!store_json(&s, "a"));
    CHECK_RC(replica_modify(s.coll, "a", answer_code, &code, NULL, &test_err), 0);
}

TEST(modify_refuses_what_put_refuses_and_another_key)
{
    STORE s = store_with("{\"id\":\"a\"}");
    static const char *const texts[] = { "", "{", "{\"id\":\"b\"}", "{\"id\":\"a\",\"_x\":1}" };

    for (int i = 0; i < 4; i++) {
        char text[40];

        strcpy(text, texts[i]);
        CHECK_RC(replica_modify(s.coll, "a", answer_with, text, NULL, &test_err), REPLICA_EJSON);
        CHECK_STR(test_err.where, "notes/a");
    }
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\"}");
}

TEST(modify_without_a_function_is_invalid)
{
    STORE s = store_empty();

    CHECK_RC(replica_modify(s.coll, "a", NULL, NULL, NULL, &test_err), REPLICA_EINVAL);
}

struct rival {
    struct store *s;
    int asked, lost; /* how often fn ran, and how often somebody was faster */
};

static int lose(void *ctx, replica_doc *current, replica_text *out)
{
    struct rival *rival = ctx;

    if (rival->asked++ < rival->lost)
        store_put(rival->s, rival->asked % 2 ? "{\"id\":\"a\",\"by\":\"x\"}" : "{\"id\":\"a\"}");
    replica_text_add(out, "{\"id\":\"a\",\"by\":\"me\"}", REPLICA_NUL);
    return REPLICA_MODIFY_PUT;
}

TEST(modify_tries_again_when_somebody_was_faster)
{
    STORE s = store_with("{\"id\":\"a\"}");
    struct rival rival = { .s = &s, .lost = 3 };

    CHECK_RC(replica_modify(s.coll, "a", lose, &rival, NULL, &test_err), 1);
    CHECK_INT(rival.asked, 4);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"by\":\"me\"}");
}

TEST(modify_gives_up_after_a_hundred_times)
{
    STORE s = store_with("{\"id\":\"a\"}");
    struct rival rival = { .s = &s, .lost = 1000 };

    CHECK_RC(replica_modify(s.coll, "a", lose, &rival, NULL, &test_err), REPLICA_ECONFLICT);
    CHECK_INT(rival.asked, 100);
}

/* ---- many writers ---------------------------------------------------------------- */

#define WRITERS 8
#define TIMES 40

static void *count_up(void *path)
{
    STORE s = store_open(path, NULL);

    for (int i = 0; i < TIMES; i++)
        CHECK_RC(replica_modify(s.coll, "a", add_one, NULL, NULL, NULL), 1);
    return NULL;
}

TEST(eight_writers_of_one_document_lose_no_increment)
{
    STORE s = store_with("{\"id\":\"a\",\"n\":0}");
    pthread_t threads[WRITERS];

    for (int i = 0; i < WRITERS; i++)
        CHECK(pthread_create(&threads[i], NULL, count_up, (void *)(uintptr_t)s.path) == 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    CHECK_STR(store_json(&s, "a"), "{\"id\":\"a\",\"n\":320}");
    CHECK(strncmp(store_rev(&s, "a"), "321-", 4) == 0);
    store_sound(&s);
}

static void *patch_own_field(void *ctx)
{
    struct {
        const char *path;
        int number;
    } *mine = ctx;
    STORE s = store_open(mine->path, NULL);

    for (int i = 1; i <= 20; i++) {
        char text[40];

        snprintf(text, sizeof text, "{\"f%d\":%d}", mine->number, i);
        CHECK_RC(replica_patch(s.coll, "a", text, REPLICA_NUL, "*", NULL, NULL, NULL), 1);
    }
    return NULL;
}

TEST(patches_of_any_revision_lose_nothing_of_each_other)
{
    STORE s = store_with("{\"id\":\"a\"}");
    pthread_t threads[4];
    struct {
        const char *path;
        int number;
    } args[4];

    for (int i = 0; i < 4; i++) {
        args[i].path = s.path;
        args[i].number = i;
        CHECK(pthread_create(&threads[i], NULL, patch_own_field, &args[i]) == 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++) {
        char field[20];

        snprintf(field, sizeof field, "\"f%d\":20", i);
        CHECK(strstr(store_json(&s, "a"), field));
    }
}

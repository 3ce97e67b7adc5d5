/* Digests, keys and documents by ranges, against what is counted by hand; and the horizon. */
#include "libreplica/keys.h"
#include "libreplica/replication/range.h"
#include "libreplica/store.h"
#include "tests/server/office.h"
#include "tests/support/test.h"
#include "tools/server/access.h"
#include "tools/server/purge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGESTS "/_replica/1/digests"
#define IDS "/_replica/1/ids"
#define DOCUMENTS "/_replica/1/documents"
#define ZEROS "00000000000000000000000000000000"

static replica_collection *notes(struct office *o)
{
    replica_collection *coll = NULL;

    CHECK_RC(replica_db_collection(o->db, "notes", NULL, &coll, &test_err), 0);
    return coll;
}

static int64_t put(struct office *o, const char *json)
{
    replica_doc *doc = NULL;
    int64_t sequence;

    CHECK_RC(replica_upsert(notes(o), json, REPLICA_NUL, &doc, &test_err), 0);
    sequence = replica_doc_sequence(doc);
    replica_doc_unref(doc);
    return sequence;
}

static void drop(struct office *o, const char *id)
{
    CHECK_RC(replica_delete(notes(o), id, REPLICA_ANY_REV, NULL, &test_err), 1);
}

static const char *hex(struct replica__digest digest)
{
    static char rooms[4][REPLICA__DIGEST_HEX + 1];
    static int next;
    char *room = rooms[next++ % 4];

    replica__digest_hex(digest, room);
    return room;
}

/* ---- a model to compare with ----------------------------------------------------- */

enum { KEYS = 160 };

struct model {
    struct office *o;
    uint64_t dice;
    struct {
        char key[40], json[100];
        int64_t sequence; /* 0: it is not there, or deleted */
    } docs[KEYS];
};

static int by_key(const void *a, const void *b)
{
    return strcmp(a, b); /* the key comes first */
}

/* Keys that are beginnings of others, with bytes above ASCII, and that look alike. */
static void model_start(struct model *m, struct office *o, uint64_t seed)
{
    static const char *const parts[] = { "a", "b", "/", "~", " ", "\"", "0",
                                         "\xc3\xa9", "e\xcc\x81", "\xf0\x9f\x98\x80" };

    memset(m, 0, sizeof *m);
    m->o = o;
    m->dice = seed;
    for (int i = 0; i < KEYS;) {
        char key[40] = "";
        int n = 1 + (int)(dice_roll(&m->dice) % 5);
        bool known = false;

        for (int k = 0; k < n; k++)
            strcat(key, parts[dice_roll(&m->dice) % (sizeof parts / sizeof parts[0])]);
        for (int k = 0; k < i; k++)
            known = known || strcmp(m->docs[k].key, key) == 0;
        if (!known)
            strcpy(m->docs[i++].key, key);
    }
    qsort(m->docs, KEYS, sizeof m->docs[0], by_key);
}

static void model_write(struct model *m)
{
    int i = (int)(dice_roll(&m->dice) % KEYS);
    REPLICA_BUF key = REPLICA_BUF_INIT;

    if (m->docs[i].sequence && dice_roll(&m->dice) % 3 == 0) {
        drop(m->o, m->docs[i].key);
        m->docs[i].sequence = 0;
        return;
    }
    replica__buf_json_string(&key, m->docs[i].key, strlen(m->docs[i].key));
    snprintf(m->docs[i].json, sizeof m->docs[i].json, "{\"id\":%s,\"n\":%d}", key.data,
             (int)(dice_roll(&m->dice) % 1000));
    m->docs[i].sequence = put(m->o, m->docs[i].json);
}

/* NULL is the first, or the last, key. */
static bool is_in(const struct model *m, int i, const char *after, const char *to,
                  const char *keys)
{
    const char *key = m->docs[i].key;

    return m->docs[i].sequence && (!after || strcmp(key, after) > 0) &&
           (!to || strcmp(key, to) <= 0) && (!keys || replica_key_matches(keys, key));
}

static struct replica__digest model_digest(const struct model *m, int i, bool texts)
{
    const char *key = m->docs[i].key;

    return texts ? replica__digest_text(key, strlen(key), m->docs[i].json,
                                        strlen(m->docs[i].json))
                 : replica__digest_number(key, strlen(key), m->docs[i].sequence);
}

static void check_chunk(const struct model *m, const char *after, const char *to,
                        const char *keys, bool texts, int64_t count, struct replica__slice digest)
{
    struct replica__digest want = { 0, 0 };
    int64_t n = 0;

    for (int i = 0; i < KEYS; i++) {
        if (is_in(m, i, after, to, keys)) {
            replica__digest_add(&want, model_digest(m, i, texts));
            n++;
        }
    }
    CHECK_INT(count, n);
    CHECK_MEM(digest.data + 1, digest.len - 2, hex(want), REPLICA__DIGEST_HEX);
}

/* ---- asking ---------------------------------------------------------------------- */

static void add_question(struct replica__buf *out, const char *after, const char *keys, bool texts)
{
    replica__buf_str(out, "{\"collection\":\"notes/0\",\"after\":");
    if (after)
        replica__buf_json_string(out, after, strlen(after));
    else
        replica__buf_str(out, "null");
    replica__buf_printf(out, ",\"of\":\"%s\"", texts ? "texts" : "numbers");
    if (keys)
        replica__buf_printf(out, ",\"keys\":\"%s\"", keys);
}

static struct replica__json_value answer(struct office *o, const char *path,
                                         const struct replica__buf *question)
{
    const char *text = post(o, path, question->data);
    struct replica__json_value v;

    if (status(o) != 200)
        test_fail(__FILE__, __LINE__, "%s: %s", question->data, text);
    CHECK_RC(replica__json_check(text, strlen(text), NULL, &test_err), 0);
    v = replica__json_value(text, strlen(text));
    CHECK_INT(v.type, REPLICA_JSON_OBJECT);
    return v;
}

/* The string in room, or NULL. */
static const char *string_of(struct replica__json_value v, struct replica__buf *room)
{
    replica__buf_clear(room);
    if (v.type == REPLICA_JSON_NULL)
        return NULL;
    CHECK_INT(v.type, REPLICA_JSON_STRING);
    replica__json_unescape((struct replica__slice){ v.text.data + 1, v.text.len - 2 }, room);
    return room->data;
}

static struct replica__json_value element(struct replica__json_value list, int n)
{
    struct replica__json_iter it = replica__json_iter(list);

    for (int i = 0; i <= n; i++)
        CHECK(replica__json_next(&it));
    return it.value;
}

/* All chunks from `after` on, while others write; gives how many answers it took. */
static void walk_digests(struct model *m, const char *keys, bool texts, int rows, int writes)
{
    REPLICA_BUF after = REPLICA_BUF_INIT;
    REPLICA_BUF to = REPLICA_BUF_INIT;
    REPLICA_BUF question = REPLICA_BUF_INIT;
    struct replica__json_iter it;
    const char *from = NULL;
    bool end = false;

    while (!end) {
        replica__buf_clear(&question);
        add_question(&question, from, keys, texts);
        replica__buf_printf(&question, ",\"rows\":%d}", rows);
        it = replica__json_iter(
            replica__json_member(answer(m->o, DIGESTS, &question), "chunks", REPLICA_NUL));
        while (replica__json_next(&it)) {
            const char *last = string_of(element(it.value, 0), &to);
            int64_t count = -1;

            CHECK(!end);
            CHECK(replica__json_int(element(it.value, 1), &count));
            CHECK(count == rows || !last); /* nothing else ends a chunk here */
            check_chunk(m, from, last, keys, texts, count, element(it.value, 2).text);
            end = !last;
            replica__buf_clear(&after);
            replica__buf_str(&after, last ? last : "");
            from = after.data;
            if (dice_roll(&m->dice) % 4 == 0)
                break; /* ask from here on again, of what is there then */
        }
        for (int i = 0; i < writes; i++)
            model_write(m);
    }
}

static void walk_ids(struct model *m, const char *keys, bool texts, const char *after,
                     const char *to)
{
    REPLICA_BUF question = REPLICA_BUF_INIT;
    REPLICA_BUF room = REPLICA_BUF_INIT;
    struct replica__json_value v;
    struct replica__json_iter it;

    add_question(&question, after, keys, texts);
    if (to) {
        replica__buf_str(&question, ",\"to\":");
        replica__buf_json_string(&question, to, strlen(to));
    }
    replica__buf_char(&question, '}');
    v = answer(m->o, IDS, &question);
    it = replica__json_iter(replica__json_member(v, "ids", REPLICA_NUL));
    for (int i = 0; i < KEYS; i++) {
        struct replica__slice what;

        if (!is_in(m, i, after, to, keys))
            continue;
        CHECK(replica__json_next(&it));
        CHECK_STR(string_of(element(it.value, 0), &room), m->docs[i].key);
        what = element(it.value, 1).text;
        if (texts)
            CHECK_MEM(what.data + 1, what.len - 2, hex(model_digest(m, i, true)), 32);
        else
            CHECK_INT(strtoll(what.data, NULL, 10), m->docs[i].sequence);
    }
    CHECK(!replica__json_next(&it));
    CHECK_STR(string_of(replica__json_member(v, "to", REPLICA_NUL), &room), to);
}

TEST(chunks_are_as_counted_by_hand_while_others_write)
{
    static const char *const keys[] = { NULL, "**", "*/**", "a/*", "b/**", "a", "*/\xc3\xa9/**" };
    struct model *m = malloc(sizeof *m);

    CHECK(m != NULL);
    for (uint64_t seed = 1; seed <= 6; seed++) {
        OFFICE o = office_open(NULL, NULL);

        model_start(m, o, seed);
        for (int i = 0; i < 2 * KEYS; i++)
            model_write(m);
        for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
            int rows = 1 + (int)(dice_roll(&m->dice) % 30);

            walk_digests(m, keys[k], k % 2, rows, 0);
            walk_digests(m, keys[k], !(k % 2), rows, 3);
            for (int i = 0; i < 5; i++)
                walk_ids(m, keys[k], i % 2,
                         i < 1 ? NULL : m->docs[dice_roll(&m->dice) % KEYS].key,
                         i < 2 ? NULL : m->docs[dice_roll(&m->dice) % KEYS].key);
        }
    }
    free(m);
}

/* ---- the shape of answers -------------------------------------------------------- */

#define ASK "{\"collection\":\"notes/0\"}"

TEST(a_chunk_ends_at_its_rows_and_the_last_one_nowhere)
{
    OFFICE o = office_open(NULL, NULL);
    int64_t a = put(o, "{\"id\":\"a\"}"), b = put(o, "{\"id\":\"b\"}");
    char want[300];

    snprintf(want, sizeof want,
             "{\"head\":{\"id\":\"%s\",\"lwt\":2},\"chunks\":[[\"a\",1,\"%s\"],[\"b\",1,\"%s\"],"
             "[null,0,\"" ZEROS "\"]]}",
             o->incarnation, hex(replica__digest_number("a", 1, a)),
             hex(replica__digest_number("b", 1, b)));
    CHECK_STR(post(o, DIGESTS, "{\"collection\":\"notes/0\",\"rows\":1}"), want);
    CHECK_STR(post(o, IDS, ASK),
              at(o, "{\"head\":{\"id\":\"@\",\"lwt\":2},\"ids\":[[\"a\",1],[\"b\",2]],"
                    "\"to\":null}"));
    CHECK_STR(post(o, IDS, "{\"collection\":\"notes/0\",\"after\":\"a\",\"to\":\"x\"}"),
              at(o, "{\"head\":{\"id\":\"@\",\"lwt\":2},\"ids\":[[\"b\",2]],\"to\":\"x\"}"));
}

TEST(a_collection_that_is_not_there_is_empty)
{
    OFFICE o = office_open(NULL, NULL);

    CHECK_STR(post(o, DIGESTS, ASK),
              at(o, "{\"head\":{\"id\":\"@\",\"lwt\":0},\"chunks\":[[null,0,\"" ZEROS "\"]]}"));
    CHECK_STR(post(o, IDS, ASK),
              at(o, "{\"head\":{\"id\":\"@\",\"lwt\":0},\"ids\":[],\"to\":null}"));
    CHECK(strstr(post(o, DOCUMENTS, "{\"collection\":\"notes/0\",\"ids\":[\"a\"]}"),
                 at(o, "\"meta\":[],\"documents\":[],\"absent\":true,"
                       "\"head\":{\"id\":\"@\",\"lwt\":0}}")));
    CHECK_INT(status(o), 200);
}

TEST(an_answer_ends_where_it_has_looked_at_enough)
{
    OFFICE o = office_open(NULL, NULL);
    REPLICA_BUF question = REPLICA_BUF_INIT;
    REPLICA_BUF to = REPLICA_BUF_INIT;
    struct replica__json_value v;
    struct replica__json_iter it;
    int64_t total = 0, count;
    int answers = 0;

    for (int part = 0; part < 3; part++) {
        replica__buf_clear(&question);
        for (int i = part * 10000; i < part * 10000 + 10000; i++)
            replica__buf_printf(&question,
                                "%s{\"newDocumentState\":{\"id\":\"%06d\",\"_deleted\":%s}}",
                                i % 10000 ? "," : "[", i, i % 3 ? "false" : "true");
        replica__buf_char(&question, ']');
        CHECK_STR(post(o, "/notes/0/push", question.data), "[]");
    }
    for (const char *from = NULL; answers == 0 || from; answers++) {
        replica__buf_clear(&question);
        add_question(&question, from, NULL, false);
        replica__buf_str(&question, ",\"rows\":7000}");
        v = answer(o, DIGESTS, &question);
        it = replica__json_iter(replica__json_member(v, "chunks", REPLICA_NUL));
        while (replica__json_next(&it)) {
            CHECK(replica__json_int(element(it.value, 1), &count));
            total += count;
            from = string_of(element(it.value, 0), &to);
        }
    }
    CHECK_INT(answers, 2);
    CHECK_INT(total, 20000);
}

/* Each look at the clock takes 10 ms. */
static int64_t tired_ms(void *ctx)
{
    return ((struct clock *)ctx)->monotonic_ms += 10;
}

TEST(what_takes_long_to_look_at_is_told_in_parts)
{
    OFFICE o = office_open(NULL, NULL);
    REPLICA_BUF ids = REPLICA_BUF_INIT;
    const char *text;
    char json[40];
    int n = 0;

    replica__buf_str(&ids, "{\"collection\":\"notes/0\",\"ids\":[");
    for (int i = 10; i < 60; i++) {
        snprintf(json, sizeof(json), "{\"id\":\"%d\",\"n\":1}", i);
        put(o, json);
        replica__buf_printf(&ids, "%s\"%d\"", i > 10 ? "," : "", i);
    }
    replica__buf_str(&ids, "]}");
    o->clock.world.monotonic_ms = tired_ms;
    text = post(o, DOCUMENTS, ids.data);
    for (; (text = strstr(text, "\"n\":1")); text++)
        n++;
    CHECK(n > 0 && n < 50);
    text = post(o, DIGESTS, "{\"collection\":\"notes/0\",\"filter\":{\"n\":2}}");
    CHECK(strstr(text, "\"chunks\":[[\"1") && !strstr(text, "[null,"));
    text = post(o, IDS, "{\"collection\":\"notes/0\",\"filter\":{\"n\":2}}");
    CHECK(strstr(text, "\"ids\":[],\"to\":\"1"));
}

TEST(what_no_question_is_is_refused)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{",
        "{}",
        "{\"collection\":7}",
        "{\"collection\":\"notes\"}",
        "{\"collection\":\"notes/x\"}",
        "{\"collection\":\"notes/0\",\"after\":7}",
        "{\"collection\":\"notes/0\",\"after\":\"a\\u0000b\"}",
        "{\"collection\":\"notes/0\",\"to\":{}}",
        "{\"collection\":\"notes/0\",\"of\":\"all\"}",
        "{\"collection\":\"notes/0\",\"of\":1}",
        "{\"collection\":\"notes/0\",\"rows\":0}",
        "{\"collection\":\"notes/0\",\"rows\":-5}",
        "{\"collection\":\"notes/0\",\"rows\":\"5\"}",
        "{\"collection\":\"notes/0\",\"keys\":5}",
        "{\"collection\":\"notes/0\",\"keys\":\"a**\\u0000\"}",
        "{\"collection\":\"notes/0\",\"filter\":5}",
        "{\"collection\":\"notes/0\",\"filter\":{\"$no\":1}}",
        "{\"collection\":\"notes/0\",\"collections\":\"notes/0\"}",
        "{\"collection\":\"notes/0\",\"collections\":[]}",
        "{\"collection\":\"notes/0\",\"collections\":[5]}",
        "{\"collection\":\"notes/0\",\"collections\":[\"notes\"]}",
        "{\"collection\":\"notes/0\"}x",
    };
    static const char *const bad_ids[] = {
        "{\"collection\":\"notes/0\"}",
        "{\"collection\":\"notes/0\",\"ids\":\"a\"}",
        "{\"collection\":\"notes/0\",\"ids\":[1]}",
        "{\"collection\":\"notes/0\",\"ids\":[\"a\",null]}",
        "{\"collection\":\"notes/0\",\"ids\":[\"a\\u0000\"]}",
    };
    OFFICE o = office_open(NULL, NULL);
    REPLICA_BUF many = REPLICA_BUF_INIT;

    put(o, "{\"id\":\"a\"}");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        post(o, DIGESTS, bad[i]);
        if (status(o) != 400)
            test_fail(__FILE__, __LINE__, "%s is %d", bad[i], status(o));
        post(o, IDS, bad[i]);
        CHECK_INT(status(o), 400);
    }
    for (size_t i = 0; i < sizeof bad_ids / sizeof bad_ids[0]; i++) {
        post(o, DOCUMENTS, bad_ids[i]);
        CHECK_INT(status(o), 400);
    }
    post(o, DIGESTS, "{\"collection\":\"notes/1\"}");
    CHECK_INT(status(o), 404);
    for (int i = 0; i <= 1000; i++)
        replica__buf_str(&many, i ? ",\"a\"" : "{\"collection\":\"notes/0\",\"ids\":[\"a\"");
    replica__buf_str(&many, "]}");
    post(o, DOCUMENTS, many.data);
    CHECK_INT(status(o), 400);
    replica__buf_clear(&many);
    replica__buf_str(&many, "{\"collection\":\"notes/0\",\"after\":\"");
    for (int i = 0; i < 5000; i++)
        replica__buf_char(&many, 'x');
    replica__buf_str(&many, "\"}");
    post(o, DIGESTS, many.data);
    CHECK_INT(status(o), 400);
}

/* ---- documents ------------------------------------------------------------------- */

TEST(documents_come_in_the_order_of_the_question)
{
    OFFICE o = office_open(NULL, NULL);
    const char *text;

    put(o, "{\"id\":\"a\",\"n\":1}");
    put(o, "{\"id\":\"b\",\"n\":1}");
    drop(o, "a");
    text = post(o, DOCUMENTS, "{\"collection\":\"notes/0\",\"ids\":[\"x\",\"b\",\"a\",\"b\"]}");
    CHECK(strstr(text, "\"meta\":[[0,0,0,1,null,null],[0,2,"));
    CHECK(strstr(text, "],\"documents\":[{\"id\":\"x\"},{\"id\":\"b\",\"n\":1},"
                       "{\"id\":\"a\",\"n\":1},{\"id\":\"b\",\"n\":1}],\"head\":{"));
    CHECK(strncmp(text, "{\"now\":1700000000000,", 21) == 0);
    CHECK(strstr(text, ",1,\"")); /* a: deleted, by a writer */
    CHECK(strstr(text, at(o, "\"head\":{\"id\":\"@\",\"lwt\":3}}")));
}

TEST(documents_outside_the_filter_and_the_pattern_are_told_as_such)
{
    OFFICE o = office_open(NULL, NULL);
    const char *text;

    put(o, "{\"id\":\"a\",\"n\":1}");
    put(o, "{\"id\":\"b\",\"n\":2}");
    text = post(o, DOCUMENTS, "{\"collection\":\"notes/0\",\"ids\":[\"a\",\"b\"],"
                              "\"filter\":{\"n\":2}}");
    CHECK(strstr(text, "\"meta\":[[0,1,0,4,null,null],[0,2,"));
    CHECK(strstr(text, "\"documents\":[{\"id\":\"a\"},{\"id\":\"b\",\"n\":2}]"));
    text = post(o, DOCUMENTS, "{\"collection\":\"notes/0\",\"ids\":[\"a\",\"b\"],\"keys\":\"b\"}");
    CHECK(strstr(text, "\"documents\":[{\"id\":\"a\"},{\"id\":\"b\",\"n\":2}]"));
    drop(o, "a");
    text = post(o, DOCUMENTS, "{\"collection\":\"notes/0\",\"ids\":[\"a\"],\"filter\":{\"n\":2}}");
    CHECK(strstr(text, ",1,\""));
    CHECK(strstr(text, "\"documents\":[{\"id\":\"a\"}]"));
}

TEST(documents_end_behind_the_bytes_of_a_page)
{
    const struct replica__service_options small = { .bytes = 100 };
    OFFICE o = office_open(NULL, &small);
    REPLICA_BUF json = REPLICA_BUF_INIT;

    replica__buf_str(&json, "{\"id\":\"a\",\"t\":\"");
    for (int i = 0; i < 90; i++)
        replica__buf_char(&json, 'x');
    replica__buf_str(&json, "\"}");
    put(o, json.data);
    put(o, "{\"id\":\"b\"}");
    CHECK(!strstr(post(o, DOCUMENTS, "{\"collection\":\"notes/0\",\"ids\":[\"a\",\"b\"]}"),
                  "{\"id\":\"b\"}"));
    CHECK(strstr(post(o, DOCUMENTS, "{\"collection\":\"notes/0\",\"ids\":[\"b\",\"a\"]}"),
                 "\"t\":"));
}

/* ---- access rules ---------------------------------------------------------------- */

#define RULES "{\"collections\":{\"notes\":{\"read\":{\"owner\":\"$auth.sub\"}," \
              "\"serverOnly\":[\"score\"]},\"people\":{\"read\":true}}}"

/* "a" is anna's, "b" bob's; both have a score that nobody sees. */
static struct office *ruled(struct replica__access **ret_access, const struct replica__who *who)
{
    struct replica__service_options options = { 0 };
    struct office *o;

    CHECK_RC(replica__access_parse("rules", RULES, strlen(RULES), ret_access, &test_err), 0);
    options.access = *ret_access;
    o = office_open(NULL, &options);
    o->who = who;
    put(o, "{\"id\":\"a\",\"owner\":\"anna\",\"score\":5}");
    put(o, "{\"id\":\"b\",\"owner\":\"bob\",\"score\":6}");
    return o;
}

static void close_access(struct replica__access **access)
{
    replica__access_close(*access);
}
#define ACCESS __attribute__((cleanup(close_access))) struct replica__access *

static const struct replica__who anna = { "{\"sub\":\"anna\"}", 14, 0 };

TEST(what_may_not_be_seen_is_neither_counted_nor_listed)
{
    static const char seen[] = "{\"id\":\"a\",\"owner\":\"anna\"}";
    ACCESS access = NULL;
    OFFICE o = ruled(&access, &anna);
    char want[80];
    const char *text;

    snprintf(want, sizeof want, "\"chunks\":[[null,1,\"%s\"]]}",
             hex(replica__digest_number("a", 1, 1)));
    CHECK(strstr(post(o, DIGESTS, ASK), want));
    snprintf(want, sizeof want, "\"chunks\":[[null,1,\"%s\"]]}",
             hex(replica__digest_text("a", 1, seen, strlen(seen))));
    CHECK(strstr(post(o, DIGESTS, "{\"collection\":\"notes/0\",\"of\":\"texts\"}"), want));
    CHECK(strstr(post(o, IDS, ASK), "\"ids\":[[\"a\",1]],\"to\":null}"));
    text = post(o, DOCUMENTS, "{\"collection\":\"notes/0\",\"ids\":[\"a\",\"b\"]}");
    CHECK(strstr(text, ",[0,2,0,2,null,null]]"));
    CHECK(strstr(text, "\"documents\":[{\"id\":\"a\",\"owner\":\"anna\"},{\"id\":\"b\"}]"));
    drop(o, "b");
    text = post(o, DOCUMENTS, "{\"collection\":\"notes/0\",\"ids\":[\"b\"]}");
    CHECK(strstr(text, "\"meta\":[[0,0,0,1,null,null]],\"documents\":[{\"id\":\"b\"}]"));
}

TEST(the_head_of_a_comparison_is_a_checkpoint_of_all_its_collections)
{
    ACCESS access = NULL;
    OFFICE o = ruled(&access, &anna);
    REPLICA_BUF text = REPLICA_BUF_INIT;
    REPLICA_BUF id = REPLICA_BUF_INIT;
    struct replica__json_value head;

    replica__buf_str(&text, "{\"collection\":\"notes/0\","
                            "\"collections\":[\"notes/0\",\"people/0\"]}");
    head = replica__json_member(answer(o, DIGESTS, &text), "head", REPLICA_NUL);
    string_of(replica__json_member(head, "id", REPLICA_NUL), &id);
    replica__buf_clear(&text);
    replica__buf_printf(&text, "/_replica/1/pull?c=notes/0&c=people/0&id=%s&lwt=2", id.data);
    get(o, text.data);
    CHECK_INT(status(o), 200);
    replica__buf_clear(&text);
    replica__buf_printf(&text, "/_replica/1/pull?c=notes/0&id=%s&lwt=2", id.data);
    CHECK(strstr(get(o, text.data), "\"why\":\"view\""));
}

/* ---- the horizon ----------------------------------------------------------------- */

/* "a" was deleted as number 3, and purged; the head is 4. */
static struct office *purged(void)
{
    struct office *o = office_open(NULL, NULL);
    int64_t count = 0;

    put(o, "{\"id\":\"a\"}");
    put(o, "{\"id\":\"b\"}");
    drop(o, "a");
    put(o, "{\"id\":\"c\"}");
    replica__db_set_world(o->db, &o->clock.world);
    o->clock.now_ms += INT64_C(100) * 365 * 24 * 3600 * 1000;
    CHECK_RC(replica_purge(o->db, NULL, 0, 0, &count, &test_err), 0);
    CHECK_INT(count, 1);
    return o;
}

#define PUSH "/_replica/1/push"
#define ROW                                                                                     \
    ",\"incarnations\":[],\"meta\":[[0,\"abc.1\",0,4,-1,0,null]],"                              \
    "\"documents\":[{\"id\":\"a\",\"n\":2}],\"assumed\":[{\"id\":\"a\"}]}"

TEST(hello_tells_that_deletions_were_purged)
{
    OFFICE before = office_open(NULL, NULL);
    OFFICE after = purged();

    CHECK(!strstr(get(before, "/_replica/1/hello"), "\"purged\""));
    CHECK(strstr(get(after, "/_replica/1/hello"), "\"purged\":true"));
    CHECK(strstr(get(after, "/_replica/1/hello"), "\"ranges\""));
}

TEST(a_checkpoint_before_the_horizon_is_to_be_reconciled)
{
    OFFICE o = purged();
    const char *answer = get(o, at(o, "/_replica/1/pull?c=notes/0&id=@&lwt=2"));

    CHECK_INT(status(o), 409);
    CHECK(strstr(answer, "{\"error\":\"reconcile\",") && strstr(answer, ",\"why\":\"horizon\"}"));
    CHECK(strstr(post(o, PUSH, at(o, "{\"collections\":[\"notes/0\"],\"checkpoint\":{\"id\":\"@\","
                                     "\"lwt\":2}" ROW)), "\"why\":\"horizon\""));
    CHECK_INT(status(o), 409);
    get(o, at(o, "/_replica/1/stream?c=notes/0&id=@&lwt=2"));
    CHECK_INT(status(o), 409);
}

TEST(a_checkpoint_at_the_horizon_goes_on_and_so_does_the_beginning)
{
    OFFICE o = purged();

    CHECK(strstr(get(o, at(o, "/_replica/1/pull?c=notes/0&id=@&lwt=3")), "{\"id\":\"c\"}"));
    CHECK_INT(status(o), 200);
    CHECK(strstr(get(o, "/_replica/1/pull?c=notes/0&id=&lwt=0"), "{\"id\":\"b\"}"));
    CHECK_INT(status(o), 200);
}

TEST(the_horizon_of_another_collection_is_no_matter)
{
    OFFICE o = purged();

    get(o, at(o, "/_replica/1/pull?c=people/0&id=@&lwt=1"));
    CHECK_INT(status(o), 200);
    get(o, at(o, "/_replica/1/pull?c=people/0&c=notes/0&id=@&lwt=1"));
    CHECK_INT(status(o), 409);
}

TEST(an_edit_from_behind_the_horizon_of_what_was_purged_meets_its_tombstone)
{
    OFFICE o = purged();
    const char *answer = post(o, PUSH, at(o, "{\"collections\":[\"notes/0\"],"
                                             "\"checkpoint\":{\"id\":\"@\",\"lwt\":4}" ROW));

    CHECK_INT(status(o), 200);
    CHECK(strstr(answer, "[{\"conflict\":[3,0,1,"));
    CHECK(strstr(answer, "\"document\":{\"id\":\"a\"}}]"));
}

TEST(a_stock_client_from_before_the_horizon_begins_anew)
{
    OFFICE o = purged();
    const char *edit = "[{\"newDocumentState\":{\"id\":\"a\",\"n\":2,\"_deleted\":false},"
                       "\"assumedMasterState\":{\"id\":\"a\",\"_deleted\":false}}]";

    CHECK(strstr(get(o, at(o, "/notes/0/pull?id=@&lwt=2&limit=10")), "\"id\":\"b\""));
    CHECK(!strstr(get(o, at(o, "/notes/0/pull?id=@&lwt=3&limit=10")), "\"id\":\"b\""));
    CHECK_STR(post(o, "/notes/0/push", edit), "[{\"id\":\"a\",\"_deleted\":true}]");
}

TEST(a_stream_that_a_purge_overtakes_ends)
{
    OFFICE o = office_open(NULL, NULL);
    struct replica__reply stream = { 0 };
    int64_t count = 0;

    put(o, "{\"id\":\"a\"}");
    office_stream(o, at(o, "/_replica/1/stream?c=notes/0&id=@&lwt=1"), NULL, &stream);
    CHECK_INT(stream.status, 200);
    CHECK_STR(stream_text(&stream), ":\n\n");
    drop(o, "a");
    put(o, "{\"id\":\"c\"}");
    replica__db_set_world(o->db, &o->clock.world);
    o->clock.now_ms += INT64_C(100) * 365 * 24 * 3600 * 1000;
    CHECK_RC(replica_purge(o->db, NULL, 0, 0, &count, &test_err), 0);
    CHECK_INT(count, 1);
    replica__service_tick(o->service);
    CHECK_STR(stream_text(&stream), NULL);
    replica__reply_free(&stream);
}

/* The push of a client that had no checkpoint yet is sent again after all these days. */
TEST(a_late_replay_brings_nothing_back)
{
    static const char push[] =
        "{\"collections\":[\"notes/0\"],\"checkpoint\":{\"id\":\"\",\"lwt\":0},\"incarnations\":[],"
        "\"meta\":[[0,\"abc.1\",0,0,-1,0,null]],\"documents\":[{\"id\":\"n\"}]}";
    OFFICE o = office_open(NULL, NULL);
    int64_t count = 0;

    CHECK(strstr(post(o, PUSH, push), "\"verdicts\":[1]"));
    drop(o, "n");
    put(o, "{\"id\":\"z\"}");
    replica__db_set_world(o->db, &o->clock.world);
    o->clock.now_ms += INT64_C(100) * 365 * 24 * 3600 * 1000;
    CHECK_RC(replica_purge(o->db, NULL, 0, 0, &count, &test_err), 0);
    CHECK_INT(count, 1);
    CHECK(strstr(post(o, PUSH, push), "\"verdicts\":[{\"conflict\":[2,"));
    CHECK(!strstr(get(o, "/notes/0/pull?limit=10"), "\"id\":\"n\""));
}

/* ---- purging beside requests ----------------------------------------------------- */

TEST(a_server_purges_at_its_start_and_every_hour)
{
    const struct replica__service_options options = { .purges = true, .purge_ms = 86400000 };
    OFFICE o = office_open(NULL, &options);
    replica_error err = { 0 };
    int64_t ms;
    int slices = 0;

    replica__db_set_world(o->db, &o->clock.world);
    put(o, "{\"id\":\"a\"}");
    drop(o, "a");
    put(o, "{\"id\":\"b\"}");
    clock_pass(&o->clock, 80000000);
    while ((ms = replica__purge_tick(o->service, &err)) < 1000) {
        CHECK(slices++ < 10);
        clock_pass(&o->clock, ms);
    }
    CHECK_INT(err.code, 0);
    CHECK_INT(ms, 3600 * 1000);
    CHECK(!strstr(get(o, "/_replica/1/hello"), "\"purged\"")); /* it is not a day old */
    clock_pass(&o->clock, 1000);
    CHECK_INT(replica__purge_tick(o->service, &err), 3599 * 1000);
    clock_pass(&o->clock, 2 * 3600 * 1000);
    while ((ms = replica__purge_tick(o->service, &err)) < 1000)
        clock_pass(&o->clock, ms);
    CHECK(strstr(get(o, "/_replica/1/hello"), "\"purged\":true"));
}

TEST(who_is_not_to_purge_never_wants_to)
{
    OFFICE o = office_open(NULL, NULL);
    replica_error err = { 0 };

    CHECK_INT(replica__purge_tick(o->service, &err), -1);
}

/* ---- tombstones that nobody needs ------------------------------------------------ */

TEST(a_new_client_is_sent_no_tombstones)
{
    OFFICE o = office_open(NULL, NULL);
    const char *page;

    put(o, "{\"id\":\"a\"}");
    put(o, "{\"id\":\"b\"}");
    drop(o, "a");
    page = get(o, "/_replica/1/pull?c=notes/0&fresh=0");
    CHECK(strstr(page, at(o, "\"documents\":[{\"id\":\"b\"}],\"follows\":{\"id\":\"\",\"lwt\":0},"
                             "\"checkpoint\":{\"id\":\"@\",\"lwt\":3},\"head\":{\"id\":\"@\","
                             "\"lwt\":3},\"remaining\":0}")));
    drop(o, "b"); /* number 4: behind the head that it was told */
    page = get(o, at(o, "/_replica/1/pull?c=notes/0&fresh=3"));
    CHECK(strstr(page, "\"documents\":[{\"id\":\"b\"}]"));
    page = get(o, at(o, "/_replica/1/pull?c=notes/0&c=people/0&fresh=3"));
    CHECK(strstr(page, "\"documents\":[{\"id\":\"b\"}]"));
    page = get(o, "/_replica/1/pull?c=notes/0&fresh=0&keys=*");
    CHECK(strstr(page, "\"documents\":[]"));
    get(o, "/_replica/1/pull?c=notes/0&fresh=x");
    CHECK_INT(status(o), 400);
}

LONG_TEST(two_hundred_thousand_tombstones_are_one_page)
{
    OFFICE o = office_open(NULL, NULL);
    REPLICA_BUF rows = REPLICA_BUF_INIT;
    const char *page;

    for (int part = 0; part < 20; part++) {
        replica__buf_clear(&rows);
        for (int i = 0; i < 10000; i++)
            replica__buf_printf(&rows,
                                "%s{\"newDocumentState\":{\"id\":\"t%06d\",\"_deleted\":true}}",
                                i ? "," : "[", part * 10000 + i);
        replica__buf_char(&rows, ']');
        CHECK_STR(post(o, "/notes/0/push", rows.data), "[]");
        for (int i = 0; i < 5; i++) {
            char json[40];

            snprintf(json, sizeof json, "{\"id\":\"live%d\"}", part * 5 + i);
            put(o, json);
        }
    }
    page = get(o, "/_replica/1/pull?c=notes/0&fresh=0");
    CHECK(strstr(page, "{\"id\":\"live0\"}") && strstr(page, "{\"id\":\"live99\"}"));
    CHECK(strstr(page, "\"remaining\":0}"));
    CHECK(strstr(page, at(o, "\"checkpoint\":{\"id\":\"@\",\"lwt\":200100},\"head\":{\"id\":\"@\","
                             "\"lwt\":200100}")));
    CHECK(!strstr(page, "\"t0"));
    page = get(o, "/_replica/1/pull?c=notes/0&fresh=0&rows=40");
    CHECK(strstr(page, "\"remaining\":60}"));
}

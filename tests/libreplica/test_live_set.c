/* The ordered set and the differences of live queries, against the plainest way to do the same. */
#include "base/buf.h"
#include "libreplica/document.h"
#include "libreplica/live/diff.h"
#include "libreplica/live/set.h"
#include "tests/support/clock.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

#include <stdio.h>

#define IDS 60

static replica_doc *make_doc(int id, int64_t sequence)
{
    char name[16];
    replica_doc *doc;

    snprintf(name, sizeof name, "d%d", id);
    doc = replica__doc_make(&(struct replica__doc_parts){ .collection = "notes",
                                                          .id = name,
                                                          .id_len = strlen(name),
                                                          .json = "{}",
                                                          .len = 2,
                                                          .sequence = sequence,
                                                          .height = 1,
                                                          .opening = "x" });
    CHECK(doc != NULL);
    return doc;
}

/* ---- the set --------------------------------------------------------------------- */

static struct replica__placed *make_placed(int id, const char *key)
{
    REPLICA_DOC doc = make_doc(id, 1);

    return replica__placed_new(doc, key, strlen(key));
}

static void check_set(const struct replica__live_set *set, char keys[IDS][8])
{
    size_t n = 0;

    for (int id = 0; id < IDS; id++) {
        char name[16];
        struct replica__placed *found;

        snprintf(name, sizeof name, "d%d", id);
        found = replica__live_set_find(set, name);
        CHECK((found != NULL) == (keys[id][0] != '\0'));
        if (!found)
            continue;
        n++;
        CHECK_MEM(found->key, found->len, keys[id], strlen(keys[id]));
        CHECK(set->at[replica__live_set_before(set, found->key, found->len)] == found);
    }
    CHECK_INT(set->n, n);
    for (size_t i = 1; i < set->n; i++)
        CHECK(replica__place_compare(set->at[i - 1], set->at[i]->key, set->at[i]->len) < 0);
}

TEST(a_set_finds_by_place_and_by_id_whatever_was_done_to_it)
{
    struct replica__live_set set = { 0 };
    char keys[IDS][8] = { "" };
    uint64_t dice = 11;

    for (int i = 0; i < 5000; i++) {
        int id = (int)(dice_roll(&dice) % IDS);
        struct replica__placed *p;
        char name[16], key[8];

        snprintf(name, sizeof name, "d%d", id);
        /* the id makes each key unique, and no key is the beginning of another */
        snprintf(key, sizeof key, "%c%02d", (char)('a' + dice_roll(&dice) % 5), id);
        p = replica__live_set_find(&set, name);
        if (p)
            replica__placed_free(replica__live_set_take(
                &set, replica__live_set_before(&set, p->key, p->len)));
        keys[id][0] = '\0';
        if (dice_roll(&dice) % 3) {
            CHECK_RC(replica__live_set_reserve(&set), 0);
            p = make_placed(id, key);
            replica__live_set_put(&set, replica__live_set_before(&set, p->key, p->len), p);
            strcpy(keys[id], key);
        }
        if (i % 50 == 0)
            check_set(&set, keys);
    }
    check_set(&set, keys);
    replica__live_set_free(&set);
    CHECK(!replica__live_set_find(&set, "d1"));
}

TEST(a_set_without_memory_stays_as_it_is)
{
    struct replica__live_set set = { 0 };
    struct replica__placed *p;

    fault_alloc(0);
    CHECK_RC(replica__live_set_reserve(&set), REPLICA_ENOMEM);
    fault_stop();
    fault_alloc(1);
    CHECK_RC(replica__live_set_reserve(&set), REPLICA_ENOMEM);
    fault_stop();
    CHECK_RC(replica__live_set_reserve(&set), 0);
    p = make_placed(1, "a");
    replica__live_set_put(&set, 0, p);
    CHECK(replica__live_set_find(&set, "d1") == p);
    replica__live_set_replace(&set, 0, make_placed(1, "a"));
    CHECK(replica__live_set_find(&set, "d1") == set.at[0]);
    replica__live_set_free(&set);
}

/* ---- differences ----------------------------------------------------------------- */

struct list {
    replica_doc *docs[IDS];
    size_t n;
};

static void list_free(struct list *l)
{
    for (size_t i = 0; i < l->n; i++)
        replica_doc_unref(l->docs[i]);
    l->n = 0;
}

static void put_at(struct list *l, size_t at, replica_doc *doc)
{
    CHECK(at <= l->n && l->n < IDS);
    memmove(&l->docs[at + 1], &l->docs[at], (l->n - at) * sizeof(replica_doc *));
    l->docs[at] = replica_doc_ref(doc);
    l->n++;
}

static void take_at(struct list *l, size_t at, const char *id)
{
    CHECK(at < l->n);
    CHECK_STR(replica_doc_id(l->docs[at]), id);
    replica_doc_unref(l->docs[at]);
    l->n--;
    memmove(&l->docs[at], &l->docs[at + 1], (l->n - at) * sizeof(replica_doc *));
}

static void apply(struct list *l, const replica_live_change *change)
{
    const char *id = replica_doc_id(change->doc);

    CHECK((change->what == REPLICA_LIVE_MOVED) <= (change->from != change->to));
    CHECK((change->what == REPLICA_LIVE_CHANGED) <= (change->from == change->to));
    if (change->what != REPLICA_LIVE_ADDED)
        take_at(l, change->from, id);
    if (change->what != REPLICA_LIVE_REMOVED)
        put_at(l, change->to, change->doc);
}

/* A result in which document d stands at places[d]; 0: nowhere. */
static struct list make_list(const int places[IDS], const int64_t sequences[IDS])
{
    struct list l = { .n = 0 };

    for (int place = 1; place <= 1000; place++) {
        for (int id = 0; id < IDS; id++) {
            if (places[id] == place)
                l.docs[l.n++] = make_doc(id, sequences[id]);
        }
    }
    return l;
}

static void check_same(const struct list *is, const struct list *want)
{
    CHECK_INT(is->n, want->n);
    for (size_t i = 0; i < want->n; i++) {
        CHECK_STR(replica_doc_id(is->docs[i]), replica_doc_id(want->docs[i]));
        CHECK_INT(replica_doc_sequence(is->docs[i]), replica_doc_sequence(want->docs[i]));
    }
}

LONG_TEST(differences_make_the_one_result_of_the_other)
{
    uint64_t dice = 12;
    int places[IDS] = { 0 };
    int64_t sequences[IDS] = { 0 }, sequence = 1;

    for (int round = 0; round < 3000; round++) {
        struct list was = make_list(places, sequences), now;
        struct replica__live_diff diff = { 0 };
        size_t changes = dice_roll(&dice) % (round % 10 ? 4 : 50), told;

        for (size_t i = 0; i < changes; i++) {
            size_t id = dice_roll(&dice) % IDS;

            places[id] = dice_roll(&dice) % 3 ? (int)(dice_roll(&dice) % 1000) + 1
                                              : dice_roll(&dice) % 2 ? 0 : places[id];
            sequences[id] = ++sequence;
        }
        now = make_list(places, sequences);
        CHECK_RC(replica__live_diff_between(&diff, was.docs, was.n, now.docs, now.n), 0);
        told = diff.n;
        for (size_t i = 0; i < diff.n; i++)
            apply(&was, &diff.list[i]);
        check_same(&was, &now);
        CHECK(told <= changes); /* each document at most once, and only those that changed */
        replica__live_diff_free(&diff);
        list_free(&was);
        list_free(&now);
    }
}

TEST(differences_without_memory_are_none)
{
    int places[IDS] = { 0 }, others[IDS] = { 0 };
    int64_t sequences[IDS] = { 0 }, changed[IDS];
    struct list was, now;

    for (int id = 0; id < IDS; id++) {
        places[id] = id + 1;
        others[id] = id % 7 ? IDS - id : 0;
        changed[id] = 2;
    }
    was = make_list(places, sequences);
    now = make_list(others, changed);
    for (int nth = 0, failed = 1; failed; nth++) {
        struct replica__live_diff diff = { 0 };
        int r;

        fault_alloc(nth);
        r = replica__live_diff_between(&diff, was.docs, was.n, now.docs, now.n);
        failed = fault_stop();
        CHECK(failed ? r == REPLICA_ENOMEM && diff.n == 0 : r == 0 && diff.n > 0);
        replica__live_diff_free(&diff);
    }
    list_free(&was);
    list_free(&now);
}

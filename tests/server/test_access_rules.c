/* Access rules: what a file may say, and what it means with whose claims. */
#include "tests/support/fault.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"
#include "tools/server/access.h"

#include <stdio.h>
#include <string.h>

#define ACCESS __attribute__((cleanup(close_ptr))) struct replica__access *

static void close_ptr(struct replica__access **access)
{
    replica__access_close(*access);
}

static int parse(const char *text, struct replica__access **ret)
{
    return replica__access_parse("rules.json", text, strlen(text), ret, &test_err);
}

/* The rules of notes. */
static struct replica__access *notes(const char *rules)
{
    struct replica__access *access = NULL;
    char text[2000];

    snprintf(text, sizeof(text), "{\"collections\":{\"notes\":%s}}", rules);
    CHECK_RC(parse(text, &access), 0);
    return access;
}

/* May somebody with these claims do that with this document of the collection? */
static int may(struct replica__access *access, const char *claims, const char *collection,
               enum replica__deed deed, const char *json)
{
    const struct replica__who who = { claims, strlen(claims), 0 };
    struct replica__rights *rights = NULL;
    const struct replica__grants *grants = NULL;
    int r;

    CHECK_RC(replica__access_rights(access, &who, &rights, &test_err), 0);
    CHECK_RC(replica__rights_in(rights, collection, &grants, &test_err), 0);
    r = replica__grants_match(grants, deed, json, strlen(json));
    CHECK(r <= replica__grants_any(grants, deed));
    replica__rights_unref(rights);
    return r;
}

static int reads(const char *rule, const char *claims, const char *json)
{
    char rules[1000];

    snprintf(rules, sizeof(rules), "{\"read\":%s}", rule);
    ACCESS access = notes(rules);
    return may(access, claims, "notes", REPLICA__DEED_READ, json);
}

static uint64_t digest(struct replica__access *access, const char *claims, const char *collection)
{
    const struct replica__who who = { claims, strlen(claims), 0 };
    struct replica__rights *rights = NULL;
    const struct replica__grants *grants = NULL;
    uint64_t digest;

    CHECK_RC(replica__access_rights(access, &who, &rights, &test_err), 0);
    CHECK_RC(replica__rights_in(rights, collection, &grants, &test_err), 0);
    digest = replica__grants_digest(grants);
    replica__rights_unref(rights);
    return digest;
}

TEST(a_claim_stands_for_a_value_of_a_selector)
{
    CHECK_INT(reads("{\"owner\":\"$auth.sub\"}", "{\"sub\":\"anna\"}", "{\"owner\":\"anna\"}"), 1);
    CHECK_INT(reads("{\"owner\":\"$auth.sub\"}", "{\"sub\":\"anna\"}", "{\"owner\":\"bob\"}"), 0);
    CHECK_INT(reads("{\"owner\":\"$auth.sub\"}", "{\"sub\":\"anna\"}",
                    "{\"owner\":[\"bob\",\"anna\"]}"), 1);
    CHECK_INT(reads("{\"team\":{\"$in\":\"$auth.teams\"}}", "{\"teams\":[\"a\",\"b\"]}",
                    "{\"team\":\"b\"}"), 1);
    CHECK_INT(reads("{\"level\":{\"$lte\":\"$auth.level\"}}", "{\"level\":3}", "{\"level\":4}"),
              0);
    CHECK_INT(reads("{\"n\":{\"$in\":[\"$auth.a.b\",7]}}", "{\"a\":{\"b\":5}}", "{\"n\":5}"), 1);
    CHECK_INT(reads("{\"n\":\"$auth.https://a.org/role\"}", "{\"https://a.org/role\":5}",
                    "{\"n\":5}"), 1);
    CHECK_INT(reads("{\"n\":\"\\u0024auth.sub\"}", "{\"sub\":5}", "{\"n\":5}"), 1);
}

TEST(a_claim_that_is_missing_makes_nothing_true)
{
    static const char *const none[] = {
        "{}", "{\"sub\":null}", "{\"sub\":{\"$gt\":null}}", "{\"sub\":{}}", "{\"subs\":\"x\"}"
    };

    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        CHECK_INT(reads("{\"owner\":\"$auth.sub\"}", none[i], "{}"), 0);
        CHECK_INT(reads("{\"owner\":{\"$ne\":\"$auth.sub\"}}", none[i], "{\"owner\":\"x\"}"), 0);
        CHECK_INT(reads("{\"owner\":{\"$nin\":[\"$auth.sub\"]}}", none[i], "{}"), 0);
        CHECK_INT(reads("{\"owner\":{\"$not\":{\"$eq\":\"$auth.sub\"}}}", none[i], "{}"), 0);
        CHECK_INT(reads("{\"$nor\":[{\"owner\":\"$auth.sub\"}]}", none[i], "{}"), 0);
        CHECK_INT(reads("{\"$nor\":[{\"$or\":[{\"a\":1},{\"owner\":\"$auth.sub\"}]}]}", none[i],
                        "{}"), 0);
        CHECK_INT(reads("{\"$and\":[{\"public\":true},{\"owner\":\"$auth.sub\"}]}", none[i],
                        "{\"public\":true}"), 0);
    }
}

TEST(an_alternative_without_the_claim_holds_all_the_same)
{
    static const char rule[] = "{\"$or\":[{\"owner\":\"$auth.sub\"},{\"public\":true}]}";

    CHECK_INT(reads(rule, "{}", "{\"public\":true}"), 1);
    CHECK_INT(reads(rule, "{}", "{\"owner\":null}"), 0);
    CHECK_INT(reads(rule, "{\"sub\":\"anna\"}", "{\"owner\":\"anna\"}"), 1);
    CHECK_INT(reads("{\"$or\":[{\"owner\":\"$auth.sub\"}]}", "{}", "{}"), 0);
}

TEST(claims_of_another_type_than_the_rule_wants_open_nothing)
{
    CHECK_INT(reads("{\"team\":{\"$in\":\"$auth.teams\"}}", "{\"teams\":\"a\"}",
                    "{\"team\":\"a\"}"), 0);
    CHECK_INT(reads("{\"n\":{\"$size\":\"$auth.n\"}}", "{\"n\":\"x\"}", "{\"n\":[]}"), 0);
    /* no conditions come from a token */
    CHECK_INT(reads("{\"n\":{\"$all\":\"$auth.n\"}}",
                    "{\"n\":[{\"$elemMatch\":{\"$exists\":true}}]}", "{\"n\":[5]}"), 0);
    CHECK_INT(reads("{\"n\":{\"$all\":\"$auth.n\"}}", "{\"n\":[5]}", "{\"n\":[5]}"), 1);
    CHECK_INT(reads("{\"n\":{\"$in\":\"$auth.n\"}}", "{\"n\":[{\"$gt\":0}]}", "{\"n\":5}"), 0);
    CHECK_INT(reads("{\"n\":\"$auth.n\"}", "{\"n\":{\"$gt\":0}}", "{\"n\":5}"), 0);
}

TEST(what_is_not_said_is_not_allowed)
{
    ACCESS access = notes("{\"read\":true,\"write\":{\"n\":1},\"delete\":false}");

    CHECK_INT(may(access, "{}", "notes", REPLICA__DEED_READ, "{}"), 1);
    CHECK_INT(may(access, "{}", "notes", REPLICA__DEED_CREATE, "{\"n\":1}"), 1);
    CHECK_INT(may(access, "{}", "notes", REPLICA__DEED_UPDATE, "{\"n\":1}"), 1);
    CHECK_INT(may(access, "{}", "notes", REPLICA__DEED_UPDATE, "{\"n\":2}"), 0);
    CHECK_INT(may(access, "{}", "notes", REPLICA__DEED_DELETE, "{\"n\":1}"), 0);
    CHECK_INT(may(access, "{}", "others", REPLICA__DEED_READ, "{}"), 0);
}

TEST(a_star_stands_for_collections_without_rules)
{
    ACCESS access = NULL;

    CHECK_RC(parse("{\"collections\":{\"*\":{\"read\":true},\"notes\":{}}}", &access), 0);
    CHECK_INT(may(access, "{}", "others", REPLICA__DEED_READ, "{}"), 1);
    CHECK_INT(may(access, "{}", "others", REPLICA__DEED_CREATE, "{}"), 0);
    CHECK_INT(may(access, "{}", "notes", REPLICA__DEED_READ, "{}"), 0);
}

TEST(the_fields_that_reading_depends_on_are_known)
{
    ACCESS access = notes("{\"read\":{\"a.b\":1,\"$or\":[{\"c\":{\"$elemMatch\":{\"x\":1}}},"
                          "{\"$nor\":[{\"d\":2}]},{\"a\":3}]},\"write\":{\"e\":1}}");

    CHECK_STR(replica__access_reads(access, "notes"), "[\"a\",\"c\",\"d\"]");
    CHECK_STR(replica__access_reads(access, "others"), NULL);
}

TEST(a_digest_is_of_what_may_be_read_and_of_nothing_else)
{
    ACCESS a = notes("{\"read\":{\"owner\":\"$auth.sub\"},\"write\":true}");
    ACCESS b = notes("{\"read\":{\"owner\":\"$auth.sub\"},\"write\":{\"n\":\"$auth.n\"}}");
    ACCESS c = notes("{\"read\":{\"owner\":\"$auth.sub\"},\"serverOnly\":[\"n\"]}");
    uint64_t anna = digest(a, "{\"sub\":\"anna\",\"iat\":1}", "notes");

    CHECK(anna == digest(a, "{\"iat\":2,\"sub\":\"anna\"}", "notes"));
    CHECK(anna == digest(b, "{\"sub\":\"anna\",\"n\":3}", "notes"));
    CHECK(anna != digest(a, "{\"sub\":\"bob\"}", "notes"));
    CHECK(anna != digest(a, "{}", "notes"));
    CHECK(anna != digest(c, "{\"sub\":\"anna\"}", "notes"));
}

TEST(rights_are_kept_for_some_and_right_for_all)
{
    ACCESS access = notes("{\"read\":{\"owner\":\"$auth.sub\"}}");
    const struct replica__who first = { "{\"sub\":\"0\"}", 11, 0 };
    struct replica__rights *held = NULL;
    const struct replica__grants *grants = NULL;
    char claims[40], json[40];

    CHECK_RC(replica__access_rights(access, &first, &held, &test_err), 0);
    for (int i = 0; i < 1000; i++) {
        snprintf(claims, sizeof(claims), "{\"sub\":\"%d\"}", i);
        snprintf(json, sizeof(json), "{\"owner\":\"%d\"}", i);
        CHECK_INT(may(access, claims, "notes", REPLICA__DEED_READ, json), 1);
        CHECK_INT(may(access, claims, "notes", REPLICA__DEED_READ, "{\"owner\":\"x\"}"), 0);
    }
    CHECK_RC(replica__rights_in(held, "notes", &grants, &test_err), 0);
    CHECK_INT(replica__grants_match(grants, REPLICA__DEED_READ, "{\"owner\":\"0\"}", 13), 1);
    replica__rights_unref(held);
}

TEST(what_is_wrong_in_a_file_is_named_with_its_place)
{
    static const struct {
        const char *text, *message;
    } bad[] = {
        { "{", "rules.json: byte 1: " },
        { "[]", "rules.json: rules: they are an object with a member \"collections\"" },
        { "{\"collection\":{}}", "rules.json: rules: there is nothing but \"collections\"" },
        { "{}", "rules.json: collections: they are an object" },
        { "{\"collections\":{\"no/tes\":{}}}",
          "rules.json: collections.no/tes: that is no name of a collection" },
        { "{\"collections\":{\"notes\":true}}",
          "rules.json: collections.notes: the rules of a collection are an object" },
        { "{\"collections\":{\"notes\":{\"raed\":true}}}",
          "rules.json: collections.notes.raed: there is no such rule" },
        { "{\"collections\":{\"notes\":{\"read\":\"yes\"}}}",
          "rules.json: collections.notes.read: a rule is true, false or a selector" },
        { "{\"collections\":{\"notes\":{\"read\":{\"a\":{\"$foo\":1}}}}}",
          "rules.json: collections.notes.read, at a: unknown operator '$foo'" },
        { "{\"collections\":{\"notes\":{\"read\":{\"a\":{\"$in\":\"x\"}}}}}",
          "rules.json: collections.notes.read, at a: " },
        { "{\"collections\":{\"notes\":{\"read\":{\"$auth.sub\":1}}}}",
          "rules.json: collections.notes.read: a claim stands for a value, not for a name" },
        { "{\"collections\":{\"notes\":{\"read\":{\"$or\":\"$auth.rules\"}}}}",
          "rules.json: collections.notes.read: a claim cannot stand for conditions" },
        { "{\"collections\":{\"notes\":{\"read\":{\"a\":{\"$regex\":\"$auth.a\"}}}}}",
          "rules.json: collections.notes.read: a claim cannot be a pattern" },
        { "{\"collections\":{\"notes\":{\"read\":{\"a\":\"$auth.\"}}}}",
          "rules.json: collections.notes.read: \"$auth.\" without the name of a claim" },
        { "{\"collections\":{\"notes\":{\"serverOnly\":\"a\"}}}",
          "rules.json: collections.notes.serverOnly: a list of fields is an array" },
        { "{\"collections\":{\"notes\":{\"readOnly\":[1]}}}",
          "rules.json: collections.notes.readOnly: a field is a name" },
        { "{\"collections\":{\"notes\":{\"serverOnly\":[\"a\"],\"readOnly\":[\"\\u0061\"]}}}",
          "rules.json: collections.notes.readOnly: a field is named twice" },
        { "{\"collections\":{\"notes\":{\"readOnly\":[\"_rev\"]}}}",
          "rules.json: collections.notes.readOnly: names with a leading underscore" },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct replica__access *access = NULL;

        test_err = (replica_error){ 0 };
        CHECK(parse(bad[i].text, &access) < 0);
        CHECK(!access);
        if (strncmp(test_err.message, bad[i].message, strlen(bad[i].message)) != 0)
            CHECK_STR(test_err.message, bad[i].message);
    }
}

TEST(a_file_is_read_and_one_that_is_not_there_is_named)
{
    ACCESS access = NULL;
    struct replica__access *none = NULL;

    CHECK_RC(replica__access_open(tmp_write("rules.json", "{\"collections\":{}}", REPLICA_NUL),
                                  &access, &test_err), 0);
    CHECK_RC(replica__access_open(tmp_path("none.json"), &none, &test_err), REPLICA_EIO);
    CHECK(strstr(test_err.message, "none.json"));
}

TEST(a_failed_allocation_fails_the_rules_and_nothing_else)
{
    static const char text[] =
        "{\"collections\":{\"notes\":{\"read\":{\"$or\":[{\"owner\":\"$auth.sub\"},{\"p\":true}]},"
        "\"write\":{\"owner\":\"$auth.sub\"},\"serverOnly\":[\"a\",\"b\"],\"readOnly\":[\"c\"]}}}";
    static const struct replica__who who = { "{\"sub\":\"x\"}", 11, 0 };

    for (int nth = 0, failed = 1; failed; nth++) {
        struct replica__access *access = NULL;
        struct replica__rights *rights = NULL;
        const struct replica__grants *grants = NULL;
        REPLICA_BUF out = REPLICA_BUF_INIT;
        const char *why = "";
        bool seen = false;
        int r;

        fault_alloc(nth);
        r = replica__access_parse("r", text, strlen(text), &access, &test_err);
        if (r == 0)
            r = replica__access_rights(access, &who, &rights, &test_err);
        if (r == 0)
            r = replica__rights_in(rights, "notes", &grants, &test_err);
        if (r == 0)
            r = replica__grants_judge(grants, "id", "{\"owner\":\"x\",\"a\":1,\"b\":2}", 25,
                                      "{\"owner\":\"x\",\"n\":2}", 19, false, &out, &seen, &why);
        failed = fault_stop();
        CHECK(r == 1 || (failed && r == REPLICA_ENOMEM));
        if (r == 1)
            CHECK_STR(out.data, "{\"owner\":\"x\",\"n\":2,\"a\":1,\"b\":2}");
        replica__rights_unref(rights);
        replica__access_close(access);
    }
}

/* replica_check() finds what is wrong, wherever it is. */
#include "base/buf.h"
#include "tests/support/store.h"
#include "tests/support/test.h"

#include <stdio.h>

static void note(void *ctx, const char *where, const char *what)
{
    replica__buf_printf(ctx, "%s: %s\n", where, what);
}

/* A store with something in every table. */
static struct store full(void)
{
    struct store s = store_empty();
    PAGE page = { 0 };

    store_replicate(&s, "r1");
    store_clean(&s, "{\"id\":\"a\",\"n\":1}", 5);
    store_put(&s, "{\"id\":\"a\",\"n\":2}");
    store_put(&s, "{\"id\":\"b\"}");
    CHECK_INT(store_push(&s, &page), 2);
    store_put(&s, "{\"id\":\"a\",\"n\":3}");
    return s;
}

/* What is found after this damage. */
static void finds(const char *damage, const char *where, const char *what)
{
    STORE s = full();
    REPLICA_BUF text = REPLICA_BUF_INIT;
    int n;

    store_sound(&s);
    store_sql(&s, damage);
    n = replica_check(s.db, note, &text, &test_err);
    if (n <= 0 || !text.data || !strstr(text.data, where) || !strstr(text.data, what))
        test_fail(__FILE__, __LINE__, "after %s: %d: %s", damage, n,
                  text.data ? text.data : "nothing");
    CHECK_INT(replica_check(s.db, NULL, NULL, &test_err), n);
    store_close(&s);
    remove(s.path);
}

TEST(a_sound_file_has_no_findings)
{
    STORE s = full();

    CHECK_RC(replica_check(s.db, NULL, NULL, &test_err), 0);
    CHECK_RC(replica_check(NULL, NULL, NULL, &test_err), REPLICA_EINVAL);
}

TEST(each_kind_of_damage_is_found)
{
    finds("UPDATE doc SET body = '{\"id\":\"a\",}' WHERE id = 'a'", "notes/a", "");
    finds("UPDATE doc SET body = '{\"id\":\"x\"}' WHERE id = 'a'", "notes/a", "primary key");
    finds("UPDATE doc SET body = '{\"id\":\"a\",\"_x\":1}' WHERE id = 'a'", "notes/a", "reserved");
    finds("UPDATE doc SET coll = 77 WHERE id = 'a'", "collection 77", "missing");
    finds("UPDATE doc SET opening = 77 WHERE id = 'a'", "notes/a", "opening");
    finds("UPDATE doc SET writer = 77 WHERE id = 'a'", "notes/a", "writer");
    finds("UPDATE doc SET height = 0 WHERE id = 'a'", "notes/a", "height");
    finds("INSERT INTO collection(name, key, version) VALUES('z', 'id', 0);"
          "UPDATE doc SET coll = (SELECT id FROM collection WHERE name = 'z'), seq = 3"
          " WHERE id = 'a'; UPDATE doc SET seq = 3 WHERE id = 'b'", "sequence 3", "two documents");
    finds("UPDATE state SET doc = 77", "document 77", "missing");
    finds("UPDATE state SET replication = 77", "state of document", "replication is missing");
    finds("UPDATE state SET clean_seq = 77", "state of document", "never had");
    finds("DELETE FROM kept WHERE id = (SELECT base FROM state WHERE base IS NOT NULL)",
          "kept state", "missing");
    finds("UPDATE kept SET refs = 9", "kept state", "counts 9 references and has 1");
    finds("UPDATE kept SET body = '{'", "kept state", "");
}

TEST(a_document_larger_than_todays_limits_is_no_finding)
{
    replica_db_options opts = REPLICA_DB_OPTIONS_INIT;
    STORE s = store_with("{\"id\":\"a\",\"text\":\"longer than what is allowed today\"}");

    opts.max_document = 20;
    STORE small = store_open(s.path, &opts);
    CHECK_RC(replica_check(small.db, NULL, NULL, &test_err), 0);
}

TEST(a_read_only_file_can_be_checked)
{
    replica_db_options opts = REPLICA_DB_OPTIONS_INIT;
    STORE s = full();

    opts.flags = REPLICA_DB_READ_ONLY;
    STORE reader = store_open(s.path, &opts);
    store_sound(&reader);
}

/* The small parts: compression, the listener, delays. */
#include "tests/support/test.h"
#include "tests/support/tmp.h"
#include "tools/server/delay.h"
#include "tools/server/listener.h"
#include "tools/server/squeeze.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- compression ----------------------------------------------------------------- */

TEST(the_best_coding_that_is_accepted_is_chosen)
{
    enum replica__coding best = replica__coding_choose("zstd");

    CHECK_INT(replica__coding_choose(NULL), REPLICA__CODING_NONE);
    CHECK_INT(replica__coding_choose(""), REPLICA__CODING_NONE);
    CHECK_INT(replica__coding_choose("br, deflate"), REPLICA__CODING_NONE);
    CHECK_INT(replica__coding_choose("zstd;q=0, br"), REPLICA__CODING_NONE);
    CHECK_INT(replica__coding_choose("gzip;q=0.000"), REPLICA__CODING_NONE);
    CHECK_INT(replica__coding_choose("br;q=1.0, zstd;q=0.5"), best);
    CHECK_INT(replica__coding_choose("zstdx"), REPLICA__CODING_NONE);
}

static void squeeze_and_back(enum replica__coding coding)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;
    REPLICA_BUF small = REPLICA_BUF_INIT;
    REPLICA_BUF back = REPLICA_BUF_INIT;
    struct replica__squeeze *squeeze = NULL;

    for (int i = 0; i < 50000; i++)
        replica__buf_printf(&text, "{\"id\":\"c%06d\"},", i);
    CHECK_RC(replica__squeeze_open(coding, &squeeze), 0);
    for (size_t from = 0; from < text.len; from += 100000)
        CHECK_RC(replica__squeeze_add(squeeze, text.data + from,
                                      text.len - from < 100000 ? text.len - from : 100000,
                                      REPLICA__SQUEEZE_MORE, &small), 0);
    for (int i = 0; i < 3; i++) { /* nothing is kept back */
        size_t before = small.len;

        replica__buf_char(&text, ' ');
        CHECK_RC(replica__squeeze_add(squeeze, " ", 1, REPLICA__SQUEEZE_FLUSH, &small), 0);
        CHECK(small.len > before);
    }
    CHECK_RC(replica__squeeze_add(squeeze, NULL, 0, REPLICA__SQUEEZE_LAST, &small), 0);
    replica__squeeze_close(squeeze);
    CHECK(small.len < text.len / 4);
    CHECK_RC(replica__unsqueeze(coding, small.data, small.len, &back), 0);
    CHECK_MEM(back.data, back.len, text.data, text.len);

    replica__buf_clear(&back);
    back.max = text.len / 2;
    CHECK_RC(replica__unsqueeze(coding, small.data, small.len, &back), REPLICA_ELIMIT);
    replica__buf_clear(&back);
    back.max = 0;
    CHECK_RC(replica__unsqueeze(coding, small.data, small.len - 1, &back), REPLICA_EINVAL);
    replica__buf_clear(&back);
    replica__buf_char(&small, 'x');
    CHECK_RC(replica__unsqueeze(coding, small.data, small.len, &back), REPLICA_EINVAL);
    replica__buf_clear(&back);
    CHECK_RC(replica__unsqueeze(coding, "hello", 5, &back), REPLICA_EINVAL);
}

TEST(what_is_squeezed_in_parts_comes_out_whole)
{
    if (replica__coding_named("zstd") == REPLICA__CODING_NONE)
        test_skip("built without zstd");
    squeeze_and_back(REPLICA__CODING_ZSTD);
}

TEST(what_is_squeezed_by_gzip_in_parts_comes_out_whole)
{
    if (replica__coding_named("GZIP") == REPLICA__CODING_NONE)
        test_skip("built without zlib");
    squeeze_and_back(REPLICA__CODING_GZIP);
}

/* ---- the listener ---------------------------------------------------------------- */

TEST(port_0_picks_one_and_says_which)
{
    struct replica__listener l;

    CHECK_RC(replica__listener_open("127.0.0.1:0", true, &l, &test_err), 0);
    CHECK(l.port > 0);
    CHECK_STR(l.host, "127.0.0.1");
    close(l.fd);
}

TEST(beyond_loopback_is_refused_unless_it_is_wanted)
{
    struct replica__listener l;

    CHECK_RC(replica__listener_open("0.0.0.0:0", true, &l, &test_err), REPLICA_EAUTH);
    CHECK_RC(replica__listener_open("0.0.0.0:0", false, &l, &test_err), 0);
    close(l.fd);
}

TEST(an_address_that_is_none_is_refused)
{
    static const char *const wrong[] = { "127.0.0.1", ":80", "127.0.0.1:", "127.0.0.1:x",
                                         "127.0.0.1:70000", "127.0.0.1:-1", "::1:80", "" };
    struct replica__listener l;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        CHECK_RC(replica__listener_open(wrong[i], true, &l, &test_err), REPLICA_EINVAL);
}

TEST(a_port_that_is_taken_is_refused)
{
    struct replica__listener first, second;
    char address[64];

    CHECK_RC(replica__listener_open("127.0.0.1:0", true, &first, &test_err), 0);
    snprintf(address, sizeof(address), "127.0.0.1:%d", first.port);
    CHECK_RC(replica__listener_open(address, true, &second, &test_err), REPLICA_ENET);
    close(first.fd);
}

/* ---- delays ---------------------------------------------------------------------- */

TEST(a_delay_is_of_one_peer_collection_and_document)
{
    struct replica__delays delays = { 0 };
    uint64_t key = replica__delay_key("p", "c", "d", 1);

    CHECK_INT(replica__delay_refused(&delays, key, 1000000), 0);
    CHECK_INT(replica__delay_refused(&delays, key, 1000000), 1000);
    CHECK(key != replica__delay_key("q", "c", "d", 1));
    CHECK(key != replica__delay_key("p", "d", "d", 1));
    CHECK(key != replica__delay_key("p", "c", "e", 1));
    CHECK(replica__delay_key("pc", "", "d", 1) != replica__delay_key("p", "c", "d", 1));
}

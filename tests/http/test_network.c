/* The network goes and comes back under a replication, in a network of the test's own. */
#define _GNU_SOURCE
#include "libreplica/store.h"
#include "replicator/sync_state.h"
#include "tests/http/served.h"
#include "tests/support/clock.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A network that has nothing but a loopback that is down.  false: not allowed. */
static bool leave_the_network(void)
{
    return unshare(CLONE_NEWNET) == 0 || unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
}

static void set_loopback(bool up)
{
    struct ifreq request;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    memset(&request, 0, sizeof(request));
    memcpy(request.ifr_name, "lo", 3);
    CHECK(ioctl(fd, SIOCGIFFLAGS, &request) == 0);
    request.ifr_flags = (short)(up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP);
    CHECK(ioctl(fd, SIOCSIFFLAGS, &request) == 0);
    close(fd);
}

/* What is sent into a link that is down is given up soon, then there is but to wait; time passes
 * by the test's clock alone.  Ends in a wait that is longer than the test. */
static int64_t wait_long(replica_db *db, replica_sync *sync, struct clock *clock)
{
    replica_sync_status status = REPLICA_SYNC_STATUS_INIT;
    int64_t left = 0;

    for (int i = 0; i < 3000 && left < 30000; i++) {
        clock_pass(clock, left > 0 ? left : 1);
        CHECK(replica_db_wait(db, 10, &test_err) >= 0);
        CHECK_RC(replica_sync_get_status(sync, &status, &test_err), 0);
        left = status.state == REPLICA_SYNC_WAITING
            ? replica__session_next(sync->session) - clock->monotonic_ms : 0;
    }
    CHECK(left >= 30000);
    return left;
}

static void check_it_comes_back(void)
{
    replica_sync_options o = REPLICA_SYNC_OPTIONS_INIT;
    SERVED server = served_start();
    replica_collection *coll = NULL;
    replica_sync_status status = REPLICA_SYNC_STATUS_INIT;
    replica_sync *sync = NULL;
    replica_db *db = NULL;
    struct clock clock;
    int64_t left;

    set_loopback(false);
    clock_start(&clock, 1700000000000, 7);
    CHECK_RC(replica_db_open(tmp_path("client.db"), NULL, &db, &test_err), 0);
    replica__db_set_world(db, &clock.world);
    CHECK_RC(replica_db_collection(db, "notes", NULL, &coll, &test_err), 0);
    o.flags = REPLICA_SYNC_IN_LOOP;
    o.request_timeout_ms = 300;
    o.collections = &coll;
    o.collection_count = 1;
    o.url = served_url(server, "/notes/0");
    CHECK_RC(replica_sync_start(db, &o, &sync, &test_err), 0);
    left = wait_long(db, sync, &clock);
    set_loopback(true);
    while (!status.in_sync && left-- > 0) { /* before its time */
        clock_pass(&clock, 1);
        CHECK(replica_db_wait(db, 1, &test_err) >= 0);
        CHECK_RC(replica_sync_get_status(sync, &status, &test_err), 0);
    }
    CHECK(status.in_sync);
    CHECK(left > 0);
    replica_sync_cancel(sync);
    replica_db_close(db);
}

TEST(a_replication_tries_at_once_when_the_network_is_back)
{
    if (!leave_the_network())
        return; /* the unit tests tell a session of it, and read the system's messages */
    set_loopback(true);
    check_it_comes_back();
}

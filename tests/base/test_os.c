#include "base/os.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"
#include "tests/support/tmp.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_poller(struct replica__poller **p)
{
    replica__poller_close(*p);
}
#define POLLER __attribute__((cleanup(close_poller))) struct replica__poller *

static struct replica__poller *poller(void)
{
    struct replica__poller *p = NULL;

    CHECK_RC(replica__poller_open(&p, &test_err), 0);
    return p;
}

TEST(random_bytes_fill_all_of_the_room)
{
    unsigned char seen[64] = { 0 };

    for (int i = 0; i < 40; i++) {
        unsigned char bytes[64] = { 0 };

        CHECK_INT(replica__os_random(bytes, sizeof(bytes)), 0);
        for (size_t k = 0; k < sizeof(bytes); k++)
            seen[k] |= bytes[k];
    }
    for (size_t k = 0; k < sizeof(seen); k++)
        CHECK(seen[k] != 0);
}

TEST(sleeping_takes_at_least_its_time)
{
    int64_t start = replica__os_monotonic_us();

    replica__os_sleep_us(1000);
    replica__os_sleep_us(0);
    replica__os_sleep_us(-5);
    CHECK(replica__os_monotonic_us() - start >= 1000);
}

TEST(nothing_happens_until_somebody_wakes)
{
    POLLER p = poller();

    CHECK_INT(replica__poller_wait(p, 0), 0);
    CHECK_INT(replica__poller_wait(p, 1), 0);
}

TEST(many_wakes_are_one_and_are_consumed)
{
    POLLER p = poller();

    for (int i = 0; i < 100; i++)
        replica__poller_wake(p);
    CHECK_INT(replica__poller_wait(p, -1), REPLICA_WOKEN);
    CHECK_INT(replica__poller_wait(p, 0), 0);
}

static void *wake(void *p)
{
    replica__poller_wake(p);
    return NULL;
}

TEST(another_thread_may_wake)
{
    POLLER p = poller();
    pthread_t thread;

    CHECK_INT(pthread_create(&thread, NULL, wake, p), 0);
    CHECK_INT(replica__poller_wait(p, -1), REPLICA_WOKEN);
    pthread_join(thread, NULL);
}

TEST(its_descriptor_shows_a_wake_to_another_poller)
{
    POLLER outer = poller();
    POLLER inner = poller();

    CHECK_INT(replica__poller_watch_fd(outer, replica__poller_fd(inner), REPLICA_POLL_IN), 0);
    CHECK_INT(replica__poller_wait(outer, 0), 0);
    replica__poller_wake(inner);
    CHECK_INT(replica__poller_wait(outer, -1), REPLICA_FD_READY);
    CHECK_INT(replica__poller_wait(inner, 0), REPLICA_WOKEN);
    CHECK_INT(replica__poller_wait(outer, 0), 0);
    CHECK_INT(replica__poller_watch_fd(outer, replica__poller_fd(inner), 0), 0);
}

TEST(a_watched_descriptor_wakes_for_what_was_asked_until_it_is_forgotten)
{
    POLLER p = poller();
    int ends[2];

    CHECK_INT(pipe(ends), 0);
    CHECK_INT(replica__poller_watch_fd(p, ends[0], REPLICA_POLL_IN), 0);
    CHECK_INT(replica__poller_wait(p, 0), 0);
    CHECK_INT(write(ends[1], "x", 1), 1);
    CHECK_INT(replica__poller_wait(p, -1), REPLICA_FD_READY);
    CHECK_INT(replica__poller_wait(p, -1), REPLICA_FD_READY); /* nobody has read it */

    CHECK_INT(replica__poller_watch_fd(p, ends[0], 0), 0);
    CHECK_INT(replica__poller_watch_fd(p, ends[0], 0), 0);
    CHECK_INT(replica__poller_wait(p, 0), 0);

    CHECK_INT(replica__poller_watch_fd(p, ends[1], REPLICA_POLL_IN), 0);
    CHECK_INT(replica__poller_wait(p, 0), 0);
    CHECK_INT(replica__poller_watch_fd(p, ends[1], REPLICA_POLL_OUT), 0);
    replica__poller_wake(p);
    CHECK_INT(replica__poller_wait(p, -1), REPLICA_FD_READY | REPLICA_WOKEN);
    CHECK_INT(replica__poller_watch_fd(p, ends[1], 0), 0);
    close(ends[0]);
    close(ends[1]);
}

TEST(many_descriptors_can_be_watched)
{
    POLLER p = poller();
    int ends[20][2];

    for (int i = 0; i < 20; i++) {
        CHECK_INT(pipe(ends[i]), 0);
        CHECK_INT(replica__poller_watch_fd(p, ends[i][0], REPLICA_POLL_IN), 0);
    }
    for (int i = 0; i < 20; i++) {
        CHECK_INT(replica__poller_wait(p, 0), 0);
        CHECK_INT(write(ends[i][1], "x", 1), 1);
        CHECK_INT(replica__poller_wait(p, -1), REPLICA_FD_READY);
        CHECK_INT(replica__poller_watch_fd(p, ends[i][0], 0), 0);
    }
    for (int i = 0; i < 20; i++) {
        close(ends[i][0]);
        close(ends[i][1]);
    }
}

static void append(const char *path)
{
    FILE *f = fopen(path, "a");

    CHECK(f != NULL);
    CHECK(fputs("more", f) >= 0);
    fclose(f);
}

TEST(a_watched_file_wakes_when_it_is_written_or_deleted)
{
    POLLER p = poller();
    const char *path = tmp_write("watched", "a", 1);
    int r = replica__poller_watch_file(p, path);

    if (r == REPLICA_ENOTSUP) {
        replica__poller_close(p);
        test_skip("this system cannot watch files");
    }
    CHECK_RC(r, 0);
    CHECK_INT(replica__poller_wait(p, 0), 0);
    append(path);
    CHECK_INT(replica__poller_wait(p, -1), REPLICA_FILE_CHANGED);
    CHECK_INT(replica__poller_wait(p, 0), 0);
    CHECK_INT(unlink(path), 0);
    CHECK_INT(replica__poller_wait(p, -1), REPLICA_FILE_CHANGED);
}

TEST(a_file_that_is_not_there_cannot_be_watched)
{
    POLLER p = poller();
    int r = replica__poller_watch_file(p, tmp_path("nowhere"));

    CHECK(r == REPLICA_EIO || r == REPLICA_ENOTSUP);
}

TEST(nobody_closes_what_was_not_opened)
{
    replica__poller_close(NULL);
}

TEST(a_failed_allocation_opens_nothing)
{
    for (int nth = 0, failed = 1; failed; nth++) {
        struct replica__poller *p = NULL;
        int r;

        fault_alloc(nth);
        r = replica__poller_open(&p, &test_err);
        failed = fault_stop();
        CHECK_RC(r, failed ? REPLICA_ENOMEM : 0);
        CHECK((p == NULL) == failed);
        replica__poller_close(p);
    }
}

/* ---- locks ----------------------------------------------------------------------- */

static int open_locks(void)
{
    int locks = -1;

    CHECK_RC(replica__os_locks_open(tmp_path("locks"), tmp_path("file"), &locks, &test_err), 0);
    return locks;
}

TEST(a_byte_is_locked_by_one_opening_until_it_gives_it_back)
{
    int one = open_locks(), two = open_locks();

    CHECK_INT(replica__os_lock(one, 7), 1);
    CHECK_INT(replica__os_lock(one, 7), 1); /* it has it */
    CHECK_INT(replica__os_lock(two, 7), 0);
    CHECK_INT(replica__os_lock(two, 8), 1);
    replica__os_unlock(one, 7);
    CHECK_INT(replica__os_lock(two, 7), 1);
    replica__os_locks_close(two);
    CHECK_INT(replica__os_lock(one, 7), 1);
    replica__os_locks_close(one);
}

TEST(a_lock_shows_where_it_is_to_others_only)
{
    int one = open_locks(), two = open_locks();
    const int64_t far = INT64_C(1) << 50;
    int64_t at = -1;

    CHECK_INT(replica__os_locked(two, 0, 1000, &at), 0);
    CHECK_INT(replica__os_lock(one, far + 3), 1);
    CHECK_INT(replica__os_locked(one, far, 10, &at), 0);
    CHECK_INT(replica__os_locked(two, far, 3, &at), 0);
    CHECK_INT(at, -1);
    CHECK_INT(replica__os_locked(two, far, 4, &at), 1);
    CHECK(at == far + 3);
    CHECK_INT(replica__os_lock(one, far + 4), 1);
    replica__os_unlock(one, far + 3);
    CHECK_INT(replica__os_locked(two, far, 10, &at), 1);
    CHECK(at == far + 4);
    replica__os_locks_close(one);
    CHECK_INT(replica__os_locked(two, far, 10, &at), 0);
    replica__os_locks_close(two);
    replica__os_locks_close(-1);
}

TEST(who_may_write_to_a_file_may_lock_beside_it)
{
    struct stat about;
    mode_t before = umask(077);
    int locks;

    CHECK(chmod(tmp_write("file", "x", 1), 0664) == 0);
    locks = open_locks();
    umask(before);
    CHECK(fstat(locks, &about) == 0);
    CHECK_INT(about.st_mode & 0777, 0664);
    replica__os_locks_close(locks);
}

TEST(a_file_for_locks_that_cannot_be_made_is_an_error_with_its_name)
{
    int locks = 5;

    CHECK_RC(replica__os_locks_open("/nowhere/at/all", "/", &locks, &test_err), REPLICA_EIO);
    CHECK_INT(locks, 5);
    CHECK(strstr(test_err.message, "/nowhere/at/all"));
}

TEST(the_network_may_be_watched_or_not_and_is_let_go_of)
{
    int network = replica__os_network_open();

    CHECK(network >= -1);
    CHECK(network < 0 || !replica__os_network_is_back(network));
    replica__os_network_close(network);
    replica__os_network_close(-1);
}

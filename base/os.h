/* What is an operating system's own: clocks, dice, waiting and waking.
 *
 * One file per system implements it: os_linux.c (epoll, eventfd, inotify), and os_posix.c (a pipe
 * and poll), which always works and can less; the network's news are in os_network_linux.c and
 * os_network_posix.c.  The build picks; os_time.c and os_lock.c have what is the same on both.
 *
 * A poller belongs to one thread; only wake may be called from others. */
#ifndef BASE_OS_H
#define BASE_OS_H

#include "libreplica/libreplica.h"

#include <stdbool.h>

REPLICA_INTERNAL int64_t replica__os_now_ms(void);       /* wall clock, since 1970 */
REPLICA_INTERNAL int64_t replica__os_monotonic_us(void); /* grows, from an arbitrary start */
REPLICA_INTERNAL void replica__os_sleep_us(int64_t us);
/* Fill with unpredictable bytes.  0 or REPLICA_EIO. */
REPLICA_INTERNAL int replica__os_random(void *to, size_t len);

/* A poller is one descriptor that becomes readable when there is something to do: somebody called
 * wake, a watched file changed, or a watched descriptor is ready. */
struct replica__poller;

REPLICA_INTERNAL int replica__poller_open(struct replica__poller **ret_poller, replica_error *err);
REPLICA_INTERNAL void replica__poller_close(struct replica__poller *p); /* NULL is fine */
/* With os_posix.c it shows wakes only: a loop that watches more polls with a short timeout. */
REPLICA_INTERNAL int replica__poller_fd(struct replica__poller *p);
REPLICA_INTERNAL bool replica__poller_shows_all(void); /* does that descriptor, on this system? */
/* Make the descriptor readable.  Any thread, any number of times, async-signal-safe. */
REPLICA_INTERNAL void replica__poller_wake(struct replica__poller *p);
/* Wake when the file is written to, deleted or moved; after the latter two it must be watched anew.
 * REPLICA_EIO: there is no such file.  REPLICA_ENOTSUP: the system cannot, or not now. */
REPLICA_INTERNAL int replica__poller_watch_file(struct replica__poller *p, const char *path);

#define REPLICA_POLL_IN (1u << 0)
#define REPLICA_POLL_OUT (1u << 1)
/* Wake while fd is ready for one of events, or broken; 0 forgets it (do so before you close it). */
REPLICA_INTERNAL int replica__poller_watch_fd(struct replica__poller *p, int fd, unsigned events);

#define REPLICA_WOKEN (1u << 0)
#define REPLICA_FILE_CHANGED (1u << 1)
#define REPLICA_FD_READY (1u << 2)
/* Wait up to timeout_ms (-1: forever, 0: not at all) and say what happened as flags; wakes and
 * file changes are consumed.  0: the time is over, or a signal came. */
REPLICA_INTERNAL unsigned replica__poller_wait(struct replica__poller *p, int timeout_ms);

/* A descriptor that becomes readable when something happens to the network; -1 where the system
 * does not tell, or not now. */
REPLICA_INTERNAL int replica__os_network_open(void);
/* Take what it has to tell, at most a few dozen messages at a time.  true: a link came up, or an
 * address or a route was added, so that it is worth trying what failed before. */
REPLICA_INTERNAL bool replica__os_network_is_back(int network);
REPLICA_INTERNAL void replica__os_network_close(int network); /* -1 is fine */

/* Locks on single bytes of a file, which may lie behind its end.  The file is made if it is not
 * there, with the permissions of the one beside it, and stays.  The system gives them back when
 * they are closed and when the process ends. */
REPLICA_INTERNAL int replica__os_locks_open(const char *path, const char *beside, int *ret_locks,
                                            replica_error *err);
REPLICA_INTERNAL void replica__os_locks_close(int locks); /* -1 is fine */
/* 1: it is ours; 0: another opening has it.  REPLICA_EIO: errno says why. */
REPLICA_INTERNAL int replica__os_lock(int locks, int64_t at);
REPLICA_INTERNAL void replica__os_unlock(int locks, int64_t at);
/* Has another opening a byte of these?  1 and one such byte (of neighbours that one opening has the
 * first), 0. */
REPLICA_INTERNAL int replica__os_locked(int locks, int64_t from, int64_t count, int64_t *ret_at);
/* A block of the same file, for others to read: all of it, or false. */
REPLICA_INTERNAL bool replica__os_locks_write(int locks, int64_t at, const void *block, size_t len);
REPLICA_INTERNAL bool replica__os_locks_read(int locks, int64_t at, void *ret_block, size_t len);

#endif

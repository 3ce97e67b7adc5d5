/* Failures on order: the n-th allocation, or the n-th time that SQLite reads, writes or syncs.
 *
 *     for (int nth = 0, failed = 1; failed; nth++) {
 *         fault_alloc(nth);
 *         int r = the_call(...);
 *         failed = fault_stop();
 *         ...the right code?  is everything as before?  if it succeeded, is the result right?
 *     }
 *
 * One counter for our own door, SQLite's allocator and cJSON's, over all threads. */
#ifndef TESTS_SUPPORT_FAULT_H
#define TESTS_SUPPORT_FAULT_H

#include <stdbool.h>

/* The nth allocation from now fails (0: the next one), and only that one. */
void fault_alloc(int nth);

enum fault_op {
    FAULT_READ = 1,
    FAULT_WRITE = 2, /* and truncate */
    FAULT_SYNC = 4,
    FAULT_OPEN = 8
};
/* The nth operation of these kinds (or'ed) gives code: SQLITE_IOERR, SQLITE_FULL, ...  A database
 * in memory does none of them. */
void fault_io(unsigned ops, int nth, int code);
/* The same, and all that follow: a full disk, a drive that was pulled. */
void fault_io_from(unsigned ops, int nth, int code);

/* No more failures.  Was there one since the order? */
bool fault_stop(void);

/* For the harness: once, before SQLite is used. */
int fault_install(void);
int fault_io_install(void);
bool fault_io_stop(void);

#endif

/* Locks on single bytes of a file: given back by the system when the process ends, however it does.
 *
 * They belong to an opening of the file where the system has such (Linux, macOS, POSIX since 2024),
 * else to the process: two openings in one process do not see each other's there. */
#define _GNU_SOURCE /* F_OFD_SETLK */
#include "base/error.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef F_OFD_SETLK
#define SET F_OFD_SETLK
#define GET F_OFD_GETLK
#else
#define SET F_SETLK
#define GET F_GETLK
#endif

int replica__os_locks_open(const char *path, const char *beside, int *ret_locks,
                           replica_error *err)
{
    struct stat about;
    mode_t mode = stat(beside, &about) == 0 ? about.st_mode & 0666 : 0600;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);

    if (fd >= 0)
        (void)!fchmod(fd, mode); /* whatever the umask says: who may write there may lock here */
    else if (errno == EEXIST)
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, mode);
    if (fd < 0)
        return replica__error_set(err, REPLICA_EIO, errno, "cannot open %s: error %d", path, errno);
    *ret_locks = fd;
    return 0;
}

void replica__os_locks_close(int locks)
{
    if (locks >= 0)
        close(locks);
}

static int set(int locks, short type, int64_t at)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)at, .l_len = 1 };
    int rc;

    do
        rc = fcntl(locks, SET, &lock);
    while (rc < 0 && errno == EINTR);
    if (rc == 0)
        return 1;
    return errno == EAGAIN || errno == EACCES ? 0 : REPLICA_EIO;
}

int replica__os_lock(int locks, int64_t at)
{
    return set(locks, F_WRLCK, at);
}

void replica__os_unlock(int locks, int64_t at)
{
    set(locks, F_UNLCK, at);
}

int replica__os_locked(int locks, int64_t from, int64_t count, int64_t *ret_at)
{
    struct flock lock = { .l_type = F_WRLCK,
                          .l_whence = SEEK_SET,
                          .l_start = (off_t)from,
                          .l_len = (off_t)count };

    if (fcntl(locks, GET, &lock) < 0)
        return REPLICA_EIO;
    if (lock.l_type == F_UNLCK)
        return 0;
    *ret_at = (int64_t)lock.l_start;
    return 1;
}

bool replica__os_locks_write(int locks, int64_t at, const void *block, size_t len)
{
    return pwrite(locks, block, len, (off_t)at) == (ssize_t)len;
}

bool replica__os_locks_read(int locks, int64_t at, void *ret_block, size_t len)
{
    return pread(locks, ret_block, len, (off_t)at) == (ssize_t)len;
}

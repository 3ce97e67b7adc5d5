/* File operations of SQLite that fail on order: a VFS in front of the system's own, which becomes
 * the default, so that a test needs no other path or URI.  Everything that is not counted goes
 * straight through, shared memory and memory maps included. */
#include "tests/support/fault.h"

#include <sqlite3.h>
#include <stdatomic.h>
#include <string.h>

struct file {
    sqlite3_file base;
    sqlite3_file *real; /* right behind this struct */
};

static sqlite3_vfs *real_vfs;
static sqlite3_vfs vfs;
static atomic_uint armed; /* the operations that count */
static atomic_int countdown;
static atomic_int fault_code;
static atomic_bool for_good;
static atomic_bool failed;

/* SQLITE_OK, or the code that this operation fails with. */
static int fault(unsigned op)
{
    int left;

    if (!(atomic_load(&armed) & op))
        return SQLITE_OK;
    left = atomic_fetch_sub(&countdown, 1);
    if (left > 0 || (left < 0 && !atomic_load(&for_good)))
        return SQLITE_OK;
    atomic_store(&failed, true);
    return atomic_load(&fault_code);
}

static void arm(unsigned ops, int nth, int code, bool all)
{
    atomic_store(&failed, false);
    atomic_store(&for_good, all);
    atomic_store(&fault_code, code);
    atomic_store(&countdown, nth);
    atomic_store(&armed, ops);
}

void fault_io(unsigned ops, int nth, int code)
{
    arm(ops, nth, code, false);
}

void fault_io_from(unsigned ops, int nth, int code)
{
    arm(ops, nth, code, true);
}

bool fault_io_stop(void)
{
    atomic_store(&armed, 0);
    return atomic_exchange(&failed, false);
}

/* ---- a file ---------------------------------------------------------------------- */

static sqlite3_file *real_file(sqlite3_file *f)
{
    return ((struct file *)(void *)f)->real;
}

static int file_close(sqlite3_file *f)
{
    return real_file(f)->pMethods->xClose(real_file(f));
}

static int file_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
    int rc = fault(FAULT_READ);

    return rc ? rc : real_file(f)->pMethods->xRead(real_file(f), to, n, at);
}

static int file_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
    int rc = fault(FAULT_WRITE);

    return rc ? rc : real_file(f)->pMethods->xWrite(real_file(f), from, n, at);
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    int rc = fault(FAULT_WRITE);

    return rc ? rc : real_file(f)->pMethods->xTruncate(real_file(f), size);
}

/* No test cuts the power, and the disk would be what most of them wait for. */
static int file_sync(sqlite3_file *f, int flags)
{
    return fault(FAULT_SYNC);
}

static int file_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_file(f)->pMethods->xFileSize(real_file(f), size);
}

static int file_lock(sqlite3_file *f, int level)
{
    return real_file(f)->pMethods->xLock(real_file(f), level);
}

static int file_unlock(sqlite3_file *f, int level)
{
    return real_file(f)->pMethods->xUnlock(real_file(f), level);
}

static int file_check_lock(sqlite3_file *f, int *reserved)
{
    return real_file(f)->pMethods->xCheckReservedLock(real_file(f), reserved);
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
    return real_file(f)->pMethods->xFileControl(real_file(f), op, arg);
}

static int file_sector(sqlite3_file *f)
{
    return real_file(f)->pMethods->xSectorSize(real_file(f));
}

static int file_traits(sqlite3_file *f)
{
    return real_file(f)->pMethods->xDeviceCharacteristics(real_file(f));
}

static int file_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **to)
{
    return real_file(f)->pMethods->xShmMap(real_file(f), page, size, extend, to);
}

static int file_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return real_file(f)->pMethods->xShmLock(real_file(f), at, n, flags);
}

static void file_shm_barrier(sqlite3_file *f)
{
    real_file(f)->pMethods->xShmBarrier(real_file(f));
}

static int file_shm_unmap(sqlite3_file *f, int unlink)
{
    return real_file(f)->pMethods->xShmUnmap(real_file(f), unlink);
}

static int file_fetch(sqlite3_file *f, sqlite3_int64 at, int n, void **to)
{
    return real_file(f)->pMethods->xFetch(real_file(f), at, n, to);
}

static int file_unfetch(sqlite3_file *f, sqlite3_int64 at, void *p)
{
    return real_file(f)->pMethods->xUnfetch(real_file(f), at, p);
}

static const sqlite3_io_methods methods = {
    .iVersion = 3,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
    .xFetch = file_fetch,
    .xUnfetch = file_unfetch,
};

static int vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
    struct file *file = (struct file *)(void *)f;
    int rc = fault(FAULT_OPEN);

    (void)v;
    file->base.pMethods = NULL;
    file->real = (sqlite3_file *)(void *)(file + 1);
    if (rc == SQLITE_OK)
        rc = real_vfs->xOpen(real_vfs, name, file->real, flags, ret_flags);
    if (rc == SQLITE_OK)
        file->base.pMethods = &methods;
    return rc;
}

int fault_io_install(void)
{
    if (sqlite3_initialize() != SQLITE_OK)
        return -1;
    real_vfs = sqlite3_vfs_find(NULL);
    if (!real_vfs)
        return -1;
    vfs = *real_vfs; /* what is not a file takes no sqlite3_vfs apart: the system's own serves */
    vfs.pNext = NULL;
    vfs.zName = "fault";
    vfs.szOsFile = (int)sizeof(struct file) + real_vfs->szOsFile;
    vfs.xOpen = vfs_open;
    return sqlite3_vfs_register(&vfs, 1) == SQLITE_OK ? 0 : -1;
}

/* Allocations that fail on order.  Owns the counter, and stands in front of the three allocators:
 * base/alloc.h through its hook, SQLite's and cJSON's through their own configuration. */
#include "tests/support/fault.h"

#include "base/alloc.h"

#include <cjson/cJSON.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>

#define NEVER INT_MIN

static atomic_int countdown = NEVER; /* at 0 the next allocation fails */
static atomic_bool failed;
static sqlite3_mem_methods real;

static int fails(void)
{
    if (atomic_load(&countdown) == NEVER || atomic_fetch_sub(&countdown, 1) != 0)
        return 0;
    atomic_store(&countdown, NEVER);
    atomic_store(&failed, true);
    return 1;
}

void fault_alloc(int nth)
{
    atomic_store(&failed, false);
    atomic_store(&countdown, nth);
}

bool fault_stop(void)
{
    bool io = fault_io_stop();

    atomic_store(&countdown, NEVER);
    return atomic_exchange(&failed, false) || io;
}

static void *sqlite_malloc(int size)
{
    return fails() ? NULL : real.xMalloc(size);
}

static void *sqlite_realloc(void *p, int size)
{
    return fails() ? NULL : real.xRealloc(p, size);
}

static void *cjson_malloc(size_t size)
{
    return fails() ? NULL : malloc(size);
}

int fault_install(void)
{
    cJSON_Hooks cjson = { .malloc_fn = cjson_malloc, .free_fn = free };
    sqlite3_mem_methods ours;

    replica__alloc_hook = fails;
    cJSON_InitHooks(&cjson);
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real) != SQLITE_OK)
        return -1;
    ours = real;
    ours.xMalloc = sqlite_malloc;
    ours.xRealloc = sqlite_realloc;
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &ours) != SQLITE_OK)
        return -1;
    return fault_io_install();
}

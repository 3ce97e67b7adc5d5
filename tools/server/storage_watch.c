/* Commits, of others too, as the storage notices them. */
#include "tools/server/storage_store.h"

#include "base/error.h"
#include "base/os.h"

enum { LOOK_MS = 250 };

/* How long after a sign of a commit we look whether it is there, again and again: the log is
 * written before the commit can be seen. */
static const int look_again_ms[] = { 1, 4, 20, 100, LOOK_MS };
enum { LOOKS = sizeof(look_again_ms) / sizeof(look_again_ms[0]) };

/* The write-ahead log tells of every commit, of ours too; where it cannot be watched, we look now
 * and then. */
void replica__storage_watch(struct store *store)
{
    if (store->poller && !store->watching)
        store->watching = replica__poller_watch_file(store->poller, store->wal) == 0;
}

int replica__storage_fd(struct replica__storage *s)
{
    return store_of(s)->poller ? replica__poller_fd(store_of(s)->poller) : -1;
}

int replica__storage_timeout(struct replica__storage *s)
{
    const struct store *store = store_of(s);

    if (!store->poller)
        return -1;
    if (store->looks < LOOKS)
        return look_again_ms[store->looks];
    return store->watching ? -1 : LOOK_MS;
}

int replica__storage_work(struct replica__storage *s, replica_error *err)
{
    struct store *store = store_of(s);

    (void)err;
    if (replica__poller_wait(store->poller, 0))
        store->looks = 0;
    else if (store->looks < LOOKS)
        store->looks++;
    replica__storage_watch(store);
    return 0;
}

int replica__storage_watch_open(struct store *store, const char *path, replica_error *err)
{
    REPLICA_BUF wal = REPLICA_BUF_INIT;

    if (!path)
        return 0;
    replica__buf_printf(&wal, "%s-wal", path);
    store->wal = replica__buf_take(&wal, NULL);
    if (!store->wal)
        return replica__enomem(err);
    return replica__poller_open(&store->poller, err);
}

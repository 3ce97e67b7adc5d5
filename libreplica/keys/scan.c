#include "libreplica/keys/scan.h"

#include <string.h>

/* A search from the root of the index costs about as much as this many steps along it. */
#define NEAR 8

/* What the statement stops with, beside what take says. */
enum { JUMP = INT32_MAX - 1, PAST_ALL };

int replica__key_scan_begin(struct replica__key_scan *ret, replica_collection *coll,
                            const char *pattern, replica_error *err)
{
    REPLICA_KEY_SCAN scan = { .coll = coll };
    int r;

    if (!coll || !pattern)
        return replica__error_set(err, REPLICA_EINVAL, 0, "no collection, or no pattern");
    scan.text = replica__strdup(pattern);
    r = scan.text ? replica__pattern_parse(&scan.pattern, scan.text, err) : replica__enomem(err);
    if (r < 0)
        return r;
    replica__pattern_seek(&scan.pattern, "", 0, &scan.from);
    if (scan.from.r < 0)
        return replica__enomem(err);
    *ret = scan;
    memset(&scan, 0, sizeof scan);
    return 0;
}

void replica__key_scan_end(struct replica__key_scan *scan)
{
    replica__free(scan->text);
    replica__buf_free(&scan->from);
    replica__buf_free(&scan->at);
    replica__buf_free(&scan->to);
    memset(scan, 0, sizeof *scan);
}

static int compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int c = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return c != 0 ? c : (a_len > b_len) - (a_len < b_len);
}

static int look(void *ctx, const char *id, size_t len)
{
    struct replica__key_scan *scan = ctx;

    if (scan->jumps && compare(id, len, scan->to.data, scan->to.len) < 0)
        return ++scan->passed > NEAR ? JUMP : 0;
    scan->jumps = false;
    if (replica__pattern_matches(&scan->pattern, id, len))
        return 1;
    switch (replica__pattern_seek(&scan->pattern, id, len, &scan->to)) {
    case REPLICA__SEEK_END:
        return PAST_ALL;
    case REPLICA__SEEK_NEXT:
        return 0;
    case REPLICA__SEEK_TO:
        break;
    }
    scan->jumps = true;
    scan->passed = 0;
    return scan->to.r < 0 ? JUMP : 0;
}

static int give(void *ctx, const struct replica__row *row, const struct replica__slice *key,
                replica_error *err)
{
    struct replica__key_scan *scan = ctx;
    int r = scan->take(scan->ctx, row, err);

    (void)key;
    if (r > 0) { /* no key has U+0000: this is the next one after it */
        replica__buf_clear(&scan->from);
        replica__buf_add(&scan->from, row->id, row->id_len);
        replica__buf_char(&scan->from, '\x01');
    }
    return r;
}

/* From the key `at` on. */
static int run(struct replica__key_scan *scan, struct replica__reader *reader, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = replica__reader_get(reader,
                                scan->bare ? REPLICA__FIND_KEYS_BARE : REPLICA__FIND_KEYS, &stmt,
                                err);

    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, scan->coll->number, &rc);
    replica__bind_text(stmt, 2, scan->at.data ? scan->at.data : "", scan->at.len, &rc);
    scan->jumps = false;
    reader->id_fn = look;
    reader->id_ctx = scan;
    return replica__reader_run(reader, stmt, rc, give, scan, err);
}

int replica__key_scan_run(struct replica__key_scan *scan, struct replica__reader *reader,
                          replica__take_fn take, void *ctx, replica_error *err)
{
    int r = JUMP;

    if (scan->ended)
        return 0;
    reader->version = scan->coll->version;
    scan->take = take;
    scan->ctx = ctx;
    replica__buf_clear(&scan->to);
    replica__buf_add(&scan->to, scan->from.data, scan->from.len);
    while (r == JUMP && scan->to.r >= 0) {
        struct replica__buf at = scan->at;

        scan->at = scan->to;
        scan->to = at;
        r = run(scan, reader, err);
    }
    if (r == JUMP || scan->from.r < 0)
        return replica__enomem(err);
    scan->ended = r == 0 || r == PAST_ALL;
    return scan->ended ? 0 : r;
}

#include "libreplica/token.h"

#include "libreplica/db.h"

#include <string.h>

int replica__token_draw(char ret_token[REPLICA__TOKEN_SIZE])
{
    static const char digits[33] = "0123456789abcdefghjkmnpqrstvwxyz";
    unsigned char dice[REPLICA__TOKEN_SIZE - 1];

    if (replica__os_random(dice, sizeof dice) < 0)
        return REPLICA_EIO;
    for (size_t i = 0; i < sizeof dice; i++)
        ret_token[i] = digits[dice[i] & 31];
    ret_token[sizeof dice] = '\0';
    return 0;
}

/* A rollback empties the cache (txn.c), for it may take numbers back that were given out here. */
static void remember(replica_db *db, int64_t number, const char *text, size_t len)
{
    size_t slot = (size_t)number % REPLICA__TOKEN_SLOTS;

    db->tokens.slots[slot].number = number;
    memcpy(db->tokens.slots[slot].text, text, len);
    db->tokens.slots[slot].text[len] = '\0';
    db->tokens.last = slot;
}

int replica__token_number(replica_db *db, const char *text, size_t len, bool add,
                          int64_t *ret_number, replica_error *err)
{
    const struct replica__token_slot *last;
    REPLICA_STMT find = NULL;
    int64_t number;
    int r;

    if (len > REPLICA__TOKEN_MAX)
        return replica__error_set(err, REPLICA_ELIMIT, 0, "a token of %zu bytes", len);
    last = &db->tokens.slots[db->tokens.last];
    if (last->number && strlen(last->text) == len && memcmp(last->text, text, len) == 0) {
        *ret_number = last->number;
        return 1;
    }
    r = replica__sql_row_text(db, REPLICA__SQL_TOKEN_FIND, &find, err, text, len);
    if (r < 0)
        return r;
    if (r > 0) {
        number = sqlite3_column_int64(find, 0);
    } else {
        REPLICA_STMT put = NULL;

        if (!add)
            return 0;
        r = replica__sql_row_text(db, REPLICA__SQL_TOKEN_ADD, &put, err, text, len);
        if (r < 0)
            return r;
        number = sqlite3_last_insert_rowid(db->sqlite);
    }
    remember(db, number, text, len);
    *ret_number = number;
    return 1;
}

int replica__token_text(replica_db *db, int64_t number, const char **ret_text, replica_error *err)
{
    size_t slot = (size_t)number % REPLICA__TOKEN_SLOTS;
    REPLICA_STMT find = NULL;
    const char *text;
    int r;

    if (db->tokens.slots[slot].number == number) {
        *ret_text = db->tokens.slots[slot].text;
        return 0;
    }
    r = replica__sql_row(db, REPLICA__SQL_TOKEN_TEXT, &find, err, number);
    if (r < 0)
        return r;
    text = r > 0 ? (const char *)sqlite3_column_text(find, 0) : NULL;
    if (!text || strlen(text) > REPLICA__TOKEN_MAX)
        return replica__error_set(err, REPLICA_ECORRUPT, 0, "token %lld is missing",
                                  (long long)number);
    remember(db, number, text, strlen(text));
    *ret_text = db->tokens.slots[slot].text;
    return 0;
}

size_t replica__operation_write(char *to, const char *token, int64_t number)
{
    size_t len = strlen(token);
    char digits[20];
    size_t n = 0;

    memcpy(to, token, len);
    to[len++] = '.';
    do {
        digits[n++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (n > 0)
        to[len++] = digits[--n];
    to[len] = '\0';
    return len;
}

bool replica__operation_read(const char *text, size_t len, size_t *ret_token_len,
                             int64_t *ret_number)
{
    const char *dot = memchr(text, '.', len);
    int64_t number = 0;

    if (!dot || dot == text || (size_t)(dot - text) > REPLICA__TOKEN_MAX)
        return false;
    if (dot + 1 == text + len || text + len - dot > 19)
        return false;
    for (const char *p = text; p < dot; p++) {
        if ((*p < '0' || *p > '9') && (*p < 'a' || *p > 'z'))
            return false;
    }
    for (const char *p = dot + 1; p < text + len; p++) {
        if (*p < '0' || *p > '9')
            return false;
        number = number * 10 + (*p - '0');
    }
    *ret_token_len = (size_t)(dot - text);
    *ret_number = number;
    return number > 0;
}

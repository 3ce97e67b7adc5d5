#include "libreplica/replication/client.h"

#include "libreplica/replication/replication.h"

#include <stdio.h>

/* The token that is stored, if it is to stay.  1, 0. */
static int read_client(struct replica__replication *repl, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    const char *text;
    int r = replica__sql_row(repl->db, REPLICA__SQL_REPL_CLIENT, &stmt, err, repl->number);

    if (r <= 0)
        return r;
    text = (const char *)sqlite3_column_text(stmt, 0);
    if (!text)
        return 0;
    snprintf(repl->client, sizeof repl->client, "%s", text);
    return 1;
}

int replica__client_begin(struct replica__replication *repl, replica_error *err)
{
    REPLICA_STMT stmt = NULL;
    int rc = SQLITE_OK;
    int r = read_client(repl, err);

    if (r != 0)
        return r < 0 ? r : 0;
    r = replica__token_draw(repl->client);
    if (r < 0)
        return replica__error_set(err, r, 0, "no random bytes for a client's token");
    r = replica__sql_get(repl->db, REPLICA__SQL_REPL_SET_CLIENT, &stmt, err);
    if (r < 0)
        return r;
    replica__bind_int(stmt, 1, repl->number, &rc);
    replica__bind_text(stmt, 2, repl->client, REPLICA_NUL, &rc);
    return replica__sql_step(repl->db, stmt, rc, err);
}

const char *replica__replication_client(const struct replica__replication *repl)
{
    return repl->client;
}

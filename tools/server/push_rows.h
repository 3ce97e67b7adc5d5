/* The rows of a push, from its body to the storage and back. */
#ifndef SERVER_PUSH_ROWS_H
#define SERVER_PUSH_ROWS_H

#include "replicator/wire.h"
#include "tools/server/view.h"

/* A row that never reached the storage. */
struct replica__refusal {
    int code;
    char reason[160];
};

struct replica__push {
    struct replica__service *service;
    const struct replica__request *request;
    bool stock;
    struct replica__wire_push wire;
    struct replica__target targets[REPLICA__TARGETS_MAX];
    struct replica__view view;
    bool unseen;                       /* a row was taken that its pusher may not read back */
    struct replica__storage_row *rows; /* those that go to the storage */
    size_t n;
    struct replica__refusal *refusals;
    size_t refused;
    size_t refusals_room;
    int32_t *place;                    /* of each row: in rows, or ~ in refusals */
    struct replica__buf texts;         /* with NULs; its room is reserved at the start */
    int64_t before, after;
};

/* Read the body.  false: answered. */
bool replica__push_read(struct replica__push *p, struct replica__reply *reply);
/* Is the collection to be created for its rows, if it is not there? */
bool replica__push_creates(struct replica__push *p, const char *collection);
/* Scan the rows, let the storage judge those that pass, and know the verdict of each.  false:
 * answered. */
bool replica__push_judge(struct replica__push *p, struct replica__reply *reply);
/* Scan a row that the storage never saw, for what it still can tell; NULL: nothing. */
const struct replica__json_doc *replica__push_scan_again(const struct replica__push *p, size_t i,
                                                         struct replica__json_doc *room);
void replica__push_free(struct replica__push *p);

#endif

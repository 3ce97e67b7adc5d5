/* What the files of talk_support share: documents that are written down shortly. */
#ifndef TESTS_REPLICATOR_TALK_SHORT_SUPPORT_H
#define TESTS_REPLICATOR_TALK_SHORT_SUPPORT_H

#include "tests/replicator/talk_support.h"

#define MAX_DOCS 300

struct short_doc {
    char collection[200], id[200], json[500], bundle[100];
    bool deleted;
    int gone;
    int64_t sequence, stamp;
};

extern const char *const talk_names[3]; /* of the collections */

/* Read one; gives where the next begins. */
const char *talk_read_doc(const char *at, struct short_doc *ret);
/* Add the value of "v", or the whole text. */
void talk_show_value(char *to, size_t room, const char *json, size_t len, bool deleted);
/* printf behind what is there. */
void talk_add_text(char *to, size_t room, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The remote whose other side is t. */
replica_remote talk_remote(struct talk *t);

#endif

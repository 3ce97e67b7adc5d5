/* What the files of keys and queries share: the classes of keys, and their parts. */
#ifndef LIBREPLICA_KEY_INTERNAL_H
#define LIBREPLICA_KEY_INTERNAL_H

#include "libreplica/query/key.h"

#include "base/json_internal.h"

/* First byte of each class; 0 and 1 are ends, and 0xFF is behind all. */
enum {
    KEY_MISSING = 0x10,
    KEY_EMPTY = 0x14, /* [] */
    KEY_NULL = 0x18,
    KEY_NUMBER = 0x20,
    KEY_STRING = 0x30,
    KEY_OBJECT = 0x40,
    KEY_ARRAY = 0x50, /* inside of others */
    KEY_FALSE = 0x60,
    KEY_TRUE = 0x61,
    KEY_LAST = 0x70
};

/* Without the end: as it stands inside of arrays and objects. */
void replica__key_add_inner(struct replica__buf *out, struct replica__json_value v);
/* What the keys of all strings that start with this text (unescaped) start with. */
void replica__key_prefix(struct replica__buf *out, const char *text, size_t len);
/* key_number.c: behind the class. */
void replica__key_add_number(struct replica__buf *out, struct replica__slice number);
/* What is left of an integer, with its sign; exact.  false: it is no integer, divisor is 0, or it
 * has more than 10^17 digits. */
bool replica__number_rest(struct replica__slice number, int64_t divisor, int64_t *ret);

#endif

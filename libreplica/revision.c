#include "libreplica/revision.h"

size_t replica__revision_write(char *to, int64_t height, const char *opening, int64_t sequence)
{
    char digits[20];
    size_t n = 0, len = 0;

    do {
        digits[n++] = (char)('0' + height % 10);
        height /= 10;
    } while (height > 0);
    while (n > 0)
        to[len++] = digits[--n];
    to[len++] = '-';
    return len + replica__operation_write(to + len, opening, sequence);
}

#include "base/options.h"

#include "base/error.h"

#include <string.h>

int replica__options(const void *given, size_t given_size, void *known, size_t known_size,
                     replica_error *err)
{
    const char *bytes = given;

    memset(known, 0, known_size);
    if (!given)
        return 0;
    if (given_size < sizeof(size_t))
        return replica__error_set(err, REPLICA_EINVAL, 0, "options without their size");
    memcpy(known, given, given_size < known_size ? given_size : known_size);
    for (size_t i = known_size; i < given_size; i++) {
        if (bytes[i])
            return replica__error_set(err, REPLICA_EINVAL, 0,
                                      "options of a newer header than this library");
    }
    return 0;
}

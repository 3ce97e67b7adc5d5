/* The words of errors: fills the caller's fixed-size struct, so that saying what failed can never
 * fail itself.  Texts that are too long end on a character's edge. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAME(code) [-(code)] = #code
static const char *const names[] = {
    NAME(REPLICA_EINVAL),
    NAME(REPLICA_ENOMEM),
    NAME(REPLICA_EJSON),
    NAME(REPLICA_ESCHEMA),
    NAME(REPLICA_ECONFLICT),
    NAME(REPLICA_EBUSY),
    NAME(REPLICA_EFULL),
    NAME(REPLICA_EREADONLY),
    NAME(REPLICA_EIO),
    NAME(REPLICA_ECORRUPT),
    NAME(REPLICA_EVERSION),
    NAME(REPLICA_ELIMIT),
    NAME(REPLICA_ENET),
    NAME(REPLICA_EHTTP),
    NAME(REPLICA_EAUTH),
    NAME(REPLICA_ETIMEOUT),
    NAME(REPLICA_ECANCELLED),
    NAME(REPLICA_ECLOSED),
    NAME(REPLICA_ENOTSUP),
    NAME(REPLICA_EUSER),
    NAME(REPLICA_ELOCKED),
};
#undef NAME

const char *replica_error_name(int code)
{
    int n = (int)(sizeof(names) / sizeof(names[0]));

    if (code >= 0)
        return "REPLICA_OK";
    return code > -n && names[-code] ? names[-code] : "REPLICA_EUNKNOWN";
}

/* Where a text of len bytes may end without cutting a character: at len, or a little before. */
static size_t character_edge(const char *text, size_t len)
{
    size_t lead = len;
    size_t need;

    while (lead > 0 && len - lead < 4 && ((unsigned char)text[lead - 1] & 0xC0) == 0x80)
        lead--;
    if (lead == 0 || ((unsigned char)text[lead - 1] & 0xC0) != 0xC0)
        return len; /* ASCII, or no UTF-8 to begin with */
    lead--;
    need = (unsigned char)text[lead] >= 0xF0 ? 4 : (unsigned char)text[lead] >= 0xE0 ? 3 : 2;
    return len - lead < need ? lead : len;
}

__attribute__((format(printf, 3, 0))) static void
print_cut(char *to, size_t room, const char *format, va_list args)
{
    int n = vsnprintf(to, room, format, args);

    if (n < 0)
        to[0] = '\0';
    else if ((size_t)n >= room)
        to[character_edge(to, room - 1)] = '\0';
}

int replica__error_set(replica_error *err, int code, int detail, const char *format, ...)
{
    va_list args;

    if (!err)
        return code;
    memset(err, 0, sizeof(*err));
    err->code = code;
    err->detail = detail;
    err->offset = -1;
    va_start(args, format);
    print_cut(err->message, sizeof(err->message), format, args);
    va_end(args);
    return code;
}

int replica__error_at(replica_error *err, int code, int64_t offset, const char *format, ...)
{
    va_list args;

    if (!err)
        return code;
    memset(err, 0, sizeof(*err));
    err->code = code;
    err->offset = offset;
    va_start(args, format);
    print_cut(err->message, sizeof(err->message), format, args);
    va_end(args);
    return code;
}

void replica__error_where(replica_error *err, const char *format, ...)
{
    va_list args;

    if (!err || err->where[0] != '\0')
        return;
    va_start(args, format);
    print_cut(err->where, sizeof(err->where), format, args);
    va_end(args);
}

int replica__enomem(replica_error *err)
{
    return replica__error_set(err, REPLICA_ENOMEM, 0, "out of memory");
}

/* The parser's errors and texts. */
#include "libreplica/query/selector_parser.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int replica__parser_refuse_as(struct replica__parser *p, int code, struct replica__slice at,
                              const char *message)
{
    replica__error_at(p->err, code, p->offset + (at.data - p->copy), "%s", message);
    if (p->path.data)
        replica__error_where(p->err, "%.*s", p->path.len < 1000 ? (int)p->path.len : 1000,
                             p->path.data);
    return code;
}

int replica__parser_refuse(struct replica__parser *p, struct replica__slice at, const char *format,
                           ...)
{
    char message[200];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    return replica__parser_refuse_as(p, REPLICA_EINVAL, at, message);
}

int replica__parser_no_memory(struct replica__parser *p)
{
    return replica__enomem(p->err);
}

int replica__parser_meaning(struct replica__parser *p, struct replica__slice spelled,
                            struct replica__slice *ret)
{
    REPLICA_BUF meant = REPLICA_BUF_INIT;

    *ret = spelled;
    if (spelled.len == 0 || !memchr(spelled.data, '\\', spelled.len))
        return 0;
    replica__json_unescape(spelled, &meant);
    ret->data = meant.r < 0 ? NULL : replica__arena_copy(p->s->arena, meant.data, meant.len);
    ret->len = meant.len;
    return ret->data ? 0 : replica__parser_no_memory(p);
}

int replica__parser_meaning_of(struct replica__parser *p, struct replica__json_value v,
                               struct replica__slice *ret)
{
    return replica__parser_meaning(p, (struct replica__slice){ v.text.data + 1, v.text.len - 2 },
                                   ret);
}

struct owned *replica__parser_own(struct replica__parser *p)
{
    struct owned *o = replica__arena_zero(p->s->arena, 1, sizeof(*o));

    if (o) {
        o->next = p->s->owned;
        p->s->owned = o;
    }
    return o;
}

/* Looking into text that has passed the gate: values, members, elements. */
#include "base/json_internal.h"

#include <assert.h>

static const unsigned char type_of[256] = {
    ['n'] = REPLICA_JSON_NULL,   ['f'] = REPLICA_JSON_FALSE,  ['t'] = REPLICA_JSON_TRUE,
    ['"'] = REPLICA_JSON_STRING, ['['] = REPLICA_JSON_ARRAY,  ['{'] = REPLICA_JSON_OBJECT,
    ['-'] = REPLICA_JSON_NUMBER, ['0'] = REPLICA_JSON_NUMBER, ['1'] = REPLICA_JSON_NUMBER,
    ['2'] = REPLICA_JSON_NUMBER, ['3'] = REPLICA_JSON_NUMBER, ['4'] = REPLICA_JSON_NUMBER,
    ['5'] = REPLICA_JSON_NUMBER, ['6'] = REPLICA_JSON_NUMBER, ['7'] = REPLICA_JSON_NUMBER,
    ['8'] = REPLICA_JSON_NUMBER, ['9'] = REPLICA_JSON_NUMBER,
};

/* Behind the array or object that starts at at. */
static const char *skip_container(const char *at, const char *end)
{
    size_t open = 0;

    while (at < end) {
        switch (*at++) {
        case '"':
            at = replica__json_skip_string(at, end);
            break;
        case '{':
        case '[':
            open++;
            break;
        case '}':
        case ']':
            if (--open == 0)
                return at;
            break;
        default:
            break;
        }
    }
    return end;
}

static inline bool ends_scalar(char c)
{
    return c == ',' || c == '}' || c == ']' || json_is_blank(c);
}

const char *replica__json_skip_value(const char *at, const char *end)
{
    assert(at < end);
    if (*at == '"')
        return replica__json_skip_string(at + 1, end);
    if (*at == '{' || *at == '[')
        return skip_container(at, end);
    while (at < end && !ends_scalar(*at))
        at++;
    return at;
}

static struct replica__json_value value_between(const char *at, const char *end)
{
    struct replica__json_value v = { REPLICA_JSON_NONE, { at, (size_t)(end - at) } };

    if (at < end)
        v.type = type_of[(unsigned char)*at];
    return v;
}

struct replica__json_value replica__json_value(const char *text, size_t len)
{
    const char *end = text + len;
    const char *at = json_skip_blank(text, end);

    while (end > at && json_is_blank(end[-1]))
        end--;
    return value_between(at, end);
}

struct replica__json_value replica__json_value_of(struct replica__slice name, const char *end)
{
    const char *at = json_skip_blank(name.data + name.len + 1, end);

    assert(at < end && *at == ':');
    at = json_skip_blank(at + 1, end);
    return value_between(at, replica__json_skip_value(at, end));
}

/* it.name.data says which of the two it walks: an array's elements have no name. */
struct replica__json_iter replica__json_iter(struct replica__json_value v)
{
    struct replica__json_iter it = { .at = v.text.data, .end = v.text.data };

    if (v.type != REPLICA_JSON_OBJECT && v.type != REPLICA_JSON_ARRAY)
        return it;
    it.at = v.text.data + 1;
    it.end = v.text.data + v.text.len - 1;
    if (v.type == REPLICA_JSON_OBJECT)
        it.name.data = v.text.data;
    return it;
}

bool replica__json_next(struct replica__json_iter *it)
{
    const char *at = json_skip_blank(it->at, it->end);

    if (at < it->end && *at == ',')
        at = json_skip_blank(at + 1, it->end);
    if (at >= it->end)
        return false;
    if (it->name.data) {
        const char *name = at + 1;

        at = replica__json_skip_string(name, it->end);
        it->name.data = name;
        it->name.len = (size_t)(at - 1 - name);
        it->value = replica__json_value_of(it->name, it->end);
    } else {
        it->value = value_between(at, replica__json_skip_value(at, it->end));
    }
    it->at = it->value.text.data + it->value.text.len;
    return true;
}

size_t replica__json_count(struct replica__json_value v)
{
    struct replica__json_iter it = replica__json_iter(v);
    size_t n = 0;

    while (replica__json_next(&it))
        n++;
    return n;
}

struct replica__json_value replica__json_member(struct replica__json_value v, const char *name,
                                                size_t len)
{
    struct replica__json_iter it = replica__json_iter(v);

    if (v.type != REPLICA_JSON_OBJECT)
        return (struct replica__json_value){ REPLICA_JSON_NONE, { NULL, 0 } };
    if (len == REPLICA_NUL)
        len = strlen(name);
    while (replica__json_next(&it)) {
        if (replica__json_string_is(it.name, name, len))
            return it.value;
    }
    return (struct replica__json_value){ REPLICA_JSON_NONE, { NULL, 0 } };
}

/* Changing an object as text: members go, come and change, every other byte stays. */
#include "base/json_internal.h"

#include <assert.h>

struct json_edit replica__json_edit(struct replica__json_value object, struct replica__buf *out)
{
    assert(object.type == REPLICA_JSON_OBJECT);
    return (struct json_edit){ .out = out,
                               .it = replica__json_iter(object),
                               .start = object.text.data,
                               .from = object.text.data,
                               .last = object.text.data + 1 };
}

bool replica__json_edit_next(struct json_edit *e)
{
    return replica__json_next(&e->it);
}

static void copy_to(struct json_edit *e, const char *to)
{
    assert(e->from <= to);
    replica__buf_add(e->out, e->from, (size_t)(to - e->from));
    e->from = to;
}

void replica__json_edit_keep(struct json_edit *e)
{
    e->kept++;
    e->last = e->it.at;
}

void replica__json_edit_cut(struct json_edit *e)
{
    const char *name = e->it.name.data - 1;

    if (e->kept > 0) {
        const char *comma = name;

        while (*comma != ',') /* nothing but white space lies between */
            comma--;
        copy_to(e, comma);
        e->from = e->it.at;
    } else {
        const char *behind = json_skip_blank(e->it.at, e->it.end);

        copy_to(e, name);
        e->from = behind < e->it.end && *behind == ',' ? behind + 1 : e->it.at;
    }
    e->last = e->from;
}

void replica__json_edit_replace(struct json_edit *e)
{
    copy_to(e, e->it.value.text.data);
    e->from = e->it.at;
    replica__json_edit_keep(e);
}

void replica__json_edit_append(struct json_edit *e)
{
    copy_to(e, e->last);
    if (e->kept > 0)
        replica__buf_char(e->out, ',');
    e->kept++;
}

void replica__json_edit_finish(struct json_edit *e)
{
    copy_to(e, e->it.end + 1);
}

void replica__json_cut_reserved(const struct replica__json_doc *doc, struct replica__buf *out)
{
    struct replica__json_value v = { REPLICA_JSON_OBJECT, doc->text };
    struct json_edit e = replica__json_edit(v, out);

    while (doc->reserved && replica__json_edit_next(&e)) {
        if (json_name_reserved(e.it.name))
            replica__json_edit_cut(&e);
        else
            replica__json_edit_keep(&e);
    }
    replica__json_edit_finish(&e);
}

void replica__json_cut_members(const char *text, size_t len, const char *const *names, size_t n,
                               struct replica__buf *out)
{
    struct json_edit e = replica__json_edit(replica__json_value(text, len), out);

    while (replica__json_edit_next(&e)) {
        size_t i = 0;

        while (i < n && !replica__json_string_is(e.it.name, names[i], strlen(names[i])))
            i++;
        if (i < n)
            replica__json_edit_cut(&e);
        else
            replica__json_edit_keep(&e);
    }
    replica__json_edit_finish(&e);
}

void replica__json_add_member(const char *text, size_t len, const char *name, const char *value,
                              struct replica__buf *out)
{
    const char *start = json_skip_blank(text, text + len);
    const char *last = text + len;

    if (!value) {
        replica__buf_add(out, text, len);
        return;
    }
    while (json_is_blank(last[-1]))
        last--;
    assert(*start == '{' && last[-1] == '}');
    last--;
    while (json_is_blank(last[-1]))
        last--;
    replica__buf_add(out, text, (size_t)(last - text));
    if (last > start + 1)
        replica__buf_char(out, ',');
    replica__buf_json_string(out, name, strlen(name));
    replica__buf_char(out, ':');
    replica__buf_str(out, value);
    replica__buf_add(out, last, (size_t)(text + len - last));
}

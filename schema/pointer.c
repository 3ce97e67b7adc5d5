/* Places in a text as JSON pointers.  They are looked for when somebody asks, which is when
 * something is wrong: nothing is kept for it. */
#include "base/error.h"
#include "base/json_internal.h"
#include "schema/source.h"

#include <string.h>

void replica__source_token(struct replica__slice name, struct replica__buf *out)
{
    REPLICA_BUF plain = REPLICA_BUF_INIT;

    replica__json_unescape(name, &plain);
    if (plain.r < 0)
        out->r = plain.r;
    replica__buf_char(out, '/');
    for (size_t i = 0; i < plain.len; i++) {
        if (plain.data[i] == '~' || plain.data[i] == '/')
            replica__buf_str(out, plain.data[i] == '~' ? "~0" : "~1");
        else if (plain.data[i] == '\0') /* it would end the text */
            replica__buf_str(out, "\\u0000");
        else
            replica__buf_char(out, plain.data[i]);
    }
}

void replica__source_line(const char *text, struct replica__buf *out)
{
    const char *end = text + strlen(text);

    while (text < end) {
        size_t width = (unsigned char)*text < 0x80 ? 1 : replica__utf8_width(text, end);

        if (width == 0 || (unsigned char)*text < ' ' || *text == 0x7F)
            replica__buf_printf(out, "\\u%04x", width ? (unsigned)*text : 0xFFFDu);
        else
            replica__buf_add(out, text, width);
        text += width ? width : 1;
    }
}

static bool holds(struct replica__json_value v, const char *place)
{
    return place >= v.text.data && place < v.text.data + v.text.len;
}

void replica__source_pointer(struct replica__json_value root, const char *place,
                             struct replica__buf *out)
{
    while (root.text.data != place) {
        struct replica__json_iter it = replica__json_iter(root);
        int64_t index = 0;

        while (replica__json_next(&it) && !holds(it.value, place))
            index++;
        if (!holds(it.value, place))
            return;
        if (root.type == REPLICA_JSON_OBJECT) {
            replica__source_token(it.name, out);
        } else {
            replica__buf_char(out, '/');
            replica__buf_int(out, index);
        }
        root = it.value;
    }
}

void replica__source_path(const struct schema_document *doc, const char *place,
                          struct replica__buf *out)
{
    if (doc->uri[0] != '\0') {
        replica__buf_str(out, doc->uri);
        replica__buf_char(out, '#');
    }
    replica__source_pointer(doc->root, place, out);
}

int replica__source_where(const struct schema_document *doc, const char *place, int code,
                          replica_error *err)
{
    REPLICA_BUF path = REPLICA_BUF_INIT;

    replica__source_path(doc, place, &path);
    if (path.r < 0)
        return replica__enomem(err);
    replica__error_where(err, "%s", path.len ? path.data : "");
    return code;
}

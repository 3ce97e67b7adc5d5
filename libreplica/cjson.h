/* Documents as cJSON trees, for programs and conflict handlers that like trees.
 *
 * This header is all there is: it uses your cJSON (1.7 or later; link it yourself), and nothing of
 * it is in libreplica.
 *
 *     cJSON *tree = replica_doc_cjson(doc);
 *     cJSON_SetNumberValue(cJSON_GetObjectItemCaseSensitive(tree, "visits"), 3);
 *     r = replica_put_cjson(coll, doc, tree, replica_doc_rev(doc), NULL, NULL, &err);
 *     cJSON_Delete(tree);
 *
 * A tree cannot hold all that a text can: integers beyond 2^53 and long decimals become the nearest
 * double, 1e400 becomes infinity, a string or name ends at its first U+0000, a lone surrogate
 * becomes three bytes that are no UTF-8.  So the way back is an edit of the text that the tree came
 * from: every value that is in the tree as it came out keeps its bytes, and only what you changed
 * is printed anew.  (White space is kept within what did not change.  An element of an array is
 * taken for the old one within 32 places of where it was.)
 *
 * Names are case-sensitive: use the ...CaseSensitive calls of cJSON. */
#ifndef LIBREPLICA_CJSON_H
#define LIBREPLICA_CJSON_H

#include <libreplica/libreplica.h>

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

REPLICA_BEGIN

/* ---- from text to tree; json is a text that libreplica handed out ------------------ */

static inline const char *replica_cjson__blank(const char *at)
{
    while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')
        at++;
    return at;
}

static inline const char *replica_cjson__skip_string(const char *at)
{
    for (at++; *at != '"'; at++) {
        if (*at == '\\')
            at++;
    }
    return at + 1;
}

static inline const char *replica_cjson__skip(const char *at)
{
    size_t open = 0;

    do {
        if (*at == '"') {
            at = replica_cjson__skip_string(at);
        } else if (*at == '{' || *at == '[') {
            open++;
            at++;
        } else if (*at == '}' || *at == ']') {
            open--;
            at++;
        } else if (open > 0) {
            at++;
        } else {
            while (*at && !strchr(",]} \n\r\t", *at))
                at++;
        }
    } while (open > 0);
    return at;
}

static inline unsigned long replica_cjson__hex4(const char *at)
{
    char digits[5];

    memcpy(digits, at, 4);
    digits[4] = '\0';
    return strtoul(digits, NULL, 16);
}

static inline char *replica_cjson__utf8(char *to, unsigned long c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xC0 | (c >> 6));
        *to++ = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *to++ = (char)(0xE0 | (c >> 12));
        *to++ = (char)(0x80 | ((c >> 6) & 0x3F));
        *to++ = (char)(0x80 | (c & 0x3F));
    } else {
        *to++ = (char)(0xF0 | (c >> 18));
        *to++ = (char)(0x80 | ((c >> 12) & 0x3F));
        *to++ = (char)(0x80 | ((c >> 6) & 0x3F));
        *to++ = (char)(0x80 | (c & 0x3F));
    }
    return to;
}

/* What the escape at *at means, appended at to. */
static inline char *replica_cjson__unescape(const char **at, char *to)
{
    static const char meanings[] = "b\bf\fn\nr\rt\t";
    unsigned long c;
    size_t i;

    if ((*at)[1] != 'u') {
        *to = (*at)[1];
        for (i = 0; meanings[i]; i += 2) {
            if (meanings[i] == (*at)[1])
                *to = meanings[i + 1];
        }
        *at += 2;
        return to + 1;
    }
    c = replica_cjson__hex4(*at + 2);
    *at += 6;
    if (c >= 0xD800 && c < 0xDC00 && (*at)[0] == '\\' && (*at)[1] == 'u') {
        unsigned long low = replica_cjson__hex4(*at + 2);

        if (low >= 0xDC00 && low < 0xE000) {
            c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
            *at += 6;
        }
    }
    return replica_cjson__utf8(to, c);
}

/* What the string at *at means, up to its first U+0000; cJSON_free() it. */
static inline char *replica_cjson__string(const char **at)
{
    const char *end = replica_cjson__skip_string(*at);
    char *text = (char *)cJSON_malloc((size_t)(end - *at));
    char *to = text;

    if (!text)
        return NULL;
    (*at)++;
    while (**at != '"') {
        if (**at == '\\')
            to = replica_cjson__unescape(at, to);
        else
            *to++ = *(*at)++;
    }
    *to = '\0';
    *at = end;
    return text;
}

/* strtod() reads the locale's decimal point, so it is given none.  Digits behind the 300th are
 * dropped. */
static inline double replica_cjson__double(const char **at)
{
    char text[340];
    size_t n = 0;
    long shift = 0;
    long exponent = 0;
    int fraction = 0;
    int down = 0;

    if (**at == '-')
        text[n++] = *(*at)++;
    for (; **at == '.' || (**at >= '0' && **at <= '9'); (*at)++) {
        if (**at == '.') {
            fraction = 1;
            continue;
        }
        if (n < 300 && (**at != '0' || (n > 0 && text[n - 1] != '-'))) {
            text[n++] = **at;
            shift -= fraction;
        } else if (n >= 300) {
            shift += !fraction;
        } else {
            shift -= fraction; /* zeros in front */
        }
    }
    if (**at == 'e' || **at == 'E') {
        (*at)++;
        if (**at == '-' || **at == '+')
            down = *(*at)++ == '-';
        for (; **at >= '0' && **at <= '9'; (*at)++) {
            if (exponent < 100000000)
                exponent = exponent * 10 + (**at - '0');
        }
    }
    if (n == 0 || text[n - 1] == '-')
        text[n++] = '0';
    snprintf(text + n, sizeof(text) - n, "e%ld", (down ? -exponent : exponent) + shift);
    return strtod(text, NULL);
}

static inline cJSON *replica_cjson__parse(const char **at);

static inline int replica_cjson__parse_child(const char **at, cJSON *parent)
{
    char *name = NULL;
    cJSON *child;
    int done = 0;

    if (cJSON_IsObject(parent)) {
        name = replica_cjson__string(at);
        if (!name)
            return 0;
        *at = replica_cjson__blank(replica_cjson__blank(*at) + 1); /* the ':' */
    }
    child = replica_cjson__parse(at);
    if (child)
        done = name ? cJSON_AddItemToObject(parent, name, child)
                    : cJSON_AddItemToArray(parent, child);
    if (!done)
        cJSON_Delete(child);
    cJSON_free(name);
    return done;
}

static inline cJSON *replica_cjson__parse_children(const char **at, cJSON *parent)
{
    *at = replica_cjson__blank(*at + 1);
    while (parent && **at != '}' && **at != ']') {
        if (!replica_cjson__parse_child(at, parent)) {
            cJSON_Delete(parent);
            return NULL;
        }
        *at = replica_cjson__blank(*at);
        if (**at == ',')
            *at = replica_cjson__blank(*at + 1);
    }
    if (parent)
        (*at)++;
    return parent;
}

static inline cJSON *replica_cjson__parse(const char **at)
{
    cJSON *item;
    char *text;

    switch (**at) {
    case '{':
        return replica_cjson__parse_children(at, cJSON_CreateObject());
    case '[':
        return replica_cjson__parse_children(at, cJSON_CreateArray());
    case '"':
        text = replica_cjson__string(at);
        item = text ? cJSON_CreateString(text) : NULL;
        cJSON_free(text);
        return item;
    case 't':
        *at += 4;
        return cJSON_CreateTrue();
    case 'f':
        *at += 5;
        return cJSON_CreateFalse();
    case 'n':
        *at += 4;
        return cJSON_CreateNull();
    default:
        return cJSON_CreateNumber(replica_cjson__double(at));
    }
}

/* ---- from tree to text -------------------------------------------------------------- */

struct replica_cjson__out {
    char *text;
    size_t len;
    size_t room;
    int failed; /* out of memory, for good */
};

static inline void replica_cjson__add(struct replica_cjson__out *out, const char *s, size_t len)
{
    if (!out->failed && out->room - out->len <= len) {
        size_t room = 2 * (out->len + len) + 64;
        char *text = (char *)cJSON_malloc(room);

        if (!text) {
            out->failed = 1;
            return;
        }
        if (out->text)
            memcpy(text, out->text, out->len);
        cJSON_free(out->text);
        out->text = text;
        out->room = room;
    }
    if (out->failed)
        return;
    memcpy(out->text + out->len, s, len);
    out->len += len;
    out->text[out->len] = '\0';
}

static inline void replica_cjson__print_string(struct replica_cjson__out *out, const char *s)
{
    const unsigned char *u = (const unsigned char *)(s ? s : "");
    char escape[8];

    replica_cjson__add(out, "\"", 1);
    for (; *u; u++) {
        if (*u == 0xED && u[1] >= 0xA0 && u[2]) { /* a lone surrogate goes back to its escape */
            snprintf(escape, sizeof(escape), "\\u%04x",
                     0xD000u | ((u[1] & 0x3Fu) << 6) | (u[2] & 0x3Fu));
            replica_cjson__add(out, escape, 6);
            u += 2;
        } else if (*u == '"' || *u == '\\') {
            replica_cjson__add(out, "\\", 1);
            replica_cjson__add(out, (const char *)u, 1);
        } else if (*u < 0x20) {
            snprintf(escape, sizeof(escape), "\\u%04x", *u);
            replica_cjson__add(out, escape, 6);
        } else {
            replica_cjson__add(out, (const char *)u, 1);
        }
    }
    replica_cjson__add(out, "\"", 1);
}

/* The shortest text that reads back as x; null for what JSON has no number for. */
static inline void replica_cjson__print_double(struct replica_cjson__out *out, double x)
{
    char text[64];
    size_t n = 0;
    int digits;
    const char *at;

    if (x - x != 0) {
        replica_cjson__add(out, "null", 4);
        return;
    }
    for (digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    if (x > -1e16 && x < 1e16 && x == (double)(long long)x)
        snprintf(text, sizeof(text), "%lld", (long long)x);
    for (at = text; *at; at++) {
        if (strchr("0123456789+-e", *at))
            text[n++] = *at;
        else if (n > 0 && text[n - 1] != '.')
            text[n++] = '.'; /* whatever the locale had there */
    }
    replica_cjson__add(out, text, n);
}

static inline void replica_cjson__print(struct replica_cjson__out *out, const cJSON *item)
{
    const cJSON *child;

    switch (item->type & 0xFF) {
    case cJSON_False:
        replica_cjson__add(out, "false", 5);
        break;
    case cJSON_True:
        replica_cjson__add(out, "true", 4);
        break;
    case cJSON_Number:
        replica_cjson__print_double(out, item->valuedouble);
        break;
    case cJSON_String:
        replica_cjson__print_string(out, item->valuestring);
        break;
    case cJSON_Raw:
        replica_cjson__add(out, item->valuestring, strlen(item->valuestring));
        break;
    case cJSON_Array:
    case cJSON_Object:
        replica_cjson__add(out, cJSON_IsObject(item) ? "{" : "[", 1);
        for (child = item->child; child; child = child->next) {
            if (child != item->child)
                replica_cjson__add(out, ",", 1);
            if (cJSON_IsObject(item)) {
                replica_cjson__print_string(out, child->string);
                replica_cjson__add(out, ":", 1);
            }
            replica_cjson__print(out, child);
        }
        replica_cjson__add(out, cJSON_IsObject(item) ? "}" : "]", 1);
        break;
    default:
        replica_cjson__add(out, "null", 4);
    }
}

/* ---- from tree to text, as an edit -------------------------------------------------- */

/* Exactly the same, names and order of members included. */
static inline int replica_cjson__same(const cJSON *a, const cJSON *b)
{
    int type = a->type & 0xFF;

    if (type != (b->type & 0xFF) || type == cJSON_Raw)
        return 0;
    if (type == cJSON_Number)
        return a->valuedouble == b->valuedouble;
    if (type == cJSON_String)
        return b->valuestring && strcmp(a->valuestring, b->valuestring) == 0;
    for (a = a->child, b = b->child; a && b; a = a->next, b = b->next) {
        if (type == cJSON_Object && (!b->string || strcmp(a->string, b->string) != 0))
            return 0;
        if (!replica_cjson__same(a, b))
            return 0;
    }
    return !a && !b;
}

/* A child of the original tree, and where it stands in the text: a member's name, or an element. */
struct replica_cjson__place {
    const char *at;
    const cJSON *was; /* NULL behind the last one */
};

static inline struct replica_cjson__place replica_cjson__first(const char *text, const cJSON *was)
{
    struct replica_cjson__place p;

    p.at = replica_cjson__blank(text + 1);
    p.was = was->child;
    return p;
}

static inline const char *replica_cjson__value_at(struct replica_cjson__place p)
{
    if (!p.was->string)
        return p.at;
    return replica_cjson__blank(replica_cjson__blank(replica_cjson__skip_string(p.at)) + 1);
}

static inline struct replica_cjson__place replica_cjson__next(struct replica_cjson__place p)
{
    p.at = replica_cjson__blank(replica_cjson__skip(replica_cjson__value_at(p)));
    if (*p.at == ',')
        p.at = replica_cjson__blank(p.at + 1);
    p.was = p.was->next;
    return p;
}

static inline void replica_cjson__edit(struct replica_cjson__out *out, const char *text,
                                       const cJSON *was, const cJSON *now);

/* Look for a name from a place to the end, and from the start to the place. */
static inline struct replica_cjson__place
replica_cjson__find(struct replica_cjson__place start, struct replica_cjson__place from,
                    const char *name)
{
    struct replica_cjson__place p;

    for (p = from; p.was; p = replica_cjson__next(p)) {
        if (strcmp(p.was->string, name) == 0)
            return p;
    }
    for (p = start; p.was != from.was; p = replica_cjson__next(p)) {
        if (strcmp(p.was->string, name) == 0)
            return p;
    }
    p.was = NULL;
    return p;
}

static inline void replica_cjson__edit_object(struct replica_cjson__out *out, const char *text,
                                              const cJSON *was, const cJSON *now)
{
    struct replica_cjson__place start = replica_cjson__first(text, was);
    struct replica_cjson__place next = start;
    const cJSON *child;

    replica_cjson__add(out, "{", 1);
    for (child = now->child; child; child = child->next) {
        struct replica_cjson__place p =
            replica_cjson__find(start, next, child->string ? child->string : "");

        if (child != now->child)
            replica_cjson__add(out, ",", 1);
        if (!p.was) {
            replica_cjson__print_string(out, child->string);
            replica_cjson__add(out, ":", 1);
            replica_cjson__print(out, child);
            continue;
        }
        replica_cjson__add(out, p.at, (size_t)(replica_cjson__value_at(p) - p.at));
        replica_cjson__edit(out, replica_cjson__value_at(p), p.was, child);
        next = replica_cjson__next(p);
    }
    replica_cjson__add(out, "}", 1);
}

enum { REPLICA_CJSON__AHEAD = 32 }; /* how many elements are looked at */

/* An element that is the same, at the place or behind it. */
static inline struct replica_cjson__place
replica_cjson__find_same(struct replica_cjson__place from, const cJSON *element)
{
    int left;

    for (left = REPLICA_CJSON__AHEAD; from.was && left > 0; left--) {
        if (replica_cjson__same(from.was, element))
            return from;
        from = replica_cjson__next(from);
    }
    from.was = NULL;
    return from;
}

/* An element that this one may be an edit of: of the same kind, with none between that comes later
 * as it was. */
static inline struct replica_cjson__place
replica_cjson__find_alike(struct replica_cjson__place from, const cJSON *element)
{
    int left;

    for (left = REPLICA_CJSON__AHEAD; from.was && left > 0; left--) {
        const cJSON *later = element->next;
        int ahead;

        for (ahead = REPLICA_CJSON__AHEAD; later && ahead > 0; ahead--) {
            if (replica_cjson__same(from.was, later))
                left = 0;
            later = later->next;
        }
        if (left > 0 && element->child && (from.was->type & 0xFF) == (element->type & 0xFF))
            return from;
        from = replica_cjson__next(from);
    }
    from.was = NULL;
    return from;
}

/* Elements have no name to be known by.  Each is looked for near the last one that was found, then
 * from the start; one that is nowhere stands where it stands if their number is what it was. */
static inline void replica_cjson__edit_array(struct replica_cjson__out *out, const char *text,
                                             const cJSON *was, const cJSON *now)
{
    const struct replica_cjson__place start = replica_cjson__first(text, was);
    struct replica_cjson__place here = start; /* as far as now */
    struct replica_cjson__place next = start; /* behind the last one that was found */
    int in_place = cJSON_GetArraySize(was) == cJSON_GetArraySize(now);
    const cJSON *child;

    replica_cjson__add(out, "[", 1);
    for (child = now->child; child; child = child->next) {
        struct replica_cjson__place p = here;

        if (!in_place || !replica_cjson__same(here.was, child)) {
            p = replica_cjson__find_same(next, child);
            if (!p.was)
                p = replica_cjson__find_same(start, child);
            if (!p.was)
                p = in_place ? here : replica_cjson__find_alike(next, child);
        }
        if (child != now->child)
            replica_cjson__add(out, ",", 1);
        if (p.was)
            replica_cjson__edit(out, p.at, p.was, child);
        else
            replica_cjson__print(out, child);
        if (p.was && p.at >= next.at)
            next = replica_cjson__next(p);
        if (here.was)
            here = replica_cjson__next(here);
    }
    replica_cjson__add(out, "]", 1);
}

static inline void replica_cjson__edit(struct replica_cjson__out *out, const char *text,
                                       const cJSON *was, const cJSON *now)
{
    if (replica_cjson__same(was, now))
        replica_cjson__add(out, text, (size_t)(replica_cjson__skip(text) - text));
    else if (cJSON_IsObject(was) && cJSON_IsObject(now))
        replica_cjson__edit_object(out, text, was, now);
    else if (cJSON_IsArray(was) && cJSON_IsArray(now))
        replica_cjson__edit_array(out, text, was, now);
    else
        replica_cjson__print(out, now);
}

/* ---- what programs call ------------------------------------------------------------- */

/* A tree of a text that libreplica handed out (nothing is checked again), yours to cJSON_Delete();
 * NULL: out of memory. */
static inline cJSON *replica_cjson_tree(const char *json)
{
    const char *at = replica_cjson__blank(json);

    return replica_cjson__parse(&at);
}

/* The text of a tree, yours to cJSON_free(); NULL: out of memory.  original: the text that the tree
 * was made of before it was changed, or NULL to print all of it. */
static inline char *replica_cjson_text(const char *original, const cJSON *tree)
{
    struct replica_cjson__out out;
    cJSON *was = original ? replica_cjson_tree(original) : NULL;

    memset(&out, 0, sizeof(out));
    out.failed = original && !was;
    if (was)
        replica_cjson__edit(&out, replica_cjson__blank(original), was, tree);
    else
        replica_cjson__print(&out, tree);
    cJSON_Delete(was);
    if (out.failed) {
        cJSON_free(out.text);
        return NULL;
    }
    return out.text;
}

/* The document as a tree, yours to cJSON_Delete(); NULL: out of memory. */
static inline cJSON *replica_doc_cjson(replica_doc *doc)
{
    return replica_cjson_tree(replica_doc_json(doc, NULL));
}

/* The tree's text as an edit of the document (NULL: of none), yours to cJSON_free(). */
static inline char *replica_doc_edit_cjson(replica_doc *doc, const cJSON *tree)
{
    return replica_cjson_text(doc ? replica_doc_json(doc, NULL) : NULL, tree);
}

static inline int replica_cjson__no_memory(replica_error *err)
{
    if (err) {
        memset(err, 0, sizeof(*err));
        err->code = REPLICA_ENOMEM;
        err->offset = -1;
        strcpy(err->message, "out of memory");
    }
    return REPLICA_ENOMEM;
}

/* replica_put() of a tree that was made of doc (NULL: of none). */
static inline int replica_put_cjson(replica_collection *coll, replica_doc *doc, const cJSON *tree,
                                    const char *base_rev, replica_doc **ret_doc,
                                    replica_doc **ret_stored, replica_error *err)
{
    char *text = replica_doc_edit_cjson(doc, tree);
    int r;

    if (!text)
        return replica_cjson__no_memory(err);
    r = replica_put(coll, text, REPLICA_NUL, base_rev, ret_doc, ret_stored, err);
    cJSON_free(text);
    return r;
}

/* What the function of replica_modify() calls: REPLICA_MODIFY_PUT, or REPLICA_ENOMEM, to return. */
static inline int replica_text_add_cjson(replica_text *out, replica_doc *doc, const cJSON *tree)
{
    char *text = replica_doc_edit_cjson(doc, tree);

    if (!text)
        return REPLICA_ENOMEM;
    replica_text_add(out, text, REPLICA_NUL);
    cJSON_free(text);
    return REPLICA_MODIFY_PUT;
}

/* replica_conflict_use_json() of a tree that was made of doc: one of the three states, or NULL. */
static inline int replica_conflict_use_cjson(replica_conflict *c, replica_doc *doc,
                                             const cJSON *tree, replica_error *err)
{
    char *text = replica_doc_edit_cjson(doc, tree);
    int r;

    if (!text)
        return replica_cjson__no_memory(err);
    r = replica_conflict_use_json(c, text, REPLICA_NUL, err);
    cJSON_free(text);
    return r;
}

REPLICA_END

#endif

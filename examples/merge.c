/* A conflict handler that merges, member by member of the top level, against the state that both
 * sides started from.
 *
 * What only one side changed is taken from that side; what both changed, from the server; a counter
 * gets what both added; an edit survives a deletion.  The texts are taken apart where their members
 * meet and are put together again, so that every value keeps its bytes. */
#include "examples/merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEMBERS_MAX 256
#define COUNTER_DIGITS 15 /* at most: three of them add up without an overflow */

/* ---- a document's members -------------------------------------------------------- */

struct slice {
    const char *data;
    size_t len;
};

struct member {
    struct slice name; /* with its quotes */
    struct slice value;
};

struct object {
    struct member members[MEMBERS_MAX];
    int count;
};

static const char *skip_space(const char *p)
{
    return p + strspn(p, " \t\r\n");
}

/* These texts are stored documents, so they are known to be well formed. */
static const char *skip_string(const char *p)
{
    for (p++; *p != '"'; p++)
        p += *p == '\\';
    return p + 1;
}

static const char *skip_value(const char *p)
{
    int depth = 0;

    if (*p == '"')
        return skip_string(p);
    if (*p != '{' && *p != '[')
        return p + strcspn(p, ",}] \t\r\n");
    do {
        depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
        p = *p == '"' ? skip_string(p) : p + 1;
    } while (depth > 0);
    return p;
}

/* 0, or -1 if there are too many members.  doc NULL, or a deleted one, has none. */
static int take_apart(replica_doc *doc, struct object *o)
{
    const char *p;

    o->count = 0;
    if (!doc || replica_doc_deleted(doc))
        return 0;
    p = skip_space(strchr(replica_doc_json(doc, NULL), '{') + 1);
    while (*p != '}') {
        struct member *m = &o->members[o->count];

        if (o->count++ == MEMBERS_MAX)
            return -1;
        m->name.data = p;
        m->name.len = (size_t)(skip_string(p) - p);
        p = skip_space(p + m->name.len);
        p = m->value.data = skip_space(p + 1); /* behind the colon */
        p = skip_value(p);
        m->value.len = (size_t)(p - m->value.data);
        p = skip_space(p);
        if (*p == ',')
            p = skip_space(p + 1);
    }
    return 0;
}

static const struct slice *find(const struct object *o, const struct slice *name)
{
    for (int i = 0; i < o->count; i++)
        if (o->members[i].name.len == name->len &&
            memcmp(o->members[i].name.data, name->data, name->len) == 0)
            return &o->members[i].value;
    return NULL;
}

static int is_same(const struct slice *a, const struct slice *b)
{
    if (!a || !b)
        return a == b;
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* ---- merging --------------------------------------------------------------------- */

struct merge {
    const char *const *counters;
    struct object assumed, real, local;
    char *text;
    size_t len;
};

/* The value that a member shall have; NULL: none. */
static const struct slice *choose(const struct merge *m, const struct slice *name)
{
    const struct slice *assumed = find(&m->assumed, name);
    const struct slice *real = find(&m->real, name);
    const struct slice *local = find(&m->local, name);

    return is_same(real, assumed) ? local : real;
}

static void add(struct merge *m, const struct slice *s)
{
    memcpy(m->text + m->len, s->data, s->len);
    m->len += s->len;
}

static int is_counter(const struct merge *m, const struct slice *name)
{
    for (const char *const *c = m->counters; c && *c; c++)
        if (strlen(*c) == name->len - 2 && memcmp(*c, name->data + 1, name->len - 2) == 0)
            return 1;
    return 0;
}

/* 0, or -1 if it is no whole number.  What is not there is a counter that nobody touched. */
static int read_counter(const struct slice *value, long long *ret)
{
    size_t sign = value && value->data[0] == '-';
    size_t digits = value ? value->len - sign : 0;

    if (value && (digits > COUNTER_DIGITS ||
                  strspn(value->data + sign, "0123456789") != digits))
        return -1;
    *ret = value ? strtoll(value->data, NULL, 10) : 0;
    return 0;
}

/* What both sides added to the common ancestor.  1; 0: these are no numbers. */
static int add_counter(struct merge *m, const struct slice *name)
{
    long long assumed, real, local;

    if (!is_counter(m, name) || read_counter(find(&m->assumed, name), &assumed) < 0 ||
        read_counter(find(&m->real, name), &real) < 0 ||
        read_counter(find(&m->local, name), &local) < 0)
        return 0;
    m->len += (size_t)sprintf(m->text + m->len, "%lld", real + local - assumed);
    return 1;
}

static void add_member(struct merge *m, const struct slice *name)
{
    const struct slice *value = choose(m, name);

    if (!value)
        return;
    if (m->len > 1)
        m->text[m->len++] = ',';
    add(m, name);
    m->text[m->len++] = ':';
    if (!add_counter(m, name))
        add(m, value);
}

/* The server's members in its order, then those that only this side has. */
static void put_together(struct merge *m)
{
    m->text[m->len++] = '{';
    for (int i = 0; i < m->real.count; i++)
        add_member(m, &m->real.members[i].name);
    for (int i = 0; i < m->local.count; i++)
        if (!find(&m->real, &m->local.members[i].name))
            add_member(m, &m->local.members[i].name);
    m->text[m->len++] = '}';
}

static int merge(replica_conflict *c, struct merge *m, replica_error *err)
{
    replica_doc *real = replica_conflict_real(c);
    replica_doc *local = replica_conflict_local(c);
    size_t real_len = 0, local_len = 0;

    if (take_apart(replica_conflict_assumed(c), &m->assumed) < 0 ||
        take_apart(real, &m->real) < 0 || take_apart(local, &m->local) < 0)
        return replica_conflict_use(c, real, err); /* the local state is in the conflict log */
    replica_doc_json(real, &real_len);
    replica_doc_json(local, &local_len);
    m->text = malloc(real_len + local_len + 2 * MEMBERS_MAX * (2 + COUNTER_DIGITS));
    if (!m->text)
        return replica_conflict_use(c, real, err);
    put_together(m);
    return replica_conflict_use_json(c, m->text, m->len, err);
}

/* Called in replica_db_dispatch() or replica_db_wait(), on this program's thread.  It answers at
 * once; it could also keep c and answer days later. */
static void resolve(void *ctx, replica_conflict *c)
{
    struct merge *m = calloc(1, sizeof(*m));
    replica_error err = { 0 };
    int r;

    if (m)
        m->counters = ctx;
    if (!m || replica_doc_deleted(replica_conflict_local(c)))
        r = replica_conflict_use(c, replica_conflict_real(c), &err);
    else if (replica_doc_deleted(replica_conflict_real(c)))
        r = replica_conflict_use(c, replica_conflict_local(c), &err);
    else
        r = merge(c, m, &err);
    if (r < 0 && err.code != REPLICA_ECLOSED) /* set aside, with the reason */
        replica_conflict_fail(c, err.message, NULL);
    if (m)
        free(m->text);
    free(m);
}

/* Where something is counted, equal states are not the same change: two visits are two. */
void merge_handler(const char *const *counters, replica_conflict_handler *ret_handler)
{
    replica_conflict_handler handler = REPLICA_CONFLICT_HANDLER_INIT;

    handler.resolve = resolve;
    handler.ctx = (void *)(uintptr_t)counters;
    handler.flags = counters ? REPLICA_HANDLER_ADDITIVE : 0;
    *ret_handler = handler;
}

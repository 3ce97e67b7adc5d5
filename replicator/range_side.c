/* The questions about ranges of keys, and about the documents that they tell apart. */
#include "replicator/session_state.h"

#include <string.h>

static void add_text(const char *text, struct replica__buf *out)
{
    if (text)
        replica__buf_json_string(out, text, strlen(text));
    else
        replica__buf_str(out, "null");
}

static void add_heads(const replica_remote_collection *list, size_t n, struct replica__buf *out)
{
    replica__buf_str(out, ",\"collections\":[");
    for (size_t i = 0; i < n; i++)
        replica__buf_printf(out, "%s\"%s/%d\"", i ? "," : "", list[i].name, list[i].version);
    replica__buf_char(out, ']');
}

/* What of the collection is compared. */
static void add_part(const struct replica__session *s, struct replica__buf *out)
{
    if (s->keys && s->features & REPLICA_REMOTE_KEYS) {
        replica__buf_str(out, ",\"keys\":");
        add_text(s->keys, out);
    }
    if (s->filter && s->features & REPLICA_REMOTE_FILTER) {
        replica__buf_str(out, ",\"filter\":");
        replica__buf_str(out, s->filter);
    }
}

int replica__range_ask(struct replica__session *s, const struct asker *asker,
                       const struct replica__range_question *question,
                       const struct replica__ranges *list, replica_error *err)
{
    const replica_remote_collection *colls;
    size_t n = replica__session_feed_request(s, question->feed, &colls);
    const replica_remote_collection *coll = &colls[question->collection];
    REPLICA_BUF text = REPLICA_BUF_INIT;
    int r;

    replica__buf_printf(&text, "{\"collection\":\"%s/%d\"", coll->name, coll->version);
    if (question->heads)
        add_heads(colls, n, &text);
    replica__buf_printf(&text, ",\"of\":\"%s\",\"after\":",
                        question->texts ? "texts" : "numbers");
    add_text(question->after, &text);
    if (list) {
        replica__buf_str(&text, ",\"to\":");
        add_text(list->digests.chunks[list->chunk].to, &text);
    }
    add_part(s, &text);
    replica__buf_char(&text, '}');
    if (text.r < 0)
        return replica__enomem(err);
    r = replica__session_ask(s, &s->range, asker, text.data, text.len);
    return r < 0 ? replica__error_set(err, r, 0, "the remote could not start a request") : 0;
}

void replica__range_request(struct replica__session *s, size_t feed, size_t collection,
                            const struct replica__ranges *ranges, replica_pull_request *request)
{
    const replica_remote_collection *colls;

    replica__session_feed_request(s, feed, &colls);
    request->collections = &colls[collection];
    request->count = 1;
    request->checkpoint = NULL;
    request->ids = (const char *const *)&ranges->asked[ranges->asked_from];
    request->id_count = ranges->asked_count - ranges->asked_from;
    request->fresh = 0;
}

/* Some of what was asked for, from the first one on. */
static int is_answer(const struct arrived *page, char *const *asked, size_t n,
                     replica_error *err)
{
    if (page->n == 0 || page->n > n)
        return replica__error_set(err, REPLICA_EHTTP, 200,
                                  "%zu documents for %zu that were asked for", page->n, n);
    for (size_t i = 0; i < page->n; i++) {
        struct replica__slice key = page->docs[i].doc.key;

        if (key.data && !replica__json_string_is(key, asked[i], strlen(asked[i])))
            return replica__error_set(err, REPLICA_EHTTP, 200,
                                      "another document than '%.100s', which was asked for",
                                      asked[i]);
    }
    return 0;
}

static replica_remote_doc *docs_of(const struct replica__range_keys *keys,
                                   const replica_remote_doc *all, struct replica__buf *text)
{
    replica_remote_doc *docs = replica__alloc_zero(keys->n, sizeof *docs);
    const char *key = replica_collection_key(keys->coll);
    size_t at = 0;

    for (size_t i = 0; docs && i < keys->n; i++) {
        replica__buf_char(text, '{');
        replica__buf_json_string(text, key, strlen(key));
        replica__buf_char(text, ':');
        replica__buf_json_string(text, keys->ids[i], strlen(keys->ids[i]));
        replica__buf_char(text, '}');
        docs[i] = *all;
        docs[i].collection = replica_collection_name(keys->coll);
        docs[i].len = text->len - at;
        at = text->len;
    }
    at = 0;
    for (size_t i = 0; docs && text->r >= 0 && i < keys->n; i++) {
        docs[i].json = text->data + at;
        at += docs[i].len;
    }
    return docs;
}

int replica__range_all(struct replica__session *s, const struct replica__range_keys *keys,
                       const replica_remote_doc *all, const replica_remote_page *page,
                       struct arrived *ret, replica_error *err)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;
    REPLICA_FREE replica_remote_doc *docs = docs_of(keys, all, &text);
    replica_remote_page whole = *page;

    if (!docs || text.r < 0)
        return replica__enomem(err);
    whole.docs = docs;
    whole.count = keys->n;
    return replica__arrived_copy(s, keys->feed, &whole, ret, err);
}

int replica__range_page(struct replica__session *s, size_t feed, replica_collection *coll,
                        const struct replica__ranges *ranges, const replica_remote_page *page,
                        struct arrived *ret, replica_error *err)
{
    const struct replica__range_keys asked = { feed, coll, ranges->asked + ranges->asked_from,
                                               ranges->asked_count - ranges->asked_from };
    const replica_remote_doc deleted = { .deleted = 1 };
    int r;

    if (page->absent)
        return replica__range_all(s, &asked, &deleted, page, ret, err);
    r = replica__arrived_copy(s, feed, page, ret, err);
    if (r >= 0)
        r = is_answer(ret, asked.ids, asked.n, err);
    if (r < 0)
        replica__arrived_free(ret);
    return r;
}

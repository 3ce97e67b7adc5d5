/* Conflict rules: what becomes of a document that two people changed, said in one line of JSON.
 *
 *     {"": "merge", "/visits": "sum", "/tags": "set-union", "/items": {"list-by-key": "id"},
 *      "/items/ * /count": "sum", "/note": {"text": "server-wins"}, "delete": "edit-wins"}
 *
 * (without the blanks around the *, which stands for one segment of any name).  A member is a JSON
 * pointer and its rule, by name or as {name: argument}; the longest path that fits decides, one
 * with fewer * before one with more.  A bare name is short for {"": name}.  docs/conflicts.md says
 * exactly what each rule does with each kind of value:
 *
 *     server-wins         the real master state's value (the default)
 *     client-wins         the local one's
 *     last-write-wins     the later one's, by the hybrid logical clock of the two states; or, with
 *                         the name of a field as argument, by the time in that field of each
 *     max, min            the larger, the smaller number or text
 *     sum                 a counter: the base, and what both sides added to it since
 *     set-union           an array as a set: what either side added, less what either removed
 *     list-by-key         an array of objects; the argument is the member that tells them apart.
 *                         Each is merged by the rules for its path
 *     text                three ways by words, then by lines; overlapping edits keep both, marked,
 *                         or fall to the rule that is its argument
 *     merge               three ways, member by member; leaves that both sides changed fall to the
 *                         rule that is its argument, or to server-wins
 *
 *     "delete"            when one side deleted and the other edited: edit-wins, delete-wins,
 *                         keep-copy (deleted, and the edited text stays under a new key), ask (the
 *                         program's resolve; without one the document waits).  Left out: as the
 *                         rule of the whole document says if that is one of the first three, else
 *                         edit-wins
 *
 * Every rule gives the same text for the same three states, on every machine: replicas that use the
 * same rules agree, in whatever order they meet.  The contract of libreplica.h holds. */
#ifndef LIBREPLICA_MERGE_H
#define LIBREPLICA_MERGE_H

#include <libreplica/libreplica.h>

REPLICA_BEGIN

typedef struct replica_rules replica_rules; /* compiled; immutable, counted, for any thread */

/* REPLICA_EJSON: no JSON; offset where.  REPLICA_EINVAL: an unknown name, a path that is none, an
 * argument that the rule cannot have; where: the path. */
REPLICA_API int replica_rules_compile(const char *json, size_t len, replica_rules **ret_rules,
                                      replica_error *err);
REPLICA_API replica_rules *replica_rules_ref(replica_rules *rules);
REPLICA_API replica_rules *replica_rules_unref(replica_rules *rules); /* gives NULL */
/* Do they add (is there a sum)?  See REPLICA_HANDLER_ADDITIVE. */
REPLICA_API int replica_rules_additive(const replica_rules *rules);

/* A collection's rules are for documents: "sum" of the whole, which is an object, or of the member
 * that is its key, which is a text (NULL: not known), is a mistake.  Opening the collection refuses
 * it as well.  REPLICA_EINVAL; where: the path. */
REPLICA_API int replica_rules_check(const replica_rules *rules, const char *key,
                                    replica_error *err);

/* One of the three states; a document, or any part of one. */
typedef struct replica_side {
    const char *json;   /* NULL: there is none */
    size_t len;
    int deleted;        /* json is what it was before */
    int64_t stamp;      /* hybrid logical clock, for last-write-wins; 0: unknown, which is oldest */
    const char *writer; /* breaks a tie of stamps, the larger wins; NULL: unknown */
} replica_side;

/* What came of it. */
enum {
    REPLICA_MERGED_THEIRS = 1, /* theirs, as it is: its text, or that it is deleted */
    REPLICA_MERGED_OURS = 2,   /* ours, as it is */
    REPLICA_MERGED_TEXT = 3,   /* the text in out */
    REPLICA_MERGED_COPY = 4,   /* deleted; the text of the side that is not is to be kept as well */
    REPLICA_MERGED_ASK = 5     /* "delete" is "ask" */
};
/* Merge three states: base the common ancestor (NULL: none), ours the local one, theirs the
 * server's.  rules NULL: server-wins.  What neither side changed keeps its bytes.  A rule that
 * cannot serve a value it meets (sum of a text) falls back to server-wins for that value; a schema
 * refuses such a rule when it is set.  Returns REPLICA_MERGED_...  REPLICA_EJSON: a state is no
 * JSON. REPLICA_ELIMIT: too large. */
REPLICA_API int replica_merge3(const replica_rules *rules, const replica_side *base,
                               const replica_side *ours, const replica_side *theirs,
                               replica_text *out, replica_error *err);

/* A text for calls that write one, outside of a callback. */
REPLICA_API int replica_text_new(replica_text **ret_text, replica_error *err);
REPLICA_API const char *replica_text_json(const replica_text *text, size_t *ret_len);
REPLICA_API void replica_text_free(replica_text *text); /* NULL is fine */

REPLICA_END

#endif

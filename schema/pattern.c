/* Regular expressions on PCRE2: what was translated is compiled, and matched within limits.
 *
 * PCRE2 counts steps for each place where a match may start, so the limit of one place is what all
 * of them share; long texts get at least MIN_STEPS each, which keeps the whole linear.  What one
 * match needs besides the code is in a matcher; the pattern keeps one for the next match, and who
 * finds none makes one. */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "schema/pattern.h"

#include "base/alloc.h"
#include "base/error.h"
#include "schema/pattern_syntax.h"

#include <assert.h>
#include <pcre2.h>
#include <stdatomic.h>
#include <string.h>

enum {
    MAX_STEPS = 10 * 1000 * 1000, /* of one match: under 100 ms */
    MIN_STEPS = 1000,             /* of each place in a long text */
    MIN_STACK = 64 * 1024,        /* PCRE2 has 32 KiB on the machine's stack for a start */
    MAX_STACK = 32 * 1024 * 1024,
    MAX_KEPT = 4096,              /* bytes of a text; after a longer one the matcher is freed, as it
                                   * holds the memory that the match took */
    MAX_TRANSLATED = 4 * 1024 * 1024,
};

struct matcher {
    pcre2_match_data *data;
    pcre2_match_context *context;
};

struct replica__pattern {
    pcre2_general_context *memory;
    pcre2_code *code;
    bool anchored; /* there is one place where a match may start */
    _Atomic(struct matcher *) idle;
};

/* ---- memory ---------------------------------------------------------------------- */

static void *take_memory(size_t size, void *ctx)
{
    (void)ctx;
    return replica__alloc(size);
}

static void free_memory(void *p, void *ctx)
{
    (void)ctx;
    replica__free(p);
}

static void matcher_free(struct matcher *m)
{
    if (!m)
        return;
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->context);
    replica__free(m);
}

static struct matcher *matcher_new(const struct replica__pattern *p)
{
    struct matcher *m = replica__alloc_zero(1, sizeof(*m));

    if (!m)
        return NULL;
    m->data = pcre2_match_data_create(1, p->memory);
    m->context = pcre2_match_context_create(p->memory);
    if (!m->data || !m->context) {
        matcher_free(m);
        return NULL;
    }
    pcre2_set_heap_limit(m->context, MAX_STACK / 1024);
    return m;
}

void replica__pattern_free(struct replica__pattern *p)
{
    if (!p)
        return;
    matcher_free(atomic_load(&p->idle));
    pcre2_code_free(p->code);
    pcre2_general_context_free(p->memory);
    replica__free(p);
}

static void pattern_free_ptr(struct replica__pattern **p)
{
    replica__pattern_free(*p);
}

/* ---- compiling ------------------------------------------------------------------- */

int replica__pattern_flags(const char *letters, size_t len, unsigned *ret_flags,
                           replica_error *err)
{
    unsigned flags = 0;

    for (size_t i = 0; i < len; i++) {
        switch (letters[i]) {
        case 'i': flags |= REPLICA__PATTERN_IGNORE_CASE; break;
        case 'm': flags |= REPLICA__PATTERN_MULTILINE; break;
        case 's': flags |= REPLICA__PATTERN_DOT_ALL; break;
        case 'u':
        case 'g': break;
        default:
            return replica__error_at(err, REPLICA_EINVAL, (int64_t)i,
                                     "flags of a regular expression are i, m, s, u and g");
        }
    }
    *ret_flags = flags;
    return 0;
}

/* PCRE2's offset is one in the translated text, which nobody knows. */
static int compile_error(int code, replica_error *err)
{
    char words[128] = "";

    if (code == PCRE2_ERROR_HEAP_FAILED)
        return replica__enomem(err);
    pcre2_get_error_message(code, (PCRE2_UCHAR *)words, sizeof(words));
    switch (code) {
    case PCRE2_ERROR_PATTERN_TOO_LARGE:
    case PCRE2_ERROR_PATTERN_TOO_COMPLICATED:
    case PCRE2_ERROR_PARENTHESES_NEST_TOO_DEEP:
    case PCRE2_ERROR_LOOKBEHIND_TOO_COMPLICATED:
    case PCRE2_ERROR_LOOKBEHIND_TOO_LONG:
        return replica__error_at(err, REPLICA_ELIMIT, 0, "regular expression: %s", words);
    case PCRE2_ERROR_UNKNOWN_UNICODE_PROPERTY:
        return replica__error_at(err, REPLICA_EINVAL, 0,
                                 "not a regular expression: a script that there is not");
    default: /* a lookbehind of no fixed length */
        return replica__error_at(err, REPLICA_ENOTSUP, 0, "regular expression: %s", words);
    }
}

static int compile(struct replica__pattern *p, const struct replica__buf *text, unsigned flags,
                   replica_error *err)
{
    uint32_t options = PCRE2_UTF | PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY |
                       PCRE2_MATCH_UNSET_BACKREF | PCRE2_NO_UTF_CHECK | PCRE2_NEVER_BACKSLASH_C;
    pcre2_compile_context *context = pcre2_compile_context_create(p->memory);
    PCRE2_SIZE offset = 0;
    int code = 0;

    if (!context)
        return replica__enomem(err);
    if (flags & REPLICA__PATTERN_IGNORE_CASE)
        options |= PCRE2_CASELESS;
    p->code = pcre2_compile((PCRE2_SPTR)(text->data ? text->data : ""), text->len, options, &code,
                            &offset, context);
    pcre2_compile_context_free(context);
    if (!p->code)
        return compile_error(code, err);
    pcre2_pattern_info(p->code, PCRE2_INFO_ALLOPTIONS, &options);
    p->anchored = options & PCRE2_ANCHORED;
    pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE); /* where it cannot, it is interpreted */
    return 0;
}

int replica__pattern_compile(const char *text, size_t len, unsigned flags,
                             struct replica__pattern **ret_pattern, replica_error *err)
{
    __attribute__((cleanup(pattern_free_ptr))) struct replica__pattern *p = NULL;
    REPLICA_BUF translated = REPLICA_BUF_INIT;
    int r;

    translated.max = MAX_TRANSLATED;
    if (len == REPLICA_NUL)
        len = strlen(text);
    r = replica__pattern_translate(text, len, flags, &translated, err);
    if (r < 0)
        return r;
    if (translated.r == REPLICA_ELIMIT)
        return replica__error_at(err, REPLICA_ELIMIT, 0, "regular expression: too long");
    p = replica__alloc_zero(1, sizeof(*p));
    if (translated.r < 0 || !p)
        return replica__enomem(err);
    p->memory = pcre2_general_context_create(take_memory, free_memory, NULL);
    if (!p->memory)
        return replica__enomem(err);
    r = compile(p, &translated, flags, err);
    if (r < 0)
        return r;
    *ret_pattern = p;
    p = NULL;
    return 0;
}

/* ---- matching -------------------------------------------------------------------- */

static int run(const struct replica__pattern *p, struct matcher *m, const char *subject,
               size_t len)
{
    return pcre2_match(p->code, (PCRE2_SPTR)subject, len, 0, PCRE2_NO_UTF_CHECK, m->data,
                       m->context);
}

/* Compiled code has its own stack; the interpreter has it on the heap, and never comes here. */
static int run_with_stack(const struct replica__pattern *p, struct matcher *m,
                          const char *subject, size_t len)
{
    pcre2_jit_stack *stack = pcre2_jit_stack_create(MIN_STACK, MAX_STACK, p->memory);
    int rc;

    if (!stack)
        return PCRE2_ERROR_NOMEMORY;
    pcre2_jit_stack_assign(m->context, NULL, stack);
    rc = run(p, m, subject, len);
    pcre2_jit_stack_assign(m->context, NULL, NULL);
    pcre2_jit_stack_free(stack);
    return rc;
}

static int match(const struct replica__pattern *p, struct matcher *m, const char *subject,
                 size_t len, uint32_t steps)
{
    int rc;

    pcre2_set_match_limit(m->context, steps);
    rc = run(p, m, subject, len);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = run_with_stack(p, m, subject, len);
    if (rc >= 0)
        return 1;
    if (rc == PCRE2_ERROR_NOMATCH)
        return 0;
    return rc == PCRE2_ERROR_NOMEMORY ? REPLICA_ENOMEM : REPLICA_ELIMIT;
}

/* The next lone surrogate in three bytes, which PCRE2 must not see. */
static const char *find_surrogate(const char *at, const char *end)
{
    while (at < end && (at = memchr(at, 0xED, (size_t)(end - at)))) {
        if (end - at >= 3 && (unsigned char)at[1] >= 0xA0)
            return at;
        at++;
    }
    return NULL;
}

/* A copy with U+FFFD for each of them, which has three bytes, too; NULL: out of memory. */
static char *without_surrogates(const char *subject, size_t len, const char *first)
{
    char *copy = replica__strndup(subject, len);
    const char *end = subject + len;

    for (; copy && first; first = find_surrogate(first + 3, end))
        memcpy(copy + (first - subject), "\xEF\xBF\xBD", 3);
    return copy;
}

/* steps: at one place of the text. */
static int match_text(const struct replica__pattern *pattern, const char *subject, size_t len,
                      uint32_t steps)
{
    /* What is idle is not part of what a pattern is. */
    _Atomic(struct matcher *) *idle = (_Atomic(struct matcher *) *)(uintptr_t)&pattern->idle;
    REPLICA_FREE char *copy = NULL;
    const char *surrogate;
    struct matcher *m;
    int r;

    surrogate = len > 0 ? find_surrogate(subject, subject + len) : NULL;
    if (surrogate) {
        copy = without_surrogates(subject, len, surrogate);
        if (!copy)
            return REPLICA_ENOMEM;
        subject = copy;
    }
    m = atomic_exchange(idle, NULL);
    if (!m && !(m = matcher_new(pattern)))
        return REPLICA_ENOMEM;
    r = match(pattern, m, len > 0 ? subject : "", len, steps);
    if (len <= MAX_KEPT)
        m = atomic_exchange(idle, m);
    matcher_free(m);
    return r;
}

/* What each place has of so many. */
static uint32_t share(const struct replica__pattern *p, size_t steps, size_t len, size_t least)
{
    size_t each = p->anchored ? steps : steps / (len + 1);

    each = each < MAX_STEPS ? each : MAX_STEPS;
    return (uint32_t)(each > least ? each : least);
}

int replica__pattern_match(const struct replica__pattern *pattern, const char *subject, size_t len)
{
    if (len == REPLICA_NUL)
        len = strlen(subject);
    return match_text(pattern, subject, len, share(pattern, MAX_STEPS, len, MIN_STEPS));
}

int replica__pattern_match_within(const struct replica__pattern *pattern, const char *subject,
                                  size_t len, size_t steps)
{
    return match_text(pattern, subject, len, share(pattern, steps, len, 1));
}

/* Numbers and strings. */
#include "schema/run.h"

#include <string.h>

/* ---- numbers ---------------------------------------------------------------------- */

static int compare(const struct replica__json_value *v, bool small, int64_t n,
                   const struct schema_bound *bound)
{
    if (small && bound->small)
        return (n > bound->n) - (n < bound->n);
    return replica__json_number_compare(v->text, bound->text);
}

static int outside(struct run *run, const struct schema_node *node, const char *keyword,
                   const struct replica__json_value *v, const struct place *place,
                   const char *what, struct replica__slice bound)
{
    return replica__run_find(run, node, keyword, v, place, "is %s %.*s", what,
                             (int)(bound.len < 60 ? bound.len : 60), bound.data);
}

int replica__run_number(struct run *run, const struct schema_node *node,
                        const struct replica__json_value *v, const struct place *place)
{
    const struct schema_number_rules *rules = node->number;
    int64_t n = 0;
    bool small = replica__number_small(v->text, &n);
    int valid = 1;

    if (rules->minimum.text.data && compare(v, small, n, &rules->minimum) < 0)
        RUN(valid, outside(run, node, "minimum", v, place, "below", rules->minimum.text));
    if (rules->maximum.text.data && compare(v, small, n, &rules->maximum) > 0)
        RUN(valid, outside(run, node, "maximum", v, place, "above", rules->maximum.text));
    if (rules->exclusive_minimum.text.data && compare(v, small, n, &rules->exclusive_minimum) <= 0)
        RUN(valid, outside(run, node, node->draft_4 ? "minimum" : "exclusiveMinimum", v, place,
                           "not above", rules->exclusive_minimum.text));
    if (rules->exclusive_maximum.text.data && compare(v, small, n, &rules->exclusive_maximum) >= 0)
        RUN(valid, outside(run, node, node->draft_4 ? "maximum" : "exclusiveMaximum", v, place,
                           "not below", rules->exclusive_maximum.text));
    if (rules->multiple_of.text.data &&
        !replica__number_is_multiple(v->text, &rules->multiple_of))
        RUN(valid, outside(run, node, "multipleOf", v, place, "no multiple of",
                           rules->multiple_of.text));
    return valid;
}

/* ---- strings ---------------------------------------------------------------------- */

struct replica__slice replica__run_text(struct run *run, struct replica__slice spelled)
{
    if (spelled.len == 0)
        return (struct replica__slice){ "", 0 };
    if (!memchr(spelled.data, '\\', spelled.len))
        return spelled;
    replica__buf_clear(&run->text);
    replica__json_unescape(spelled, &run->text);
    return (struct replica__slice){ run->text.r < 0 ? NULL : run->text.data, run->text.len };
}

int replica__run_pattern(struct run *run, const struct replica__pattern *pattern,
                         struct replica__slice spelled)
{
    struct replica__slice text = replica__run_text(run, spelled);
    int r = text.data ? replica__pattern_match(pattern, text.data, text.len) : REPLICA_ENOMEM;

    if (r == REPLICA_ENOMEM)
        return replica__run_enomem(run);
    return r == REPLICA_ELIMIT ? replica__run_limit(run, "a pattern takes too long") : r;
}

/* Code points. */
static size_t length(struct replica__slice spelled)
{
    const char *at = spelled.data;
    const char *end = at + spelled.len;
    size_t n = 0;

    while (at < end) {
        char bytes[4];

        if (*at == '\\') {
            replica__json_decode(&at, end, bytes);
            n++;
        } else {
            n += ((unsigned char)*at++ & 0xC0) != 0x80;
        }
    }
    return n;
}

/* A code point takes 1 to 12 bytes ("\ud83d\ude00"), which settles most cases at once. */
static int check_length(struct run *run, const struct schema_node *node,
                        const struct replica__json_value *v, struct replica__slice spelled,
                        const struct place *place)
{
    const struct schema_limits *limits = &node->string->length;
    bool long_enough = !limits->has_min || spelled.len / 12 >= limits->min;
    bool short_enough = !limits->has_max || spelled.len <= limits->max;
    int valid = 1;
    size_t n;

    if (long_enough && short_enough)
        return 1;
    n = length(spelled);
    if (limits->has_min && n < limits->min)
        RUN(valid, replica__run_find(run, node, "minLength", v, place,
                                     "shorter than %zu characters", limits->min));
    if (limits->has_max && n > limits->max)
        RUN(valid, replica__run_find(run, node, "maxLength", v, place,
                                     "longer than %zu characters", limits->max));
    return valid;
}

static int check_format(struct run *run, const struct schema_node *node,
                        const struct replica__json_value *v, struct replica__slice spelled,
                        const struct place *place)
{
    struct replica__slice text = replica__run_text(run, spelled);
    int r = text.data ? node->string->format(text.data, text.len) : REPLICA_ENOMEM;

    if (r < 0)
        return replica__run_enomem(run);
    return r ? 1 : replica__run_find(run, node, "format", v, place, "has not the format asked for");
}

int replica__run_string(struct run *run, const struct schema_node *node,
                        const struct replica__json_value *v, const struct place *place)
{
    const struct schema_string_rules *rules = node->string;
    struct replica__slice spelled = { v->text.data + 1, v->text.len - 2 };
    int valid = 1;

    RUN(valid, check_length(run, node, v, spelled, place));
    if (rules->pattern) {
        int r = replica__run_pattern(run, rules->pattern, spelled);

        if (r < 0)
            return r;
        if (r == 0)
            RUN(valid, replica__run_find(run, node, "pattern", v, place,
                                         "does not match the pattern"));
    }
    if (rules->format)
        RUN(valid, check_format(run, node, v, spelled, place));
    return valid;
}

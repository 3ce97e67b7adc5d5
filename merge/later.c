/* Which of two states was written later: by their hybrid logical clocks, or by a time inside the
 * documents.  A time is a number, milliseconds since 1970, or a text as in RFC 3339; both become a
 * decimal number, exact however many digits it has. */
#include "merge/value.h"

#include <string.h>

enum { MAX_FRACTION = 100 }; /* digits of a second that count */

/* So many digits; -1: there are others. */
static int digits(const char **at, const char *end, int n)
{
    int value = 0;

    for (int i = 0; i < n; i++, (*at)++) {
        if (*at == end || **at < '0' || **at > '9')
            return -1;
        value = value * 10 + (**at - '0');
    }
    return value;
}

static bool skip(const char **at, const char *end, const char *one_of)
{
    if (*at == end || **at == '\0' || !strchr(one_of, **at))
        return false;
    (*at)++;
    return true;
}

/* Days since 1970 of a day in the Gregorian calendar. */
static int64_t days(int year, int month, int day)
{
    int64_t y = year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* "Z", or "+01:30" */
static bool read_offset(const char **at, const char *end, int *ret_minutes)
{
    int sign;
    int hours;
    int minutes;

    *ret_minutes = 0;
    if (skip(at, end, "Zz"))
        return true;
    sign = *at < end && **at == '-' ? -1 : 1;
    if (!skip(at, end, "+-") || (hours = digits(at, end, 2)) < 0 || !skip(at, end, ":") ||
        (minutes = digits(at, end, 2)) < 0 || hours > 23 || minutes > 59)
        return false;
    *ret_minutes = sign * (hours * 60 + minutes);
    return true;
}

/* The seconds since 1970, and where the digits of the fraction are. */
static bool read_time(const char *at, const char *end, int64_t *ret_seconds,
                      struct replica__slice *ret_fraction)
{
    int year, month, day, hour, minute, second, offset;

    if ((year = digits(&at, end, 4)) < 0 || !skip(&at, end, "-") ||
        (month = digits(&at, end, 2)) < 1 || month > 12 || !skip(&at, end, "-") ||
        (day = digits(&at, end, 2)) < 1 || day > 31 || !skip(&at, end, "Tt ") ||
        (hour = digits(&at, end, 2)) < 0 || hour > 23 || !skip(&at, end, ":") ||
        (minute = digits(&at, end, 2)) < 0 || minute > 59 || !skip(&at, end, ":") ||
        (second = digits(&at, end, 2)) < 0 || second > 60)
        return false;
    *ret_fraction = (struct replica__slice){ at, 0 };
    if (skip(&at, end, ".")) {
        ret_fraction->data = at;
        while (at < end && *at >= '0' && *at <= '9')
            at++;
        ret_fraction->len = (size_t)(at - ret_fraction->data);
        if (ret_fraction->len == 0)
            return false;
    }
    if (!read_offset(&at, end, &offset) || at != end)
        return false;
    *ret_seconds = days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second -
                   (int64_t)offset * 60;
    return true;
}

/* A time as the text of a number of milliseconds.  Nobody wrote anything before 1970, where
 * fractions of a second do not count. */
static bool write_time(struct replica__json_value v, struct replica__buf *out)
{
    REPLICA_BUF text = REPLICA_BUF_INIT;
    struct replica__slice fraction;
    int64_t seconds;

    replica__json_unescape(merge_inside(v), &text);
    if (text.r < 0)
        out->r = text.r;
    if (!text.data || !read_time(text.data, text.data + text.len, &seconds, &fraction))
        return false;
    replica__buf_printf(out, "%lld.", (long long)seconds);
    if (seconds >= 0)
        replica__buf_add(out, fraction.data,
                         fraction.len < MAX_FRACTION ? fraction.len : MAX_FRACTION);
    replica__buf_str(out, "0e3");
    return true;
}

/* ---- a field of the documents -------------------------------------------------------- */

/* Of a deleted one, what it was before. */
static struct replica__json_value value_of(const struct replica__side *side)
{
    return side->json ? replica__json_value(side->json, side->len) : merge_none();
}

static struct replica__json_value field_of(const struct replica__side *side,
                                           const struct pointer *p)
{
    struct replica__json_value v = value_of(side);

    for (size_t i = 0; i < p->n; i++)
        v = replica__json_member(v, p->segments[i].data, p->segments[i].len);
    return v;
}

/* The number of a side's time, perhaps in room; none: there is none, or it is no time. */
static struct replica__slice time_of(const struct replica__side *side, const struct pointer *p,
                                     struct replica__buf *room)
{
    struct replica__json_value v = field_of(side, p);

    if (v.type == REPLICA_JSON_NUMBER)
        return v.text;
    if (v.type == REPLICA_JSON_STRING && write_time(v, room) && room->r == 0)
        return (struct replica__slice){ room->data, room->len };
    return (struct replica__slice){ NULL, 0 };
}

/* A time that is missing is the oldest. */
static int compare_fields(struct merge *m, const struct pointer *p)
{
    REPLICA_BUF room_ours = REPLICA_BUF_INIT;
    REPLICA_BUF room_theirs = REPLICA_BUF_INIT;
    struct replica__slice ours = time_of(m->ours, p, &room_ours);
    struct replica__slice theirs = time_of(m->theirs, p, &room_theirs);

    if (room_ours.r < 0 || room_theirs.r < 0)
        m->r = REPLICA_ENOMEM;
    if (!ours.data || !theirs.data)
        return (ours.data != NULL) - (theirs.data != NULL);
    return replica__json_number_compare(ours, theirs);
}

/* ---- all of it ----------------------------------------------------------------------- */

static int compare_clocks(const struct replica__side *ours, const struct replica__side *theirs)
{
    if (ours->stamp != theirs->stamp)
        return ours->stamp < theirs->stamp ? -1 : 1;
    return strcmp(ours->writer ? ours->writer : "", theirs->writer ? theirs->writer : "");
}

/* Nothing tells which was first: any order will do that is the same for everybody. */
static int compare_contents(struct merge *m)
{
    struct replica__json_value ours = value_of(m->ours);
    struct replica__json_value theirs = value_of(m->theirs);

    if (m->ours->deleted != m->theirs->deleted)
        return m->ours->deleted ? -1 : 1;
    return replica__merge_order(m, &ours, &theirs);
}

enum take replica__merge_later(struct merge *m, const struct rule *rule)
{
    int order = rule->way ? compare_fields(m, rule->way) : compare_clocks(m->ours, m->theirs);

    if (order == 0)
        order = compare_contents(m);
    return order > 0 ? TAKE_OURS : TAKE_THEIRS;
}

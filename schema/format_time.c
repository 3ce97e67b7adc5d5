/* Dates, times and durations, as RFC 3339 writes them.
 *
 * A leap second is one where it can be: at the end of a day in UTC.  On which days there was one is
 * not asked. */
#include "schema/format_internal.h"

static int days_in(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return days[month - 1] + (leap && month == 2);
}

static bool take_date(struct format_text *t)
{
    int century = format_take_two(t);
    int rest = format_take_two(t);
    int month;
    int day;

    if (century < 0 || rest < 0 || !format_take(t, '-'))
        return false;
    month = format_take_two(t);
    if (month < 1 || month > 12 || !format_take(t, '-'))
        return false;
    day = format_take_two(t);
    return day >= 1 && day <= days_in(century * 100 + rest, month);
}

/* Z, or +01:00; ret_minutes: how far it is from UTC. */
static bool take_zone(struct format_text *t, int *ret_minutes)
{
    bool behind = t->at < t->end && *t->at == '-';
    int hours;
    int minutes;

    if (format_take_one_of(t, "Zz")) {
        *ret_minutes = 0;
        return true;
    }
    if (!format_take_one_of(t, "+-"))
        return false;
    hours = format_take_two(t);
    if (hours < 0 || hours > 23 || !format_take(t, ':'))
        return false;
    minutes = format_take_two(t);
    if (minutes < 0 || minutes > 59)
        return false;
    minutes += hours * 60;
    *ret_minutes = behind ? -minutes : minutes;
    return true;
}

static bool take_time(struct format_text *t)
{
    const int day = 24 * 60;
    int hour = format_take_two(t);
    int minute;
    int second;
    int zone;

    if (hour < 0 || hour > 23 || !format_take(t, ':'))
        return false;
    minute = format_take_two(t);
    if (minute < 0 || minute > 59 || !format_take(t, ':'))
        return false;
    second = format_take_two(t);
    if (second < 0 || second > 60)
        return false;
    if (format_take(t, '.') && format_take_digits(t, SIZE_MAX) == 0)
        return false;
    if (!take_zone(t, &zone))
        return false;
    return second < 60 || (hour * 60 + minute - zone + day) % day == day - 1;
}

int replica__format_date(const char *text, size_t len)
{
    struct format_text t = format_text(text, len);

    return take_date(&t) && format_at_end(&t);
}

int replica__format_time(const char *text, size_t len)
{
    struct format_text t = format_text(text, len);

    return take_time(&t) && format_at_end(&t);
}

int replica__format_date_time(const char *text, size_t len)
{
    struct format_text t = format_text(text, len);

    return take_date(&t) && format_take_one_of(&t, "Tt") && take_time(&t) && format_at_end(&t);
}

/* 1Y2M3D: units in their order, and none left out between two.  How many; -1: something else. */
static int take_units(struct format_text *t, const char *units)
{
    const char *next = NULL;
    int n = 0;

    while (t->at < t->end && format_is_digit(*t->at)) {
        format_take_digits(t, SIZE_MAX);
        if (t->at == t->end || !format_is_one_of(*t->at, units) || (next && *t->at != *next))
            return -1;
        next = strchr(units, *t->at++) + 1;
        n++;
    }
    return n;
}

int replica__format_duration(const char *text, size_t len)
{
    struct format_text t = format_text(text, len);
    struct format_text weeks;
    int n;

    if (!format_take(&t, 'P'))
        return 0;
    weeks = t;
    if (take_units(&weeks, "W") > 0)
        return format_at_end(&weeks);
    n = take_units(&t, "YMD");
    if (n >= 0 && format_take(&t, 'T'))
        n = take_units(&t, "HMS");
    return n > 0 && format_at_end(&t);
}

/* The names of formats, by draft, and the formats that are a few lines each. */
#include "schema/format.h"

#include "schema/format_internal.h"
#include "schema/pattern.h"

static int uuid(const char *text, size_t len)
{
    if (len != 36)
        return 0;
    for (size_t i = 0; i < len; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text[i] != '-' : !format_is_hex(text[i]))
            return 0;
    }
    return 1;
}

static int json_pointer(const char *text, size_t len)
{
    if (len > 0 && text[0] != '/')
        return 0;
    for (size_t i = 0; i < len; i++)
        if (text[i] == '~' && (i + 1 == len || (text[i + 1] != '0' && text[i + 1] != '1')))
            return 0;
    return 1;
}

static int relative_json_pointer(const char *text, size_t len)
{
    struct format_text t = format_text(text, len);

    if (!format_take(&t, '0') && format_take_digits(&t, len) == 0)
        return 0;
    if (format_take(&t, '#'))
        return format_at_end(&t);
    return json_pointer(t.at, format_left(&t));
}

/* Whether it is one is asked, not whether we can match it. */
static int regex(const char *text, size_t len)
{
    struct replica__pattern *p = NULL;
    int r = replica__pattern_compile(text, len, 0, &p, NULL);

    replica__pattern_free(p);
    if (r == REPLICA_ENOMEM)
        return r;
    return r == 0 || r == REPLICA_ENOTSUP;
}

static const struct {
    const char *name;
    int since; /* draft */
    replica__format_fn fn;
} formats[] = {
    { "date-time", 4, replica__format_date_time },
    { "email", 4, replica__format_email },
    { "hostname", 4, replica__format_hostname },
    { "ipv4", 4, replica__format_ipv4 },
    { "ipv6", 4, replica__format_ipv6 },
    { "uri", 4, replica__format_uri },
    { "date", 7, replica__format_date },
    { "time", 7, replica__format_time },
    { "idn-email", 7, replica__format_idn_email },
#ifdef REPLICA_HAVE_IDN2
    { "idn-hostname", 7, replica__format_idn_hostname },
#endif
    { "uri-reference", 7, replica__format_uri_reference },
    { "iri", 7, replica__format_iri },
    { "iri-reference", 7, replica__format_iri_reference },
    { "uri-template", 7, replica__format_uri_template },
    { "json-pointer", 7, json_pointer },
    { "relative-json-pointer", 7, relative_json_pointer },
    { "regex", 7, regex },
    { "duration", 2020, replica__format_duration },
    { "uuid", 2020, uuid },
};

replica__format_fn replica__format_find(const char *name, size_t len, int draft)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        if (strlen(formats[i].name) == len && memcmp(formats[i].name, name, len) == 0)
            return formats[i].since <= draft ? formats[i].fn : NULL;
    return NULL;
}

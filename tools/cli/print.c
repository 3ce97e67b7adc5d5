/* Standard output is for what was asked for, one JSON text per line; everything else goes to
 * standard error, and progress only to a terminal. */
#include "tools/cli/cli.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int cli_finish(int exit_code)
{
    cli_progress_end();
    if (fflush(stdout) != 0 || ferror(stdout)) {
        cli_complain("standard output cannot be written");
        return exit_code ? exit_code : CLI_STORAGE;
    }
    return exit_code;
}

/* In JSON a line break is white space between tokens: inside a string it is escaped. */
static void print_without_breaks(const char *json, size_t len)
{
    const char *end = json + len;

    while (json < end) {
        size_t run = 0;

        while (json + run < end && json[run] != '\n' && json[run] != '\r')
            run++;
        fwrite(json, 1, run, stdout);
        json += run;
        if (json < end) {
            putchar(' ');
            json++;
        }
    }
}

void cli_print_line(const char *json, size_t len)
{
    if (!memchr(json, '\n', len) && !memchr(json, '\r', len))
        fwrite(json, 1, len, stdout);
    else
        print_without_breaks(json, len);
    putchar('\n');
}

void cli_print_json(const char *json)
{
    print_without_breaks(json, strlen(json));
}

void cli_print_string(const char *text)
{
    REPLICA_BUF out = REPLICA_BUF_INIT;

    replica__buf_json_string(&out, text, strlen(text));
    fwrite(out.data ? out.data : "\"\"", 1, out.data ? out.len : 2, stdout);
}

void cli_print_member(const char *name, const char *text)
{
    printf(",\"%s\":", name);
    cli_print_string(text);
}

void cli_print_number(const char *name, int64_t number)
{
    printf(",\"%s\":%lld", name, (long long)number);
}

void cli_print_doc(const char *name, replica_doc *doc)
{
    size_t len = 0;
    const char *json = doc && !replica_doc_deleted(doc) ? replica_doc_json(doc, &len) : NULL;

    printf(",\"%s\":", name);
    if (json)
        print_without_breaks(json, len);
    else
        printf("null");
}

void cli_write_plain(FILE *to, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        unsigned char next = i + 1 < len ? (unsigned char)text[i + 1] : 0;

        if (c < 0x20 || c == 0x7f)
            fprintf(to, "\\u%04x", c);
        else if (c == 0xc2 && next >= 0x80 && next < 0xa0) /* U+0080 to U+009F */
            fprintf(to, "\\u%04x", (unsigned char)text[++i]);
        else
            putc(c, to);
    }
}

void cli_print_plain(const char *text, size_t len)
{
    cli_write_plain(stdout, text, len);
}

void cli_print_change(replica_doc *doc, bool with_doc)
{
    printf("{\"seq\":%lld", (long long)replica_doc_sequence(doc));
    cli_print_member("id", replica_doc_id(doc));
    cli_print_member("rev", replica_doc_rev(doc));
    printf(",\"deleted\":%s", replica_doc_deleted(doc) ? "true" : "false");
    if (with_doc)
        cli_print_doc("doc", doc);
    printf("}\n");
}

const char *cli_time(int64_t ms, char *room)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;

    if (!gmtime_r(&seconds, &tm) || strftime(room, CLI_TIME, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        strcpy(room, "?");
    return room;
}

/* ---- progress -------------------------------------------------------------------- */

static bool progress_shown;

void cli_progress(const char *format, ...)
{
    static int is_terminal = -1;
    va_list args;

    if (is_terminal < 0)
        is_terminal = isatty(STDERR_FILENO);
    if (!is_terminal)
        return;
    fputs("\r\033[K", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fflush(stderr);
    progress_shown = true;
}

void cli_progress_end(void)
{
    if (progress_shown)
        fputs("\r\033[K", stderr);
    progress_shown = false;
}

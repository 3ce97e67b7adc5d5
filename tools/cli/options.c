/* One table of options per command: parsed here, and printed here as its help.
 *
 * Options and arguments may stand in any order; "--" ends the options, and "-" is an argument. */
#include "tools/cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char *name = "";

void cli_name(const char *command)
{
    name = command;
}

/* A message may quote what another one wrote. */
static void __attribute__((format(printf, 1, 0))) write_message(const char *format, va_list args)
{
    va_list again;
    char *text;
    int len;

    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    text = len < 0 ? NULL : malloc((size_t)len + 1);
    if (text) {
        vsnprintf(text, (size_t)len + 1, format, args);
        cli_write_plain(stderr, text, (size_t)len);
    }
    free(text);
    fputc('\n', stderr);
}

void cli_complain(const char *format, ...)
{
    va_list args;

    cli_progress_end();
    fprintf(stderr, "replica%s%s: ", *name ? " " : "", name);
    va_start(args, format);
    write_message(format, args);
    va_end(args);
}

/* file:line: comes first, as compilers have it, so that editors find it. */
void cli_complain_at(const char *source, int64_t line, const char *format, ...)
{
    va_list args;

    cli_progress_end();
    if (line)
        fprintf(stderr, "%s:%lld: ", source, (long long)line);
    else
        fprintf(stderr, "replica %s: %s: ", name, source);
    va_start(args, format);
    write_message(format, args);
    va_end(args);
}

int cli_usage(const char *format, ...)
{
    va_list args;

    fprintf(stderr, "replica%s%s: ", *name ? " " : "", name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nTry: replica%s%s --help\n", *name ? " " : "", name);
    return CLI_USAGE;
}

#define COLUMNS 80 /* of a help text */

/* Print a piece of the synopsis, on a new line if this one is full. */
static int print_piece(int column, const char *piece)
{
    int width = (int)strlen(piece) + 1;

    if (column + width > COLUMNS)
        column = printf("\n       ") - 1;
    printf(" %s", piece);
    return column + width;
}

static void print_synopsis(const struct cli_command *command)
{
    int column = printf("usage: replica %s", name);
    char piece[128];

    for (const struct cli_option *o = command->options; o->name; o++) {
        snprintf(piece, sizeof(piece), "%s--%s%s%s%s", o->required ? "" : "[", o->name,
                 o->arg ? " " : "", o->arg ? o->arg : "", o->required ? "" : "]");
        column = print_piece(column, piece);
    }
    if (command->args)
        print_piece(column, command->args);
    putchar('\n');
}

static void print_help(const struct cli_command *command)
{
    print_synopsis(command);
    printf("\n%s\n\n", command->about);
    for (const struct cli_option *o = command->options; o->name; o++) {
        int width = printf("  --%s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");

        printf("%*s%s%s\n", width < 24 ? 24 - width : 1, "", o->help,
               o->kind == CLI_LIST ? "; may be repeated" : "");
    }
    printf("  --help                this text\n");
}

static const struct cli_option *find_option(const struct cli_command *command, const char *arg)
{
    size_t len = strcspn(arg, "=");

    for (const struct cli_option *o = command->options; o->name; o++)
        if (strlen(o->name) == len && memcmp(o->name, arg, len) == 0)
            return o;
    return NULL;
}

static bool parse_number(const char *value, int64_t *ret)
{
    char *end = NULL;

    errno = 0;
    long long n = strtoll(value, &end, 10);
    if (errno || end == value || *end || n < 0)
        return false;
    *ret = n;
    return true;
}

static int add_item(const struct cli_option *option, const char *value)
{
    struct cli_list *list = option->to;

    if (list->count == CLI_LIST_MAX)
        return cli_usage("--%s may be given %d times at most", option->name, CLI_LIST_MAX);
    list->items[list->count++] = value;
    return 0;
}

static int set_option(const struct cli_option *option, const char *value)
{
    switch (option->kind) {
    case CLI_FLAG:
        *(bool *)option->to = true;
        return 0;
    case CLI_TEXT:
        *(const char **)option->to = value;
        return 0;
    case CLI_NUMBER:
        if (!parse_number(value, option->to))
            return cli_usage("--%s takes a number, not '%s'", option->name, value);
        return 0;
    case CLI_LIST:
        return add_item(option, value);
    }
    return 0;
}

/* The option at argv[*i], with its value behind '=' or in the next argument, which *i then
 * passes. */
static int take_option(const struct cli_command *command, int argc, char **argv, int *i)
{
    const char *arg = argv[*i] + 2;
    const char *value = strchr(arg, '=');
    const struct cli_option *option = find_option(command, arg);

    if (!option)
        return cli_usage("there is no option '%.*s'", (int)strcspn(argv[*i], "="), argv[*i]);
    if (option->kind == CLI_FLAG && value)
        return cli_usage("--%s takes no value", option->name);
    if (option->kind != CLI_FLAG && !value) {
        if (*i + 1 >= argc)
            return cli_usage("--%s takes a value", option->name);
        value = argv[++*i];
    } else if (value) {
        value++;
    }
    return set_option(option, value);
}

static int check_required(const struct cli_command *command)
{
    for (const struct cli_option *o = command->options; o->name; o++) {
        if (!o->required)
            continue;
        if (o->kind == CLI_TEXT ? !*(const char **)o->to : !((struct cli_list *)o->to)->count)
            return cli_usage("--%s is missing", o->name);
    }
    return 0;
}

int cli_parse(const struct cli_command *command, int argc, char **argv, int *ret_exit)
{
    int count = 0;
    bool only_args = false;

    for (int i = 1; i < argc; i++) {
        if (!only_args && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            print_help(command);
            *ret_exit = cli_finish(CLI_OK);
            return -1;
        }
        if (!only_args && strcmp(argv[i], "--") == 0) {
            only_args = true;
        } else if (!only_args && strncmp(argv[i], "--", 2) == 0) {
            *ret_exit = take_option(command, argc, argv, &i);
            if (*ret_exit)
                return -1;
        } else if (!only_args && argv[i][0] == '-' && argv[i][1]) {
            *ret_exit = cli_usage("there is no option '%s' (an argument that starts with '-' "
                                  "comes behind '--')", argv[i]);
            return -1;
        } else {
            argv[++count] = argv[i];
        }
    }
    *ret_exit = check_required(command);
    if (*ret_exit == 0 && count < command->min)
        *ret_exit = cli_usage("an argument is missing: %s", command->args);
    else if (*ret_exit == 0 && count > command->max)
        *ret_exit = cli_usage("'%s' is one argument too many", argv[command->max + 1]);
    return *ret_exit ? -1 : count;
}

/* "retry 3": the word goes with a number, but for `alone`, which stands alone. */
int cli_entry(int count, char **argv, const char *alone, const char **ret_action,
              int64_t *ret_number)
{
    if (count > 0)
        *ret_action = argv[1];
    if (strcmp(*ret_action, alone) == 0)
        return count > 1 ? cli_usage("%s takes no number", alone) : 0;
    if (count < 2)
        return cli_usage("%s takes the number of an entry", *ret_action);
    if (!parse_number(argv[2], ret_number) || *ret_number == 0)
        return cli_usage("'%s' is no number of an entry", argv[2]);
    return 0;
}

int cli_numbers(int count, char **argv, const char **ret_action, int64_t *ret_numbers,
                size_t *ret_count)
{
    *ret_count = 0;
    if (count > 0)
        *ret_action = argv[1];
    for (int i = 2; i <= count; i++) {
        if (!parse_number(argv[i], &ret_numbers[*ret_count]) || ret_numbers[*ret_count] == 0)
            return cli_usage("'%s' is no number of an entry", argv[i]);
        ++*ret_count;
    }
    return 0;
}

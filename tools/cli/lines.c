/* Reading lines in blocks, and copying what cannot be read twice. */
#include "tools/cli/lines.h"
#include "tools/cli/cli.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static int copy(FILE *from, FILE *to)
{
    char block[65536];
    size_t n;

    while ((n = fread(block, 1, sizeof(block), from)) > 0)
        if (fwrite(block, 1, n, to) != n)
            return -1;
    return ferror(from) || fflush(to) != 0 ? -1 : 0;
}

/* Bad input must leave the database as it was, so it is looked at before the first write; a pipe
 * cannot be read twice. */
static int spool(struct lines *in)
{
    FILE *spooled = tmpfile();

    if (!spooled || copy(in->file, spooled) < 0) {
        cli_complain("%s: cannot be copied to a temporary file: %s", in->source, strerror(errno));
        if (spooled)
            fclose(spooled);
        return CLI_STORAGE;
    }
    if (in->file != stdin)
        fclose(in->file);
    in->file = spooled;
    return 0;
}

int lines_open(struct lines *in, const char *path, size_t max)
{
    bool is_stdin = !path || strcmp(path, "-") == 0;
    struct stat st;
    int r = 0;

    in->source = is_stdin ? "standard input" : path;
    in->max = max;
    in->file = is_stdin ? stdin : fopen(path, "rb");
    if (!in->file || fstat(fileno(in->file), &st) != 0 || S_ISDIR(st.st_mode)) {
        cli_complain("%s: %s", in->source, in->file ? "is a directory" : strerror(errno));
        return CLI_STORAGE;
    }
    /* Standard input may stand in the middle of a file, so it is copied even where it is one. */
    if (is_stdin || !S_ISREG(st.st_mode))
        r = spool(in);
    if (r == 0 && fstat(fileno(in->file), &st) == 0)
        in->bytes = st.st_size;
    lines_rewind(in);
    return r;
}

void lines_close(struct lines *in)
{
    if (in->file && in->file != stdin)
        fclose(in->file);
    in->file = NULL;
}

void lines_rewind(struct lines *in)
{
    rewind(in->file);
    in->number = 0;
    in->done = 0;
    in->at = 0;
    in->end = 0;
}

static int failed(const struct lines *in, int exit_code, const char *why)
{
    cli_complain_at(in->source, in->number, "%s", why);
    return -exit_code;
}

/* Append one line with its line feed, if it has one.  1; 0: there is no more. */
static int read_line(struct lines *in, struct replica__buf *text)
{
    size_t start = text->len;
    const char *feed = NULL;

    in->number++;
    while (!feed) {
        size_t n = in->end - in->at;

        if (n == 0) {
            in->at = 0;
            in->end = n = fread(in->block, 1, sizeof(in->block), in->file);
        }
        if (n == 0)
            break;
        feed = memchr(in->block + in->at, '\n', n);
        if (feed)
            n = (size_t)(feed - (in->block + in->at)) + 1;
        replica__buf_add(text, in->block + in->at, n);
        in->at += n;
        in->done += (int64_t)n;
        if (text->r < 0)
            return failed(in, CLI_STORAGE, "out of memory");
        if (text->len - start > in->max)
            return failed(in, CLI_INPUT, "the line is too long for a document");
    }
    if (ferror(in->file))
        return failed(in, CLI_STORAGE, strerror(errno));
    return text->len > start;
}

static bool is_blank(const char *text, size_t len)
{
    while (len > 0 && (*text == ' ' || *text == '\t' || *text == '\r' || *text == '\n')) {
        text++;
        len--;
    }
    return len == 0;
}

int lines_next(struct lines *in, struct replica__buf *text)
{
    size_t start = text->len;
    int r;

    while ((r = read_line(in, text)) > 0) {
        if (text->data[text->len - 1] == '\n')
            text->len--;
        if (!is_blank(text->data + start, text->len - start))
            return 1;
        text->len = start;
    }
    return r;
}

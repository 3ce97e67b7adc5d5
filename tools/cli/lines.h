/* Lines of a file, of any length up to a ceiling, from the start as often as one likes. */
#ifndef TOOLS_CLI_LINES_H
#define TOOLS_CLI_LINES_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdio.h>

struct lines {
    const char *source; /* what errors call it */
    FILE *file;
    int64_t number; /* of the last line read, from 1 */
    int64_t bytes;  /* of the whole input */
    int64_t done;   /* bytes read so far */
    size_t max;     /* bytes of a line */
    size_t at, end; /* what is left in block */
    char block[65536];
};

/* in: zeroed.  path NULL or "-": standard input.  What cannot be read twice is copied to a
 * temporary file first.  0, or an exit code; the complaint is made. */
int lines_open(struct lines *in, const char *path, size_t max);
void lines_close(struct lines *in);

/* Append the next line, without its line feed, to text, passing over those that are blank.  1; 0 at
 * the end; < 0: -exit code, the complaint is made. */
int lines_next(struct lines *in, struct replica__buf *text);
void lines_rewind(struct lines *in);

#endif

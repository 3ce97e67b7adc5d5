/* Temporary files.  Owns one folder per program, with one below it per test that asks; what it
 * hands out is kept in a list until the test ends.  It allocates with malloc itself: an armed fault
 * is meant for the code under test. */
#define _XOPEN_SOURCE 700 /* nftw */

#include "tests/support/tmp.h"

#include "tests/support/test.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct piece {
    struct piece *next;
    char text[];
};

static char base[256];
static const char *test_name;
static struct piece *pieces;

static char *keep(size_t size)
{
    struct piece *p = malloc(sizeof *p + size);

    if (!p)
        abort();
    p->next = pieces;
    pieces = p;
    return p->text;
}

int tmp_install(void)
{
    const char *folder = getenv("TMPDIR");

    snprintf(base, sizeof base, "%s/replica-test-XXXXXX", folder && *folder ? folder : "/tmp");
    return mkdtemp(base) ? 0 : -1;
}

void tmp_begin(const char *test)
{
    test_name = test;
}

void tmp_end(void)
{
    while (pieces) {
        struct piece *next = pieces->next;

        free(pieces);
        pieces = next;
    }
}

const char *tmp_path(const char *name)
{
    size_t size = sizeof base + strlen(test_name) + strlen(name) + 3;
    char *path = keep(size);

    snprintf(path, size, "%s/%s", base, test_name);
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        test_fail(__FILE__, __LINE__, "no folder %s", path);
    snprintf(path, size, "%s/%s/%s", base, test_name, name);
    return path;
}

const char *tmp_write(const char *name, const char *text, size_t len)
{
    const char *path = tmp_path(name);
    FILE *f = fopen(path, "wb");
    size_t done;

    if (!f)
        test_fail(__FILE__, __LINE__, "no file %s", path);
    if (len == REPLICA_NUL)
        len = strlen(text);
    done = fwrite(text, 1, len, f);
    if (fclose(f) != 0 || done != len)
        test_fail(__FILE__, __LINE__, "cannot write %s", path);
    return path;
}

char *tmp_read(const char *name, size_t *ret_len)
{
    const char *path = tmp_path(name);
    struct stat about;
    FILE *f = fopen(path, "rb");
    char *text;
    size_t len;

    if (!f)
        return NULL;
    if (fstat(fileno(f), &about) < 0)
        test_fail(__FILE__, __LINE__, "cannot read %s", path);
    text = keep((size_t)about.st_size + 1);
    len = fread(text, 1, (size_t)about.st_size, f);
    fclose(f);
    text[len] = '\0';
    if (ret_len)
        *ret_len = len;
    return text;
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *at)
{
    (void)about;
    (void)kind;
    (void)at;
    return remove(path);
}

void tmp_remove(void)
{
    nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

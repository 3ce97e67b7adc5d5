/* Backups: copies of database files, and what is put back. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <unistd.h>

static void copy_file(struct sim *sim, const char *from, const char *to)
{
    FILE *in = fopen(from, "rb"), *out;
    char room[8192];
    size_t n;

    unlink(to);
    if (!in)
        return; /* there is none, so there is none at the other place */
    out = fopen(to, "wb");
    if (!out)
        sim_fail(sim, "cannot write %s", to);
    while ((n = fread(room, 1, sizeof room, in)) > 0) {
        if (fwrite(room, 1, n, out) != n)
            sim_fail(sim, "cannot write %s", to);
    }
    fclose(in);
    if (fclose(out) != 0)
        sim_fail(sim, "cannot write %s", to);
}

void files_copy(struct sim *sim, const char *path, const char *from_suffix, const char *to_suffix)
{
    static const char *const parts[] = { "", "-wal", "-shm" };
    char from[300], to[300];

    for (int i = 0; i < 3; i++) {
        snprintf(from, sizeof from, "%s%s%s", path, from_suffix, parts[i]);
        snprintf(to, sizeof to, "%s%s%s", path, to_suffix, parts[i]);
        if (i < 2)
            copy_file(sim, from, to);
        else
            unlink(to); /* is made anew */
    }
}

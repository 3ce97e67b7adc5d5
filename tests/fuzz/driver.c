/* Runs a fuzzer as an ordinary test: each file of a corpus, then mutations of them.
 *
 *     fuzz_x FOLDER [ROUNDS [SEED]]    an empty or missing folder is a corpus of one empty text
 *
 * The mutations follow the seed alone, so that a failure comes back; it names its input by round
 * and leaves the bytes in fuzz_failed.bin of the working folder if the fuzzer aborts. */
#include "tests/support/clock.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES (64 * 1024)
#define MAX_FILES 2000
#define ROUNDS 20000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct input {
    uint8_t *data;
    size_t len;
};

static struct input corpus[MAX_FILES];
static int files;
static struct input current; /* for the report of a crash */

static void on_abort(int sig)
{
    FILE *f = fopen("fuzz_failed.bin", "wb");

    if (f) {
        fwrite(current.data, 1, current.len, f);
        fclose(f);
    }
    signal(sig, SIG_DFL);
    raise(sig);
}

static void load(const char *folder, const char *name)
{
    char path[4096];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, "rb");
    if (!f || files == MAX_FILES) {
        fprintf(stderr, "cannot take %s\n", path);
        exit(1);
    }
    corpus[files].data = malloc(MAX_BYTES);
    corpus[files].len = corpus[files].data ? fread(corpus[files].data, 1, MAX_BYTES, f) : 0;
    files++;
    fclose(f);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void load_corpus(const char *folder)
{
    struct dirent **names = NULL;
    int n = scandir(folder, &names, NULL, by_name);

    for (int i = 0; i < n; i++) {
        if (names[i]->d_name[0] != '.')
            load(folder, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    if (files == 0)
        corpus[files++] = (struct input){ malloc(1), 0 };
}

/* An own block of the exact size, so that reading one byte too far is seen. */
static void run(const uint8_t *data, size_t len)
{
    current.data = malloc(len ? len : 1);
    if (!current.data)
        exit(1);
    if (len)
        memcpy(current.data, data, len);
    current.len = len;
    LLVMFuzzerTestOneInput(current.data, len);
    free(current.data);
}

static size_t below(uint64_t *dice, size_t n)
{
    return n ? (size_t)(dice_roll(dice) % n) : 0;
}

/* One small change: a byte, a bit, a piece cut out, doubled, or taken from another input. */
static size_t mutate(uint8_t *text, size_t len, uint64_t *dice)
{
    static const char spicy[] = "{}[]\",:\\ue+-.0123456789\n\r\t \xff\xc3\xed\0data:id:";
    const struct input *other = &corpus[below(dice, (size_t)files)];
    size_t at = below(dice, len + 1);
    size_t n = 1 + below(dice, 8);

    switch (below(dice, 6)) {
    case 0:
        if (at < len)
            text[at] = (uint8_t)dice_roll(dice);
        return len;
    case 1:
        if (at < len)
            text[at] ^= (uint8_t)(1u << below(dice, 8));
        return len;
    case 2:
        if (at + n > len)
            return at;
        memmove(text + at, text + at + n, len - at - n);
        return len - n;
    case 3:
        if (at + n > len || len + n > MAX_BYTES)
            return len;
        memmove(text + at + n, text + at, len - at);
        return len + n;
    case 4:
        if (len == MAX_BYTES)
            return len;
        memmove(text + at + 1, text + at, len - at);
        text[at] = (uint8_t)spicy[below(dice, sizeof spicy - 1)];
        return len + 1;
    default:
        if (at + other->len > MAX_BYTES)
            return len;
        n = below(dice, other->len + 1);
        memcpy(text + at, other->data + other->len - n, n);
        return at + n > len ? at + n : len;
    }
}

int main(int argc, char **argv)
{
    static uint8_t text[MAX_BYTES];
    long rounds = argc > 2 ? atol(argv[2]) : ROUNDS;
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;

    if (argc < 2) {
        fprintf(stderr, "usage: %s FOLDER [ROUNDS [SEED]]\n", argv[0]);
        return 2;
    }
    signal(SIGABRT, on_abort);
    load_corpus(argv[1]);
    for (int i = 0; i < files; i++)
        run(corpus[i].data, corpus[i].len);
    for (long round = 0; round < rounds; round++) {
        uint64_t dice = seed * 1000003u + (uint64_t)round;
        const struct input *from = &corpus[below(&dice, (size_t)files)];
        size_t len = from->len;

        memcpy(text, from->data, len);
        for (size_t n = 1 + below(&dice, 4); n > 0; n--)
            len = mutate(text, len, &dice);
        run(text, len);
    }
    for (int i = 0; i < files; i++)
        free(corpus[i].data);
    printf("%d inputs, %ld mutations from seed %llu\n", files, rounds, (unsigned long long)seed);
    return 0;
}

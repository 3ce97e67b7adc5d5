/* JSONTestSuite, whole: y_ must be taken, n_ refused, and i_ only survived.
 *
 * Two files of y_ have duplicate names in one object, which RFC 8259 leaves open and we refuse on
 * purpose; they must be refused for that reason and no other. */
#include "tests/base/json_help.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_FILE (1 << 20)

static const char *folder(void)
{
    static char path[4096];
    const char *suites = getenv("REPLICA_SUITES");

    snprintf(path, sizeof(path), "%s/json-parsing/test_parsing", suites ? suites : REPLICA_SUITES);
    return path;
}

/* Into memory of its own size, so that a sanitizer sees a byte too many.  Yours to free(). */
static char *read_file(const char *name, size_t *ret_len)
{
    char path[8192];
    char *room = malloc(MAX_FILE);
    char *text;
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", folder(), name);
    f = fopen(path, "rb");
    CHECK(room && f);
    *ret_len = fread(room, 1, MAX_FILE, f);
    fclose(f);
    text = malloc(*ret_len + !*ret_len);
    CHECK(text != NULL);
    memcpy(text, room, *ret_len);
    free(room);
    return text;
}

/* Calls fn for each file whose name starts with kind; returns how many there were. */
static int each_file(char kind, void (*fn)(const char *name, int r))
{
    DIR *dir = opendir(folder());
    struct dirent *entry;
    int n = 0;

    if (!dir)
        test_skip("no JSONTestSuite in %s (REPLICA_SUITES says where else)", folder());
    while ((entry = readdir(dir))) {
        struct replica__json_limits limits = { .max_depth = 1000 };
        size_t len;
        char *text;
        int r;

        if (entry->d_name[0] != kind || entry->d_name[1] != '_')
            continue;
        text = read_file(entry->d_name, &len);
        memset(&test_err, 0, sizeof(test_err));
        r = replica__json_check(text, len, &limits, &test_err);
        CHECK(r == 0 || (test_err.offset >= 0 && (size_t)test_err.offset <= len));
        fn(entry->d_name, r);
        free(text);
        n++;
    }
    closedir(dir);
    return n;
}

static void must_be_taken(const char *name, int r)
{
    if (strncmp(name, "y_object_duplicated_key", 23) == 0) {
        CHECK_RC(r, REPLICA_EJSON);
        CHECK(strstr(test_err.message, "comes twice in one object") != NULL);
    } else if (r != 0) {
        test_fail(__FILE__, __LINE__, "%s: %s", name, test_err.message);
    }
}

static void must_be_refused(const char *name, int r)
{
    if (r != REPLICA_EJSON && r != REPLICA_ELIMIT)
        test_fail(__FILE__, __LINE__, "%s was taken", name);
}

static void must_be_survived(const char *name, int r)
{
    (void)name;
    CHECK(r == 0 || r == REPLICA_EJSON || r == REPLICA_ELIMIT);
}

TEST(what_must_be_taken_is_taken)
{
    CHECK(each_file('y', must_be_taken) >= 95);
}

TEST(what_must_be_refused_is_refused)
{
    CHECK(each_file('n', must_be_refused) >= 188);
}

TEST(what_is_left_open_is_survived)
{
    CHECK(each_file('i', must_be_survived) >= 35);
}

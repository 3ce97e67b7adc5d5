/* Simulated fleets, a story for each seed.
 *
 *     test_sim                 all seeds, and those of seeds.txt
 *     test_sim --part 2 4      the third quarter of them
 *     test_sim --seed 17       one story, in this process; REPLICA_SIM_TRACE=1 tells it
 *
 * REPLICA_SIM_SEEDS says how many there are in all.  A seed that failed once stands in seeds.txt
 * and runs for ever. */
#define _XOPEN_SOURCE 700 /* nftw */

#include "tests/sim/sim.h"
#include "tests/support/fault.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEEDS 1200
#define BLOCK 50     /* seeds for one line of the report */
#define DEADLINE_S 60 /* for one story */

static char base[100];

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *at)
{
    (void)about;
    (void)kind;
    (void)at;
    return remove(path);
}

static void empty_base(void)
{
    nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* In memory where the system has such a folder. */
static int make_base(void)
{
    const char *folder = getenv("TMPDIR");

    if (!folder || !*folder)
        folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(base, sizeof base, "%.60s/replica-sim-XXXXXX", folder);
    return mkdtemp(base) ? 0 : -1;
}

static void play(uint64_t seed)
{
    const char *trace = getenv("REPLICA_SIM_TRACE");
    char folder[120];

    snprintf(folder, sizeof folder, "%s/%llu", base, (unsigned long long)seed);
    if (mkdir(folder, 0700) < 0) {
        printf("# no folder %s\n", folder);
        _exit(1);
    }
    sim_play(seed, folder, trace && *trace == '1');
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* In a process of its own, which may crash or hang. */
static bool holds(uint64_t seed)
{
    int status = 0;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        alarm(DEADLINE_S);
        play(seed);
        fflush(stdout);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return false;
    if (WIFSIGNALED(status))
        printf("# seed %llu: ended by signal %d\n", (unsigned long long)seed, WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int report(int n, const uint64_t *seeds, size_t count, const char *what)
{
    bool good = true;

    for (size_t i = 0; i < count; i++) {
        if (holds(seeds[i]))
            continue;
        printf("# run it alone: REPLICA_SIM_TRACE=1 test_sim --seed %llu\n",
               (unsigned long long)seeds[i]);
        good = false;
    }
    printf("%s %d - %s\n", good ? "ok" : "not ok", n, what);
    return !good;
}

/* Seeds that failed once. */
static size_t read_known(const char *path, uint64_t *seeds, size_t room)
{
    FILE *f = fopen(path, "r");
    char line[200];
    size_t n = 0;

    while (f && n < room && fgets(line, sizeof line, f)) {
        if (line[0] >= '0' && line[0] <= '9')
            seeds[n++] = strtoull(line, NULL, 10);
    }
    if (f)
        fclose(f);
    return n;
}

static int run_part(uint64_t part, uint64_t parts)
{
    const char *wanted = getenv("REPLICA_SIM_SEEDS");
    uint64_t total = wanted && *wanted ? strtoull(wanted, NULL, 10) : SEEDS;
    uint64_t to = total * (part + 1) / parts;
    uint64_t seeds[1000];
    int failed = 0, n = 0;

    if (part == 0)
        failed += report(++n, seeds, read_known(SIM_SEEDS, seeds, 1000), "seeds that failed once");
    for (uint64_t from = total * part / parts; from < to; from += BLOCK) {
        char what[60];
        size_t count = 0;

        while (count < BLOCK && from + count < to) {
            seeds[count] = from + count;
            count++;
        }
        snprintf(what, sizeof what, "seeds %llu to %llu", (unsigned long long)from,
                 (unsigned long long)(from + count - 1));
        failed += report(++n, seeds, count, what);
    }
    printf("1..%d\n", n);
    return failed != 0;
}

int main(int argc, char **argv)
{
    int result = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (fault_io_install() < 0 || make_base() < 0) {
        printf("Bail out! no folder for temporary files, or SQLite is already in use\n");
        return 1;
    }
    if (argc == 3 && strcmp(argv[1], "--seed") == 0)
        play(strtoull(argv[2], NULL, 10));
    else if (argc == 4 && strcmp(argv[1], "--part") == 0)
        result = run_part(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    else
        result = run_part(0, 1);
    empty_base();
    return result;
}

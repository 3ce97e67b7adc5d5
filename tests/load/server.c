#include "tests/load/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void path_of(const struct load_server *s, const char *end, char *out, size_t room)
{
    snprintf(out, room, "%s/server.db%s", s->folder, end);
}

static void become_server(const struct load_server *s, const char *replica, int out)
{
    char db[256];

    path_of(s, "", db, sizeof(db));
    dup2(out, STDOUT_FILENO);
    execl(replica, replica, "serve", "--db", db, "--listen", "127.0.0.1:0", (char *)NULL);
    perror(replica);
    _exit(99);
}

static bool read_port(struct load_server *s, int in)
{
    FILE *lines = fdopen(in, "r");
    bool got = lines && fscanf(lines, "listening http://127.0.0.1:%d", &s->port) == 1;

    if (lines)
        fclose(lines);
    return got;
}

bool load_server_start(struct load_server *s, const char *replica)
{
    const char *tmp = getenv("TMPDIR");
    int ends[2];

    snprintf(s->folder, sizeof(s->folder), "%s/replica-load-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(s->folder) || pipe(ends) < 0)
        return false;
    s->pid = fork();
    if (s->pid == 0)
        become_server(s, replica, ends[1]);
    close(ends[1]);
    if (s->pid < 0)
        return false;
    return read_port(s, ends[0]);
}

int load_server_connect(const struct load_server *s)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)s->port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

long load_server_rss_kb(const struct load_server *s)
{
    char path[64], line[256];
    long kb = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)s->pid);
    f = fopen(path, "r");
    while (f && kb == 0 && fgets(line, sizeof(line), f))
        if (strncmp(line, "VmRSS:", 6) == 0)
            kb = strtol(line + 6, NULL, 10);
    if (f)
        fclose(f);
    return kb;
}

long long load_server_waited_us(pid_t pid)
{
    long long ran = 0, waited = 0;
    char path[64];
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
    f = fopen(path, "r");
    if (f && fscanf(f, "%lld %lld", &ran, &waited) != 2)
        waited = 0;
    if (f)
        fclose(f);
    return waited / 1000;
}

bool load_server_stop(struct load_server *s)
{
    static const char *const ends[] = { "", "-wal", "-shm", "-lock", "-locks" };
    char path[256];
    int status = -1;

    kill(s->pid, SIGTERM);
    while (waitpid(s->pid, &status, 0) < 0 && errno == EINTR)
        ;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        path_of(s, ends[i], path, sizeof(path));
        unlink(path);
    }
    rmdir(s->folder);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The server that is put under load: a process of its own, on a database that is deleted. */
#ifndef TESTS_LOAD_SERVER_H
#define TESTS_LOAD_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

struct load_server {
    pid_t pid;
    int port;
    char folder[200];
};

/* false: errno says why. */
bool load_server_start(struct load_server *s, const char *replica);
/* A connection that does not block; -1: errno says why. */
int load_server_connect(const struct load_server *s);
long load_server_rss_kb(const struct load_server *s);
/* How long the process was ready to run and did not; 0 where the kernel does not tell. */
long long load_server_waited_us(pid_t pid);
/* Did it end without an error? */
bool load_server_stop(struct load_server *s);

#endif

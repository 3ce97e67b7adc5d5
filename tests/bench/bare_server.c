/* The bare server: libmicrohttpd on one thread and one table.
 *
 *     GET  /pull?after=N&limit=M  -> [{...},{...}], header Last: <sequence number>
 *     POST /push [{...},{...}]    -> []                                              */
#include "tests/bench/bare.h"

#include "base/alloc.h"
#include "tests/bench/bench.h"

#include <microhttpd.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum MHD_Result answer(struct MHD_Connection *c, struct replica__buf *body, int64_t last)
{
    size_t len = 0;
    char *text = replica__buf_take(body, &len);
    struct MHD_Response *response;
    enum MHD_Result result;
    char number[32];

    response = MHD_create_response_from_buffer_with_free_callback(len, text, replica__free);
    snprintf(number, sizeof number, "%lld", (long long)last);
    MHD_add_response_header(response, "Last", number);
    MHD_add_response_header(response, "Content-Type", "application/json");
    result = MHD_queue_response(c, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

static int64_t number_of(struct MHD_Connection *c, const char *name)
{
    const char *value = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, name);

    return value ? strtoll(value, NULL, 10) : 0;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state)
{
    struct bare_table *table = ctx;
    struct replica__buf *body = *state;
    REPLICA_BUF out = REPLICA_BUF_INIT;
    int count;

    if (strcmp(method, "GET") == 0) {
        int64_t last = bare_page(table, number_of(c, "after"), (int)number_of(c, "limit"), &out,
                                 &count);

        return answer(c, &out, last);
    }
    if (!body) {
        *state = replica__alloc_zero(1, sizeof *body);
        return MHD_YES;
    }
    if (*upload_size) {
        replica__buf_add(body, upload, *upload_size);
        *upload_size = 0;
        return MHD_YES;
    }
    bare_take_page(table, body->data, body->len);
    replica__buf_str(&out, "[]");
    return answer(c, &out, table->seq);
}

static void on_done(void *ctx, struct MHD_Connection *c, void **state,
                    enum MHD_RequestTerminationCode why)
{
    struct replica__buf *body = *state;

    if (body)
        replica__buf_free(body);
    replica__free(body);
}

int bare_serve(const char *path)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    struct bare_table table;
    struct MHD_Daemon *daemon;
    sigset_t signals;
    int got;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    bare_open(&table, path, false);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, &table,
                              MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_NOTIFY_COMPLETED, on_done,
                              NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)32 * 1024,
                              MHD_OPTION_END);
    if (!daemon)
        bench_fail("bare: libmicrohttpd does not start");
    printf("listening http://127.0.0.1:%d\n",
           (int)MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    sigwait(&signals, &got);
    MHD_stop_daemon(daemon);
    bare_close(&table);
    return 0;
}

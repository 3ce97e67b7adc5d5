/* The answering functions of remote.h, for tests of remotes without a session. */
#include "tests/http/recorder.h"

#include "base/os.h"
#include "tests/support/test.h"

#include <inttypes.h>
#include <poll.h>

enum { PATIENCE_MS = 10000 };

static void answered(replica_call *call, bool ends)
{
    CHECK(!call->ended);
    if (ends) {
        call->ended = true;
        call->answers++;
    }
    if (call->then)
        call->then(call);
}

static const char *shown(const char *s)
{
    return s ? s : "-";
}

static void log_doc(struct replica__buf *log, const replica_remote_doc *d)
{
    replica__buf_printf(log, " [%s %" PRId64 "%s%s ", shown(d->collection), d->sequence,
                        d->deleted ? " deleted" : "",
                        d->gone == REPLICA_GONE_VIEW ? " revoked" : d->gone ? " left" : "");
    replica__buf_add(log, d->json, d->len);
    replica__buf_str(log, "]");
}

static void log_page(struct replica__buf *log, const replica_remote_page *p)
{
    for (size_t i = 0; i < p->count; i++)
        log_doc(log, &p->docs[i]);
    replica__buf_printf(log, " checkpoint %s follows %s%s\n", shown(p->checkpoint),
                        shown(p->follows), p->at_head ? " at head" : "");
}

void replica_call_rules(replica_call *call, const char *collection, const char *json, size_t len)
{
    replica__buf_printf(&call->log, "rules %s ", collection);
    replica__buf_add(&call->log, json, len);
    replica__buf_str(&call->log, "\n");
}

void replica_call_hello(replica_call *call, unsigned features)
{
    replica__buf_printf(&call->log, "hello %02x\n", features);
    answered(call, true);
}

void replica_call_page(replica_call *call, const replica_remote_page *page)
{
    replica__buf_str(&call->log, "page");
    log_page(&call->log, page);
    answered(call, true);
}

void replica_call_verdicts(replica_call *call, const replica_remote_verdicts *answer)
{
    replica__buf_str(&call->log, "verdicts");
    for (size_t i = 0; i < answer->count; i++) {
        replica__buf_printf(&call->log, " %d", answer->verdicts[i].verdict);
        if (answer->verdicts[i].verdict == REPLICA_VERDICT_CONFLICT)
            log_doc(&call->log, &answer->verdicts[i].real);
    }
    replica__buf_str(&call->log, "\n");
    answered(call, true);
}

void replica_call_open(replica_call *call)
{
    replica__buf_str(&call->log, "open\n");
    answered(call, false);
}

void replica_call_event(replica_call *call, const replica_remote_page *page)
{
    call->events++;
    replica__buf_str(&call->log, "event");
    log_page(&call->log, page);
    answered(call, false);
}

void replica_call_resync(replica_call *call)
{
    replica__buf_str(&call->log, "resync\n");
    answered(call, false);
}

void replica_call_alive(replica_call *call)
{
    CHECK(!call->ended);
    call->comments++;
}

void replica_call_answer(replica_call *call, const char *json, size_t len)
{
    replica__buf_printf(&call->log, "answer %.*s\n", (int)len, json);
    answered(call, true);
}

void replica_call_told(replica_call *call, const char *what, const char *json, size_t len)
{
    replica__buf_printf(&call->log, "told %s %.*s\n", what, (int)len, json);
    answered(call, false);
}

void replica_call_fail(replica_call *call, const replica_error *error, int64_t retry_ms)
{
    call->error = *error;
    call->retry_ms = retry_ms;
    replica__buf_printf(&call->log, "fail %s %d\n", replica_error_name(error->code), error->detail);
    answered(call, true);
}

void replica_call_lost(replica_call *call, const char *incarnation, int64_t common)
{
    replica__buf_printf(&call->log, "lost '%s' %" PRId64 "\n", incarnation, common);
    answered(call, true);
}

void replica_call_reconcile(replica_call *call, const char *why)
{
    replica__buf_printf(&call->log, "reconcile %s\n", why);
    answered(call, true);
}

const char *recorder_log(replica_call *call)
{
    return call->log.data ? call->log.data : "";
}

void recorder_free(replica_call *call)
{
    replica__buf_free(&call->log);
}

/* What a runner does between two works. */
static void wait_and_work(const replica_remote *remote, int64_t until_us)
{
    struct pollfd fd = { remote->fd(remote->ctx), POLLIN, 0 };
    int64_t left = (until_us - replica__os_monotonic_us()) / 1000;
    int timeout = remote->timeout(remote->ctx);

    poll(&fd, 1, timeout >= 0 && timeout < left ? timeout : (int)left);
    remote->work(remote->ctx);
}

void recorder_wait_text(const replica_remote *remote, replica_call *call, const char *text)
{
    int64_t until = replica__os_monotonic_us() + PATIENCE_MS * 1000;

    while (text ? !strstr(recorder_log(call), text) : !call->ended) {
        if (replica__os_monotonic_us() >= until)
            test_fail(__FILE__, __LINE__, "waited in vain for %s; there is: %s",
                      text ? text : "an answer", recorder_log(call));
        wait_and_work(remote, until);
    }
}

void recorder_wait(const replica_remote *remote, replica_call *call)
{
    recorder_wait_text(remote, call, NULL);
}

void recorder_settle(const replica_remote *remote)
{
    for (int i = 0; i < 1000 && remote->timeout(remote->ctx) == 0; i++)
        remote->work(remote->ctx);
}

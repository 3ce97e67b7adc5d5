/* One document by its path, with any allocation failing: what is stored is as it was, or as it
 * should be, and the answer says which. */
#include "tests/server/office.h"
#include "tests/support/fault.h"
#include "tests/support/test.h"

#include <string.h>

#define A "/_replica/1/doc/notes/0/a"
#define A1 "{\"id\":\"a\",\"n\":1}"
#define A2 "{\"id\":\"a\",\"n\":2}"

struct question {
    const char *method, *body, *if_match, *if_none_match;
    int status;       /* of the answer, if nothing fails */
    const char *then; /* what is stored then; NULL: nothing */
};

static const char *stored(struct office *o)
{
    static char room[100];
    const struct replica__request get = { .method = "GET", .path = A };
    struct replica__reply reply;

    replica__service_answer(o->service, &get, &reply);
    strcpy(room, reply.status == 200 ? reply.body.data : "");
    replica__reply_free(&reply);
    return *room ? room : NULL;
}

static bool ask_failing(struct office *o, const struct question *q, int nth)
{
    const struct replica__request request = { .method = q->method,
                                              .path = A,
                                              .if_match = q->if_match,
                                              .if_none_match = q->if_none_match,
                                              .body = q->body ? q->body : "",
                                              .body_len = q->body ? strlen(q->body) : 0 };
    struct replica__reply reply;
    bool failed;

    fault_alloc(nth);
    replica__service_answer(o->service, &request, &reply);
    failed = fault_stop();
    CHECK(reply.status == q->status || (failed && (reply.status == 503 || reply.status == 500)));
    replica__reply_free(&reply);
    return failed;
}

LONG_TEST(a_failed_allocation_leaves_the_document_as_it_was_or_as_it_should_be)
{
    static const struct question questions[] = {
        { "GET", NULL, NULL, NULL, 200, A1 },
        { "GET", NULL, NULL, "*", 304, A1 },
        { "PUT", A2, NULL, NULL, 200, A2 },
        { "PUT", A2, "\"1-x.1\"", NULL, 412, A1 },
        { "PUT", A2, NULL, "*", 412, A1 },
        { "PATCH", "{\"n\":2}", "*", NULL, 200, A2 },
        { "DELETE", NULL, "*", NULL, 204, NULL },
        { "PUT", "{", NULL, NULL, 422, A1 },
    };

    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        bool failed = true;

        for (int nth = 0; failed; nth++) {
            OFFICE o = office_open(NULL, NULL);
            const char *now;

            ask_failing(o, &(struct question){ "PUT", A1, NULL, NULL, 201, A1 }, 1000000);
            failed = ask_failing(o, &questions[i], nth);
            now = stored(o);
            if (!failed)
                CHECK_STR(now, questions[i].then);
            else if (!now || strcmp(now, A1) != 0)
                CHECK_STR(now, questions[i].then);
        }
    }
}

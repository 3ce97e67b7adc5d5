#include "tools/cli/ask.h"

#include "base/json.h"
#include "tools/cli/token.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define TYPE "application/vnd.libreplica+json"
/* A list of locks has no end; this is enough for a hundred thousand. */
#define MAX_ANSWER ((size_t)16 * 1024 * 1024)
#define TIMEOUT_S 30L

int cli_server_open(struct cli_server *server, const char *url, const char *token_file)
{
    server->token_file = token_file;
    return endpoint_parse(url, &server->endpoint);
}

void cli_server_close(struct cli_server *server)
{
    endpoint_free(&server->endpoint);
}

/* The endpoint's URL, less its last two segments. */
static void add_base(const char *url, struct replica__buf *out)
{
    const char *end = url + strlen(url);

    for (int i = 0; i < 2; i++)
        while (*--end != '/')
            ;
    replica__buf_add(out, url, (size_t)(end - url));
}

static size_t take(char *bytes, size_t size, size_t n, void *ctx)
{
    struct replica__buf *answer = ctx;

    replica__buf_add(answer, bytes, size * n);
    return answer->r < 0 ? 0 : size * n;
}

static int add_token(const char *file, struct curl_slist **headers)
{
    char token[CLI_TOKEN_MAX], line[CLI_TOKEN_MAX + 32];
    struct cli_token from;
    int r = cli_token_open(&from, file);

    if (r)
        return r;
    if (cli_token_take(&from, token, sizeof(token)) < 0)
        return CLI_CREDENTIALS;
    snprintf(line, sizeof(line), "Authorization: Bearer %s", token);
    *headers = curl_slist_append(*headers, line);
    return 0;
}

/* What the status says, before the body. */
static int judge(long status, const char *shown, const struct replica__buf *answer)
{
    struct replica__json_value v = { REPLICA_JSON_NONE, { "", 0 } };

    if (answer->len > 0 && replica__json_check(answer->data, answer->len, NULL, NULL) == 0)
        v = replica__json_value(answer->data, answer->len);
    if (status == 200 && v.type == REPLICA_JSON_OBJECT)
        return 0;
    if (v.type == REPLICA_JSON_OBJECT)
        v = replica__json_member(v, "message", 7);
    cli_complain("%s: %ld: %.*s", shown, status, (int)(v.text.len < 200 ? v.text.len : 200),
                 v.text.len ? v.text.data : "no answer of a server of this kind");
    return status == 401 ? CLI_CREDENTIALS : status == 426 ? CLI_VERSION : CLI_REFUSED;
}

static int perform(CURL *curl, const char *url, struct curl_slist *headers,
                   const struct replica__buf *json, struct replica__buf *answer)
{
    REPLICA_BUF shown = REPLICA_BUF_INIT;
    long status = 0;
    CURLcode code;

    endpoint_show(url, &shown);
    if (shown.r < 0)
        return cli_failed(&(replica_error){ .code = REPLICA_ENOMEM });
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)json->len);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json->data);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    code = curl_easy_perform(curl);
    if (code != CURLE_OK) {
        cli_complain("%s: %s", shown.data, curl_easy_strerror(code));
        return answer->r == REPLICA_ENOMEM ? CLI_STORAGE : CLI_UNREACHED;
    }
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    return judge(status, shown.data, answer);
}

int cli_ask(const struct cli_server *server, const char *what, const struct replica__buf *json,
            struct replica__buf *ret_answer)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: " TYPE);
    REPLICA_BUF url = REPLICA_BUF_INIT;
    CURL *curl = curl_easy_init();
    int r = 0;

    replica__buf_clear(ret_answer);
    ret_answer->max = MAX_ANSWER;
    add_base(server->endpoint.url, &url);
    replica__buf_printf(&url, "/_replica/1/%s", what);
    headers = curl_slist_append(headers, "Accept: " TYPE);
    if (server->token_file)
        r = add_token(server->token_file, &headers);
    if (r == 0 && (!curl || !headers || url.r < 0 || json->r < 0))
        r = cli_failed(&(replica_error){ .code = REPLICA_ENOMEM });
    if (r == 0)
        r = perform(curl, url.data, headers, json, ret_answer);
    curl_easy_cleanup(curl);
    curl_slist_free_all(headers);
    return r;
}

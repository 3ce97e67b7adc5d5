/* An endpoint's URL as RxDB has it: http://host:port/{collection}/{schema version}. */
#ifndef TOOLS_CLI_ENDPOINT_H
#define TOOLS_CLI_ENDPOINT_H

struct endpoint {
    char *url;        /* without a slash at the end */
    char *collection;
    int version;
};

/* 0, or an exit code; the complaint is made. */
int endpoint_parse(const char *url, struct endpoint *ret_endpoint);
void endpoint_free(struct endpoint *endpoint);

#endif

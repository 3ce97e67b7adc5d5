/* Keys and signed tokens, for scripts.
 *
 *     sign_token key ALG KID            a new key: its private part, its public part and its PEM,
 *                                       a line of JSON each (of HS256 the secret in place of PEM)
 *     sign_token sign ALG JWK CLAIMS    a token */
#include "tests/support/signer.h"
#include "tests/support/test.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* In place of the harness, which has a main() of its own. */
void test_fail(const char *file, int line, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%s:%d: ", file, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "key") == 0) {
        SIGNER s = signer_open(argv[2], argv[3]);
        bool is_secret = strcmp(argv[2], "HS256") == 0;

        printf("%s\n%s\n%s", signer_private(s), signer_public(s),
               is_secret ? SIGNER_SECRET "\n" : signer_pem(s));
    } else if (argc == 5 && strcmp(argv[1], "sign") == 0) {
        SIGNER s = signer_of_private(argv[3], argv[2]);

        puts(signer_token(s, argv[4]));
    } else {
        fprintf(stderr, "sign_token key ALG KID | sign ALG JWK CLAIMS\n");
        return 2;
    }
    return 0;
}

#include "tools/server/base64url.h"

static int sextet(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '-'             ? 62
           : c == '_'             ? 63
                                  : -1;
}

bool replica__base64url_decode(const char *text, size_t len, struct replica__buf *out)
{
    unsigned bits = 0;
    int count = 0;

    for (size_t i = 0; i < len; i++) {
        int six = sextet(text[i]);

        if (six < 0)
            return false;
        bits = (bits << 6 | (unsigned)six) & 0xFFFF;
        count += 6;
        if (count >= 8) {
            count -= 8;
            replica__buf_char(out, (char)(bits >> count & 0xFF));
        }
    }
    return count < 6 && (bits & ((1u << count) - 1)) == 0 && out->r == 0;
}

/* Bytes as text, the way signed tokens and their keys have them. */
#ifndef SERVER_BASE64URL_H
#define SERVER_BASE64URL_H

#include "base/buf.h"

#include <stdbool.h>

/* Append what it stands for.  false: it is none; strictly, unpadded and with no bit in it that is
 * not used, so that no other text stands for the same (RFC 4648, 3.5); or out->r tells why. */
bool replica__base64url_decode(const char *text, size_t len, struct replica__buf *out);

#endif

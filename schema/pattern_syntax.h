/* The words of an ECMA-262 expression, said in PCRE2's.  Private to the pattern files. */
#ifndef SCHEMA_PATTERN_SYNTAX_H
#define SCHEMA_PATTERN_SYNTAX_H

#include "base/buf.h"
#include "libreplica/libreplica.h"

#include <stdbool.h>

/* Append what text means to out, to be compiled with PCRE2_UTF, PCRE2_DOTALL,
 * PCRE2_DOLLAR_ENDONLY and PCRE2_MATCH_UNSET_BACKREF.  flags: REPLICA__PATTERN_...  REPLICA_EINVAL
 * (offset), REPLICA_ELIMIT; out->r tells of the rest. */
int replica__pattern_translate(const char *text, size_t len, unsigned flags,
                               struct replica__buf *out, replica_error *err);

/* Append the property that \p{text} names, or its complement.  folded: letters are the same in both
 * cases.  false: there is none of that name. */
bool replica__pattern_property(const char *text, size_t len, bool complement, bool folded,
                               struct replica__buf *out);

#endif

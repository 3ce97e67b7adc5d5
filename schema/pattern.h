/* Regular expressions as ECMA-262 has them (with the u flag), on PCRE2.
 *
 * Compiled once; may be used from any thread.  No pattern can hang the program: matching has limits
 * on steps, depth and memory, and answers REPLICA_ELIMIT beyond them. */
#ifndef SCHEMA_PATTERN_H
#define SCHEMA_PATTERN_H

#include "libreplica/libreplica.h"

#include <stdbool.h>

struct replica__pattern;

#define REPLICA__PATTERN_IGNORE_CASE (1u << 0) /* i */
#define REPLICA__PATTERN_MULTILINE   (1u << 1) /* m */
#define REPLICA__PATTERN_DOT_ALL     (1u << 2) /* s */

/* The flags that letters name ("im"; u and g change nothing); REPLICA_EINVAL for another letter. */
int replica__pattern_flags(const char *letters, size_t len, unsigned *ret_flags,
                           replica_error *err);
/* text: UTF-8 (a lone surrogate, three bytes, matches as U+FFFD).  REPLICA_EINVAL: it is no
 * regular expression; offset says where in it.  REPLICA_ENOTSUP: one that PCRE2 cannot do, a
 * lookbehind of no fixed length.  REPLICA_ELIMIT: too large. */
int replica__pattern_compile(const char *text, size_t len, unsigned flags,
                             struct replica__pattern **ret_pattern, replica_error *err);
/* Is there a match anywhere?  1, 0, REPLICA_ELIMIT, REPLICA_ENOMEM.  subject may contain NULs. */
int replica__pattern_match(const struct replica__pattern *pattern, const char *subject, size_t len);
/* The same in about so many steps, however long the text is. */
int replica__pattern_match_within(const struct replica__pattern *pattern, const char *subject,
                                  size_t len, size_t steps);
void replica__pattern_free(struct replica__pattern *pattern); /* NULL is fine */

#endif

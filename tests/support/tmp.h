/* A folder for each test, made when it is first asked for and removed at the program's end. */
#ifndef TESTS_SUPPORT_TMP_H
#define TESTS_SUPPORT_TMP_H

#include <stddef.h>

/* The path of name in this test's folder; valid until the test ends. */
const char *tmp_path(const char *name);
/* Write a whole file there; gives its path.  len may be REPLICA_NUL. */
const char *tmp_write(const char *name, const char *text, size_t len);
/* Read a whole file from there; the text has a NUL behind it and is valid until the test ends.
 * NULL: there is no such file. */
char *tmp_read(const char *name, size_t *ret_len);

/* For the harness. */
int tmp_install(void);
void tmp_begin(const char *test);
void tmp_end(void);
void tmp_remove(void);

#endif

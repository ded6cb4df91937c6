/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef LUJIAN_BASE_UTF8_H
#define LUJIAN_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Well-formed all through? NUL is a character like others here: see utf8_has_nul. */
bool utf8_check(const void *bytes, size_t length);
/* A NUL among the bytes? C strings and PostgreSQL texts cannot hold one. */
bool utf8_has_nul(const void *bytes, size_t length);
/* The first character: its length in bytes, 1 to 4, or 0 when there is none or it is malformed. */
size_t utf8_decode(const char *text, size_t length, uint32_t *ret_code);

#endif

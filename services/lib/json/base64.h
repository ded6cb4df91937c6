/* Base64 of RFC 4648, section 4: padded, without line breaks. */
#ifndef LUJIAN_JSON_BASE64_H
#define LUJIAN_JSON_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Strict; `out` may be the text's own memory. */
bool base64_decode(const char *text, size_t length, uint8_t *out, size_t *ret_size);
void base64_add(struct buf *out, const uint8_t *data, size_t size);

#endif

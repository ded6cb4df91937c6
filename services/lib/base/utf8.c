/* UTF-8 checked and decoded strictly (RFC 3629, section 4). */
#include "base/utf8.h"

#include <string.h>

size_t utf8_decode(const char *text, size_t length, uint32_t *ret_code)
{
    const uint8_t *p = (const uint8_t *)text;
    if (length == 0)
        return 0;
    uint8_t first = p[0];
    if (first < 0x80) {
        *ret_code = first;
        return 1;
    }

    size_t size;
    uint32_t code, code_min;
    if (first >= 0xc2 && first <= 0xdf) {
        size = 2;
        code = first & 0x1f;
        code_min = 0x80;
    } else if ((first & 0xf0) == 0xe0) {
        size = 3;
        code = first & 0x0f;
        code_min = 0x800;
    } else if (first >= 0xf0 && first <= 0xf4) {
        size = 4;
        code = first & 0x07;
        code_min = 0x10000;
    } else {
        return 0;
    }
    if (length < size)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    if (code < code_min || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    *ret_code = code;
    return size;
}

/* How many bytes of three-byte characters stand first, most of what Chinese is written with: no
 * overlong forms (from E0) and no surrogates (from ED), which are left to utf8_decode. */
static size_t three_byte_run(const uint8_t *p, size_t length)
{
    size_t at = 0;
    while (at + 3 <= length && (p[at] & 0xf0) == 0xe0 && p[at] != 0xe0 && p[at] != 0xed &&
           (p[at + 1] & 0xc0) == 0x80 && (p[at + 2] & 0xc0) == 0x80)
        at += 3;
    return at;
}

bool utf8_check(const void *bytes, size_t length)
{
    const char *p = bytes;
    for (size_t at = 0; at < length;) {
        /* Eight ASCII bytes at a time: most of what comes in. */
        uint64_t word;
        if (length - at >= sizeof(word)) {
            memcpy(&word, p + at, sizeof(word));
            if (!(word & UINT64_C(0x8080808080808080))) {
                at += sizeof(word);
                continue;
            }
        }
        uint32_t code;
        size_t used = three_byte_run((const uint8_t *)p + at, length - at);
        if (!used)
            used = utf8_decode(p + at, length - at, &code);
        if (!used)
            return false;
        at += used;
    }
    return true;
}

bool utf8_has_nul(const void *bytes, size_t length)
{
    return length > 0 && memchr(bytes, '\0', length);
}

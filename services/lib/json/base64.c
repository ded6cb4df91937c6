/* Base64, padded; what has two encodings (stray bits before the padding) is refused. */
#include "json/base64.h"

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(const char *text, size_t length, uint8_t *out, size_t *ret_size)
{
    if (length % 4 != 0)
        return false;
    size_t padding = 0;
    while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
        padding++;

    size_t size = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < length - padding; i++) {
        int value = value_of(text[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 0)
            out[size++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    uint32_t stray = padding == 2 ? 0xf : padding == 1 ? 0x3 : 0;
    if (bits & stray)
        return false;
    *ret_size = size;
    return true;
}

void base64_add(struct buf *out, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t bits = (uint32_t)data[i] << 16;
        if (left > 1)
            bits |= (uint32_t)data[i + 1] << 8;
        if (left > 2)
            bits |= data[i + 2];
        char group[4] = { DIGITS[bits >> 18], DIGITS[bits >> 12 & 63], DIGITS[bits >> 6 & 63],
                          DIGITS[bits & 63] };
        if (left < 3)
            group[3] = '=';
        if (left < 2)
            group[2] = '=';
        buf_add(out, group, sizeof(group));
    }
}

/* The tokens of RFC 8259, nothing more lenient. The text was checked to be UTF-8 before. */
#include "json/lex.h"

#include <stdint.h>
#include <string.h>

const bool lex_special[256] = { [0 ... 0x1f] = true, ['"'] = true, ['\\'] = true };

char lex_peek(struct lex *l)
{
    while (l->at < l->end && (*l->at == ' ' || *l->at == '\n' || *l->at == '\r' || *l->at == '\t'))
        l->at++;
    return l->at < l->end ? *l->at : '\0';
}

bool lex_take(struct lex *l, char wanted)
{
    if (lex_peek(l) != wanted || l->at == l->end)
        return false;
    l->at++;
    return true;
}

bool lex_word(struct lex *l, const char *word)
{
    size_t length = strlen(word);
    lex_peek(l);
    if ((size_t)(l->end - l->at) < length || memcmp(l->at, word, length) != 0)
        return false;
    l->at += length;
    return true;
}

static bool read_hex4(struct lex *l, uint32_t *ret)
{
    uint32_t value = 0;
    if (l->end - l->at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = *l->at++;
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = (uint32_t)(c - 'a') + 10;
        else if (c >= 'A' && c <= 'F')
            digit = (uint32_t)(c - 'A') + 10;
        else
            return false;
        value = value << 4 | digit;
    }
    *ret = value;
    return true;
}

/* Behind "\u": one code point, of a surrogate pair where it begins with one. */
static const char *read_unicode_escape(struct lex *l, uint32_t *ret)
{
    uint32_t code, low;
    if (!read_hex4(l, &code))
        return "malformed";
    if (code >= 0xd800 && code <= 0xdbff) {
        if (l->end - l->at < 2 || l->at[0] != '\\' || l->at[1] != 'u')
            return "bad_utf8";
        l->at += 2;
        if (!read_hex4(l, &low))
            return "malformed";
        if (low < 0xdc00 || low > 0xdfff)
            return "bad_utf8";
        code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
    } else if (code >= 0xdc00 && code <= 0xdfff) {
        return "bad_utf8";
    }
    if (code == 0)
        return "nul";
    *ret = code;
    return NULL;
}

static size_t encode_utf8(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* Behind a backslash: writes what it stands for. */
static const char *read_escape(struct lex *l, char out[4], size_t *ret_length)
{
    static const char NAMES[] = "\"\\/bfnrt";
    static const char VALUES[] = "\"\\/\b\f\n\r\t";
    if (l->at == l->end)
        return "malformed";
    char c = *l->at++;
    if (c == 'u') {
        uint32_t code = 0;
        const char *reason = read_unicode_escape(l, &code);
        if (!reason)
            *ret_length = encode_utf8(code, out);
        return reason;
    }
    const char *found = c ? strchr(NAMES, c) : NULL;
    if (!found)
        return "malformed";
    out[0] = VALUES[found - NAMES];
    *ret_length = 1;
    return NULL;
}

/* The characters from here on that stand for themselves. */
static size_t plain_length(const struct lex *l)
{
    const char *p = l->at;
    while (p < l->end && !lex_special[(unsigned char)*p])
        p++;
    return (size_t)(p - l->at);
}

/* Behind the opening quote: decodes up to the closing one. Writes at most `room` bytes and tells
 * the whole length. */
static const char *read_string(struct lex *l, char *out, size_t room, size_t *ret_length)
{
    size_t length = 0;
    for (;;) {
        size_t plain = plain_length(l);
        if (plain > 0 && length + plain <= room)
            memcpy(out + length, l->at, plain);
        length += plain;
        l->at += plain;
        if (l->at == l->end)
            return "malformed";
        char c = *l->at++;
        if (c == '"')
            break;
        if (c != '\\')
            return c ? "malformed" : "nul"; /* a control character must be escaped */
        char escaped[4];
        size_t count = 0;
        const char *reason = read_escape(l, escaped, &count);
        if (reason)
            return reason;
        if (length + count <= room)
            memcpy(out + length, escaped, count);
        length += count;
    }
    *ret_length = length;
    return NULL;
}

const char *lex_string(struct lex *l, struct arena *arena, char **ret_text, size_t *ret_length)
{
    if (!lex_take(l, '"'))
        return "bad_type";
    /* No escape is shorter than what it stands for, so the bytes up to the closing quote are
     * enough. */
    const char *p = l->at;
    while (p < l->end && *p != '"')
        p += *p == '\\' && l->end - p > 1 ? 2 : 1;
    size_t room = (size_t)(p - l->at);
    char *text = arena_try_alloc(arena, room + 1);
    if (!text)
        return "too_long";
    const char *reason = read_string(l, text, room, ret_length);
    if (!reason)
        *ret_text = text;
    return reason;
}

const char *lex_short_string(struct lex *l, char *out, size_t room, bool *ret_fits)
{
    size_t length;
    if (!lex_take(l, '"'))
        return "malformed";
    const char *reason = read_string(l, out, room - 1, &length);
    if (reason)
        return reason;
    *ret_fits = length < room;
    out[*ret_fits ? length : 0] = '\0';
    return NULL;
}

static size_t skip_digits(struct lex *l)
{
    const char *start = l->at;
    while (l->at < l->end && *l->at >= '0' && *l->at <= '9')
        l->at++;
    return (size_t)(l->at - start);
}

static bool skip_one_of(struct lex *l, const char *set)
{
    if (l->at == l->end || !*l->at || !strchr(set, *l->at))
        return false;
    l->at++;
    return true;
}

const char *lex_number(struct lex *l, const char **ret_text, size_t *ret_length)
{
    lex_peek(l);
    const char *start = l->at;
    skip_one_of(l, "-");
    const char *digits = l->at;
    size_t count = skip_digits(l);
    if (count == 0 || (count > 1 && *digits == '0'))
        return "malformed";
    if (skip_one_of(l, ".") && skip_digits(l) == 0)
        return "malformed";
    if (skip_one_of(l, "eE")) {
        skip_one_of(l, "+-");
        if (skip_digits(l) == 0)
            return "malformed";
    }
    *ret_text = start;
    *ret_length = (size_t)(l->at - start);
    return NULL;
}

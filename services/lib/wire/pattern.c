/* The named shapes of strings. */
#include <string.h>

#include "base/time.h"
#include "wire/wire.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_lower_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f');
}

static bool is_alnum(char c)
{
    return is_digit(c) || is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool matches_uuid(const char *s, size_t n)
{
    if (n != 36)
        return false;
    for (size_t i = 0; i < n; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s[i] != '-' : !is_lower_hex(s[i]))
            return false;
    }
    return true;
}

static bool matches_code(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_alnum(s[i]) && (i == 0 || !s[i] || !strchr("._:@/|*-", s[i])))
            return false;
    }
    return true;
}

static bool matches_division(const char *s, size_t n)
{
    if (n != 2 && n != 4 && n != 6 && n != 9 && n != 12)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(s[i]))
            return false;
    }
    return true;
}

static bool matches_date(const char *s, size_t n)
{
    char text[DAY_TEXT_SIZE];
    int32_t day;
    if (n != strlen("YYYY-MM-DD"))
        return false;
    memcpy(text, s, n);
    text[n] = '\0';
    return day_parse(text, &day) == 0;
}

/* A word of lower-case letters, digits and '_' that begins with a letter: its length, or 0. */
static size_t word_length(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && (is_lower(s[i]) || (i > 0 && (is_digit(s[i]) || s[i] == '_'))))
        i++;
    return i;
}

/* A non-negative int64 in its shortest decimal form: its length, or 0. */
static size_t number_length(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && is_digit(s[i]))
        i++;
    if (i == 0 || i > 19 || (i > 1 && s[0] == '0'))
        return 0;
    return i == 19 && memcmp(s, "9223372036854775807", 19) > 0 ? 0 : i;
}

static bool matches_cursor(const char *s, size_t n)
{
    size_t used = word_length(s, n);
    for (int part = 0; part < 2; part++) {
        if (used == 0 || used >= n || s[used] != ':')
            return false;
        s += used + 1;
        n -= used + 1;
        used = number_length(s, n);
    }
    return used > 0 && used == n;
}

static bool is_version(const char *s, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (!is_digit(s[i]))
            return false;
    }
    return n >= 2 && s[0] == 'v';
}

/* thing.happened.v1: at least two words and a version. */
static bool matches_event_type(const char *s, size_t n)
{
    int words = 0;
    for (;;) {
        size_t used = word_length(s, n);
        if (used == 0)
            return false;
        if (used == n)
            return words >= 2 && is_version(s, n);
        if (s[used] != '.')
            return false;
        words++;
        s += used + 1;
        n -= used + 1;
    }
}

static bool matches_hex(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_lower_hex(s[i]))
            return false;
    }
    return n % 2 == 0;
}

static bool matches_key(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i] <= ' ' || s[i] > '~')
            return false;
    }
    return true;
}

bool wire_pattern_matches(enum wire_pattern pattern, const char *text, size_t length)
{
    if (pattern == WIRE_PATTERN_NONE)
        return true;
    if (length == 0)
        return false;
    switch (pattern) {
    case WIRE_PATTERN_UUID:
        return matches_uuid(text, length);
    case WIRE_PATTERN_CODE:
        return matches_code(text, length);
    case WIRE_PATTERN_DIVISION:
        return matches_division(text, length);
    case WIRE_PATTERN_DATE:
        return matches_date(text, length);
    case WIRE_PATTERN_CURSOR:
        return matches_cursor(text, length);
    case WIRE_PATTERN_EVENT_TYPE:
        return matches_event_type(text, length);
    case WIRE_PATTERN_HEX:
        return matches_hex(text, length);
    case WIRE_PATTERN_KEY:
        return matches_key(text, length);
    case WIRE_PATTERN_NONE:
        break;
    }
    return false;
}

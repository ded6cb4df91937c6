/* Reads a document number from left to right. The word holds no digits, so the first digit is the
 * year's and the bracket stands right before it: nothing has to be tried twice. */
#include "law/docnumber.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"
#include "base/util.h"

#define NUMBER_MAX 999999999U
#define YEAR_MIN   1900
#define YEAR_MAX   2199

struct cursor {
    const char *at;
    const char *end;
};

static uint32_t peek(const struct cursor *c, size_t *ret_size)
{
    uint32_t code = 0;
    *ret_size = utf8_decode(c->at, (size_t)(c->end - c->at), &code);
    return *ret_size ? code : 0;
}

static bool take(struct cursor *c, uint32_t wanted)
{
    size_t size;
    if (peek(c, &size) != wanted || !size)
        return false;
    c->at += size;
    return true;
}

static bool take_one_of(struct cursor *c, const uint32_t *wanted, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (take(c, wanted[i]))
            return true;
    }
    return false;
}

static void skip_spaces(struct cursor *c)
{
    static const uint32_t spaces[] = { ' ', '\t', '\r', '\n', 0x3000 };
    while (take_one_of(c, spaces, ARRAY_LEN(spaces)))
        ;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Decimal digits, zeros at the head allowed, value 1 to NUMBER_MAX. */
static bool take_number(struct cursor *c, uint32_t *ret_value)
{
    uint64_t value = 0;
    for (; c->at < c->end && is_digit(*c->at); c->at++) {
        value = value * 10 + (uint64_t)(*c->at - '0');
        if (value > NUMBER_MAX)
            return false;
    }
    *ret_value = (uint32_t)value;
    return value > 0;
}

static bool take_year(struct cursor *c, int *ret_year)
{
    int year = 0;
    for (int i = 0; i < 4; i++, c->at++) {
        if (c->at >= c->end || !is_digit(*c->at))
            return false;
        year = year * 10 + (*c->at - '0');
    }
    *ret_year = year;
    return year >= YEAR_MIN && year <= YEAR_MAX;
}

/* Script Han of Unicode, as far as it holds ideographs. */
static bool is_han(uint32_t code)
{
    static const uint32_t ranges[][2] = {
        { 0x3005, 0x3005 }, { 0x3007, 0x3007 },   { 0x3400, 0x4dbf },   { 0x4e00, 0x9fff },
        { 0xf900, 0xfaff }, { 0x20000, 0x2fa1f }, { 0x30000, 0x323af },
    };
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        if (code >= ranges[i][0] && code <= ranges[i][1])
            return true;
    }
    return false;
}

static bool in_word(uint32_t code)
{
    return (code >= 'A' && code <= 'Z') || (code >= 'a' && code <= 'z') || code == '(' ||
           code == ')' || code == 0xff08 || code == 0xff09 || is_han(code);
}

static bool is_opening(uint32_t code)
{
    return code == 0x3014 || code == '[' || code == 0x3010 || code == '(' || code == 0xff08;
}

static bool take_closing(struct cursor *c)
{
    static const uint32_t closing[] = { 0x3015, ']', 0x3011, ')', 0xff09 };
    return take_one_of(c, closing, ARRAY_LEN(closing));
}

/* The word and the opening bracket behind it, up to the year's first digit; *ret_end is the word's
 * end. */
static bool take_word(struct cursor *c, const char **ret_end)
{
    const char *start = c->at;
    for (;;) {
        size_t size;
        uint32_t code = peek(c, &size);
        if (!size)
            return false;
        const char *next = c->at + size;
        if (is_opening(code) && next < c->end && is_digit(*next)) {
            *ret_end = c->at;
            c->at = next;
            return *ret_end > start;
        }
        if (!in_word(code))
            return false;
        c->at = next;
    }
}

/* 字, where more than that stands before it, belongs to the form and not to the word. */
static size_t word_length(const char *text, size_t length)
{
    static const char zi[] = "字";
    size_t zi_length = sizeof(zi) - 1;
    bool ends = length > zi_length && memcmp(text + length - zi_length, zi, zi_length) == 0;
    return ends ? length - zi_length : length;
}

static bool parse(const char *text, struct docnumber *d)
{
    struct cursor c = { text, text + strnlen(text, DOCNUMBER_TEXT_SIZE * 2) };
    const char *word_end;
    static const uint32_t hao[] = { 0x53f7, 0x865f };
    if (!take_word(&c, &word_end) || !take_year(&c, &d->year) || !take_closing(&c))
        return false;
    skip_spaces(&c);
    take(&c, 0x7b2c); /* 第 */
    if (!take_number(&c, &d->number) || (take(&c, '-') && !take_number(&c, &d->part)))
        return false;
    skip_spaces(&c);
    const char *last = c.at;
    if (!take_one_of(&c, hao, ARRAY_LEN(hao)) || c.at != c.end)
        return false;

    size_t length = (size_t)(word_end - text);
    if (length >= DOCNUMBER_WORD_SIZE)
        return false;
    memcpy(d->word, text, word_length(text, length));
    char part[16] = "";
    if (d->part)
        snprintf(part, sizeof(part), "-%u", d->part);
    int size = snprintf(d->text, sizeof(d->text), "%.*s〔%04d〕%u%s%s", (int)length, text, d->year,
                        d->number, part, last);
    return size > 0 && (size_t)size < sizeof(d->text);
}

int docnumber_parse(const char *text, struct docnumber *ret_number)
{
    struct docnumber d = { 0 };
    if (!parse(text, &d))
        return err_set(ERR_INVALID_ARGUMENT, "not a document number");
    *ret_number = d;
    return 0;
}

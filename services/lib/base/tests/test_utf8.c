/* UTF-8: every code point encoded and decoded, every malformed shape refused at every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "base/util.h"

/* An encoder of the test's own; surrogates and what lies above U+10FFFF too. */
static size_t encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = size - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(lead[size] | code);
    return size;
}

static void test_every_code_point(void **state UNUSED)
{
    for (uint32_t code = 0; code < 0x200000; code++) {
        char text[4];
        uint32_t back = 0;
        size_t size = encode(code, text);
        bool valid = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
        size_t used = utf8_decode(text, size, &back);
        if (used != (valid ? size : 0) || (valid && back != code))
            fail_msg("U+%04X", (unsigned)code);
        if (utf8_check(text, size) != valid)
            fail_msg("check of U+%04X", (unsigned)code);
        if (size > 1 && utf8_decode(text, size - 1, &back))
            fail_msg("cut U+%04X", (unsigned)code);
    }
}

/* Whatever stands where three bytes of a character should, behind others: the check is the
 * decoder's. */
static void test_every_three_bytes(void **state UNUSED)
{
    char text[] = "督辦xyz單";
    const size_t size = sizeof(text) - 1;
    char *three = strchr(text, 'x');
    for (uint32_t bits = 0; bits < 1U << 20; bits++) {
        uint32_t code;
        three[0] = (char)(0xe0 | bits >> 16);
        three[1] = (char)(bits >> 8);
        three[2] = (char)bits;
        bool valid = utf8_decode(three, 3, &code) == 3;
        if (utf8_check(text, size) != valid)
            fail_msg("%05x", (unsigned)bits);
        if (utf8_check(text, (size_t)(three + 2 - text)))
            fail_msg("cut %05x", (unsigned)bits);
    }
}

static void test_malformed(void **state UNUSED)
{
    static const char *const bad[] = { "\x80",
                                       "\xbf",
                                       "\xc0\xaf",
                                       "\xc1\xbf",
                                       "\xc2",
                                       "\xc2\x20",
                                       "\xe0\x9f\xbf",
                                       "\xe0\x80\xaf",
                                       "\xed\xa0\x80",
                                       "\xed\xbf\xbf",
                                       "\xef\xbf",
                                       "\xf0\x8f\xbf\xbf",
                                       "\xf4\x90\x80\x80",
                                       "\xf5\x80\x80\x80",
                                       "\xfe",
                                       "\xff",
                                       "\xf8\x88\x80\x80\x80" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        for (size_t before = 0; before < 20; before++) {
            char text[64];
            memset(text, 'a', sizeof(text));
            memcpy(text + before, bad[i], strlen(bad[i]));
            if (utf8_check(text, 40) || utf8_check(text, before + strlen(bad[i])))
                fail_msg("case %zu at %zu", i, before);
        }
    }
    assert_true(utf8_check("", 0));
    assert_true(utf8_check(NULL, 0));
    assert_true(utf8_check("a\0b", 3));
    assert_true(utf8_check("督辦單\xf4\x8f\xbf\xbf 12345678", 22));
    uint32_t code;
    assert_int_equal(utf8_decode("", 0, &code), 0);
}

static void test_nul(void **state UNUSED)
{
    assert_false(utf8_has_nul("abc", 3));
    assert_true(utf8_has_nul("abc", 4));
    assert_true(utf8_has_nul("\0abc", 4));
    assert_false(utf8_has_nul(NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_every_three_bytes),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

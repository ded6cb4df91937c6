/* Strings and numbers of RFC 8259, and base64, one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "json/base64.h"
#include "json/json.h"
#include "json/lex.h"

static void test_strings(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *text; /* what it means, or the reason why not */
        bool fine;
    } cases[] = {
        { "\"\"", "", true },
        { " \t\r\n\"a\"", "a", true },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", true },
        { "\"\\u0041\\u00e9\\u4E2d\"", "Aé中", true },
        { "\"\\ud83d\\ude4f\"", "🙏", true },
        { "\"\\uD800\\uDC00\\uDBFF\\uDFFF\"", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", true },
        { "\"\\u007f\\u0080\\u07ff\\u0800\\uffff\"", "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf",
          true },
        { "\"\\uABCD\\uFaAf\\u9876\"", "\xea\xaf\x8d\xef\xaa\xaf\xe9\xa1\xb6", true },
        { "\"\\udc00\"", "bad_utf8", false },
        { "\"\\udfff\"", "bad_utf8", false },
        { "\"\\ud83dAude4f\"", "bad_utf8", false },
        { "\"\\ud83d\\nde4f\"", "bad_utf8", false },
        { "\"\\u0000\"", "nul", false },
        { "\"\\ud83d\"", "bad_utf8", false },
        { "\"\\ud83d\\n\"", "bad_utf8", false },
        { "\"\\ud83d\\u0041\"", "bad_utf8", false },
        { "\"\\ude4f\"", "bad_utf8", false },
        { "\"\\ud83d\\ud83d\"", "bad_utf8", false },
        { "\"\\u00g0\"", "malformed", false },
        { "\"\\u00", "malformed", false },
        { "\"\\x41\"", "malformed", false },
        { "\"\\'\"", "malformed", false },
        { "\"\\", "malformed", false },
        { "\"a", "malformed", false },
        { "\"a\nb\"", "malformed", false },
        { "\"a\x1f\"", "malformed", false },
        { "'a'", "bad_type", false },
        { "a", "bad_type", false },
        { "", "bad_type", false },
    };
    struct arena arena;
    arena_init(&arena, 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct lex l = { cases[i].json, cases[i].json + strlen(cases[i].json) };
        char *text = NULL;
        size_t length = 0;
        const char *reason = lex_string(&l, &arena, &text, &length);
        print_message("%s\n", cases[i].json);
        assert_string_equal(cases[i].fine ? text : reason, cases[i].text);
        if (cases[i].fine) {
            assert_null(reason);
            assert_int_equal(length, strlen(cases[i].text));
            assert_ptr_equal(l.at, l.end);
        }
    }
    arena_clear(&arena);
}

static void test_short_strings(void **state)
{
    (void)state;
    char out[4];
    bool fits;
    struct lex l = { "\"abc\"\"abcd\"\"ab\\u4e2d\"", NULL };
    l.end = l.at + strlen(l.at);
    assert_null(lex_short_string(&l, out, sizeof(out), &fits));
    assert_true(fits);
    assert_string_equal(out, "abc");
    assert_null(lex_short_string(&l, out, sizeof(out), &fits));
    assert_false(fits);
    assert_string_equal(out, "");
    assert_null(lex_short_string(&l, out, sizeof(out), &fits));
    assert_false(fits);
    assert_ptr_equal(l.at, l.end);
}

static void test_numbers(void **state)
{
    (void)state;
    static const char *const fine[] = { "0",
                                        "-0",
                                        "7",
                                        "-7",
                                        "10",
                                        "1.5",
                                        "0.0",
                                        "1e5",
                                        "1E+05",
                                        "-1.2e-3",
                                        "123456789012345678901234" };
    static const char *const wrong[] = { "",   "-",  "+1",  "01", "-01", ".5",
                                         "1.", "1e", "1e+", "x",  "NaN" };
    for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
        struct lex l = { fine[i], fine[i] + strlen(fine[i]) };
        const char *text;
        size_t length;
        assert_null(lex_number(&l, &text, &length));
        assert_int_equal(length, strlen(fine[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct lex l = { wrong[i], wrong[i] + strlen(wrong[i]) };
        const char *text;
        size_t length;
        assert_string_equal(lex_number(&l, &text, &length), "malformed");
    }
}

static void test_base64(void **state)
{
    (void)state;
    static const char *const vectors[][2] = { { "", "" },
                                              { "f", "Zg==" },
                                              { "fo", "Zm8=" },
                                              { "foo", "Zm9v" },
                                              { "foob", "Zm9vYg==" },
                                              { "fooba", "Zm9vYmE=" },
                                              { "foobar", "Zm9vYmFy" },
                                              { "\xfb\xff\xbf", "+/+/" } };
    static const char *const wrong[] = { "Zg=",    "Zg",   "Zg===", "=",    "====",     "Z===",
                                         "Zm9v\n", "Zm9-", "Zh==",  "Zm9=", "Zg==Zg==", "Z g=" };
    uint8_t out[16];
    size_t size;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        struct buf b = { 0 };
        base64_add(&b, (const uint8_t *)vectors[i][0], strlen(vectors[i][0]));
        assert_string_equal(buf_text(&b), vectors[i][1]);
        assert_true(base64_decode(vectors[i][1], strlen(vectors[i][1]), out, &size));
        assert_int_equal(size, strlen(vectors[i][0]));
        assert_memory_equal(out, vectors[i][0], size);
        buf_clear(&b);
    }
    /* Every digit, each of its own value. */
    static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t bytes[48];
    assert_true(base64_decode(all, 64, bytes, &size));
    assert_int_equal(size, 48);
    for (unsigned value = 0; value < 64; value++) {
        const uint8_t *group = bytes + value / 4 * 3;
        uint32_t bits = (uint32_t)group[0] << 16 | (uint32_t)group[1] << 8 | group[2];
        assert_int_equal(bits >> (18 - 6 * (value % 4)) & 63, value);
    }
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_false(base64_decode(wrong[i], strlen(wrong[i]), out, &size));
}

static void test_add_string(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "", "\"\"" },
        { "a\"b\\c/", "\"a\\\"b\\\\c/\"" },
        { "\n\r\t\b\x01\x1f\x7f", "\"\\n\\r\\t\\u0008\\u0001\\u001f\x7f\"" },
        { "济南🙏", "\"济南🙏\"" },
        { "a\xff"
          "b\xe4\xb8",
          "\"a\xef\xbf\xbd"
          "b\xef\xbf\xbd\xef\xbf\xbd\"" },
    };
    struct buf b = { 0 };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        buf_reset(&b);
        json_add_string(&b, cases[i][0]);
        assert_string_equal(buf_text(&b), cases[i][1]);
    }
    buf_reset(&b);
    json_add_string(&b, NULL);
    assert_string_equal(buf_text(&b), "\"\"");
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),    cmocka_unit_test(test_short_strings),
        cmocka_unit_test(test_numbers),    cmocka_unit_test(test_base64),
        cmocka_unit_test(test_add_string),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

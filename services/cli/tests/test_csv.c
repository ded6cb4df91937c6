/* CSV into rows: what is read, and that a broken row costs itself alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/util.h"
#include "load.h"

/* What was told, as text: "1:a|b;" for a row, "2!;" for a broken one, ~ for a NUL. */
static void on_row(void *ctx, const struct csv_fields *fields)
{
    struct buf *out = ctx;
    buf_printf(out, "%d:", fields->row);
    for (int i = 0; i < fields->count; i++) {
        buf_add_text(out, i ? "|" : "");
        for (size_t k = 0; k < fields->sizes[i]; k++)
            buf_add_char(out, fields->texts[i][k] ? fields->texts[i][k] : '~');
    }
    buf_add_char(out, ';');
}

static void on_broken(void *ctx, int row, const char *reason)
{
    assert_true(*reason);
    buf_printf(ctx, "%d!;", row);
}

static void check(const char *data, size_t size, const char *expected)
{
    struct buf out;
    struct csv_sink sink = { .on_row = on_row, .on_broken = on_broken, .ctx = &out };
    buf_init(&out, 0);
    csv_read(data, size, &sink);
    if (strcmp(buf_text(&out), expected) != 0)
        fail_msg("%s\ngave %s\nexpected %s", data, buf_text(&out), expected);
    buf_clear(&out);
}

static void test_rows(void **state UNUSED)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        { "", "" },
        { "a,b\nc,d\n", "1:a|b;2:c|d;" },
        { "a,b\nc,d", "1:a|b;2:c|d;" },       /* no newline at the end */
        { "a,b\r\nc,d\r\n", "1:a|b;2:c|d;" }, /* as Windows has it */
        { "\xef\xbb\xbf"
          "a\nb\n",
          "1:a;2:b;" },             /* a byte order mark */
        { "a\n\nb\n", "1:a;3:b;" }, /* an empty line counts as a row */
        { ",\n,,\n", "1:|;2:||;" },
        { "\"a,b\",\"c\"\"d\"\n", "1:a,b|c\"d;" },
        { "\"a\nb\",c\nd,e\n", "1:a\nb|c;2:d|e;" }, /* a quoted newline is one row */
        { "\"a\r\n\r\nb\"\nd\n", "1:a\r\n\r\nb;2:d;" },
        { " a , b\n", "1: a | b;" }, /* spaces are part of a field */
        { "济南,\"市，区\"\n", "1:济南|市，区;" },
        { "\"\"\n", "1:;" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(cases[i].text, strlen(cases[i].text), cases[i].expected);
    check("a\0b,c\n", 6, "1:a~b|c;");
}

static void test_broken_rows(void **state UNUSED)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        { "a\nx\"y\nb\n", "1:a;2!;3:b;" },       /* a quote in the middle of a field */
        { "a\n\"x\"y\nb\n", "1:a;2!;3:b;" },     /* text behind a quote */
        { "a\n\"x\nb\nc\n", "1:a;2!;3:b;4:c;" }, /* a quote that is never closed swallows nothing */
        { "a\n\"x\nb\n\"c\"\nd\n", "1:a;2!;3:b;4:c;5:d;" },
        { "a\n\"x,1\nb,\"2\"\nc,3\n", "1:a;2!;3:b|2;4:c|3;" }, /* nor up to the next quoted field */
        { "\"", "1!;" },
        { "\"x\ny\"z\nb\n", "1!;2!;3:b;" }, /* a broken row of two lines is told for both */
        { "a\nx\"y\n\"z\"\"\n", "1:a;2!;3!;" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        check(cases[i].text, strlen(cases[i].text), cases[i].expected);
}

static void test_limits(void **state UNUSED)
{
    struct buf text;
    buf_init(&text, 0);
    for (int i = 0; i <= CSV_FIELDS_MAX; i++)
        buf_add_text(&text, "x,");
    buf_add_text(&text, "x\nb\n");
    check(buf_text(&text), text.size, "1!;2:b;");
    buf_reset(&text);
    for (int i = 0; i < 70000; i++)
        buf_add_char(&text, 'x');
    buf_add_text(&text, "\nb\n");
    check(buf_text(&text), text.size, "1!;2:b;");
    buf_clear(&text);
}

/* However a good file is damaged by one byte: nothing crashes, and rows away from the damage stay.
 */
static void test_one_wrong_byte(void **state UNUSED)
{
    static const char good[] = "a,b,c\n1,2,3\n4,\"5\n6\",7\n8,9,10\n11,12,13\n";
    static const char wrong[] = "\",\n\r\0 x";
    for (size_t at = 0; at + 1 < sizeof(good); at++) {
        for (size_t w = 0; w + 1 < sizeof(wrong); w++) {
            char text[sizeof(good)];
            struct buf out;
            struct csv_sink sink = { .on_row = on_row, .on_broken = on_broken, .ctx = &out };
            memcpy(text, good, sizeof(good));
            text[at] = wrong[w];
            buf_init(&out, 0);
            csv_read(text, sizeof(good) - 1, &sink);
            /* The last row is far below; the one above it only where the damage is above both. */
            bool kept = strstr(buf_text(&out), ":11|12|13;") &&
                        (at >= 12 || strstr(buf_text(&out), ":8|9|10;"));
            if (at < 24 && !kept)
                fail_msg("byte %zu is 0x%02x: %s", at, (unsigned char)wrong[w], buf_text(&out));
            buf_clear(&out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_broken_rows),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_one_wrong_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

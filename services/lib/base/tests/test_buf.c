/* Buffer: growth, the limit, and that nothing is half added. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/util.h"

static void test_grows(void **state UNUSED)
{
    struct buf b;
    buf_init(&b, 0);
    assert_string_equal(buf_text(&b), "");
    buf_reset(&b);
    for (int i = 0; i < 1000; i++) {
        buf_add_text(&b, "abc");
        buf_add_char(&b, 'd');
        buf_printf(&b, "%02d", i % 100);
        assert_int_equal(b.size, 6 * (i + 1));
        assert_int_equal(b.data[b.size], 0);
    }
    assert_memory_equal(b.data + 6 * 42, "abcd42", 6);
    buf_add(&b, NULL, 0);
    buf_add(&b, "\0x", 2);
    assert_int_equal(b.size, 6002);
    buf_reset(&b);
    assert_string_equal(buf_text(&b), "");
    buf_clear(&b);
    assert_null(b.data);
}

static void test_limit(void **state UNUSED)
{
    struct buf b;
    buf_init(&b, 10);
    buf_add_text(&b, "0123456789");
    assert_false(b.overflow);
    buf_add(&b, "", 0);
    assert_false(b.overflow);
    buf_add_char(&b, 'x');
    assert_true(b.overflow);
    assert_string_equal(buf_text(&b), "0123456789");
    buf_reset(&b);
    buf_printf(&b, "%d", 123456);
    buf_printf(&b, "%d", 12345);
    assert_true(b.overflow);
    assert_string_equal(buf_text(&b), "123456");
    buf_add_char(&b, 'x'); /* would fit, but what follows a gap is worth nothing */
    assert_string_equal(buf_text(&b), "123456");
    buf_clear(&b);
    assert_int_equal(b.size_max, 10);
    assert_false(b.overflow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grows),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Flat INI files: what is read, and what is refused without telling a value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/file.h"
#include "base/flat.h"
#include "base/util.h"

static char path[64];

static int read_text(const char *text, struct flat_value *values)
{
    assert_int_equal(file_write(path, text, strlen(text), 0600), 0);
    return flat_read(path, values);
}

static void test_flat(void **state UNUSED)
{
    struct flat_value values[] = { { .name = "name" },
                                   { .name = "more", .optional = true },
                                   { 0 } };
    assert_int_equal(flat_read("/nonexistent/flat.ini", values), ERR_NOT_FOUND);
    assert_int_equal(read_text("; a comment\n\nname = a=b#c ; why\n", values), 0);
    assert_string_equal(flat_text(values, "name"), "a=b#c");
    assert_string_equal(flat_text(values, "more"), "");
    /* Read again: nothing of the last reading is left. */
    assert_int_equal(read_text("more = m\nname=n\n", values), 0);
    assert_string_equal(flat_text(values, "name"), "n");
    assert_string_equal(flat_text(values, "more"), "m");
}

/* What libinih would misread in silence. */
static void test_flat_misread(void **state UNUSED)
{
    static const char nul[] = "name = a\n\0other = b\n";
    char cut[256];
    struct flat_value values[] = { { .name = "name" }, { .name = "more" }, { 0 } };
    assert_int_equal(file_write(path, nul, sizeof(nul) - 1, 0600), 0);
    assert_int_equal(flat_read(path, values), ERR_INVALID_ARGUMENT);
    snprintf(cut, sizeof(cut), "name = a\n#%0198dmore = b\n", 0);
    assert_int_equal(read_text(cut, values), ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(err_last()->text, "line 2 is longer"));
}

static void test_flat_refused(void **state UNUSED)
{
    static char long_value[256];
    static const char *const cases[] = {
        "",
        "more = s3cret\n",
        "name =\nmore = s3cret\n",
        "name = s3cret\nname = s3cret\n",
        "name = ; s3cret\nname = s3cret\n",
        "name =\n  s3cret ;s3cret\n",
        "name = s3cret\nother = s3cret\n",
        "name = s3cret\nno line of ours\n",
        "[section]\nname = s3cret\n",
        long_value,
    };
    strcpy(long_value, "name = s3cret");
    memset(long_value + strlen(long_value), 'e', FLAT_VALUE_SIZE);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct flat_value values[] = { { .name = "name" },
                                       { .name = "more", .optional = true },
                                       { 0 } };
        if (read_text(cases[i], values) != ERR_INVALID_ARGUMENT)
            fail_msg("taken: %s", cases[i]);
        assert_non_null(strstr(err_last()->text, path));
        assert_null(strstr(err_last()->text, "s3cret"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flat),
        cmocka_unit_test(test_flat_misread),
        cmocka_unit_test(test_flat_refused),
    };
    snprintf(path, sizeof(path), "/tmp/lujian-flat-%d.ini", (int)getpid());
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}

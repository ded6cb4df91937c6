/* Whole files: limits, modes, and that a failed write leaves the old file and no litter. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/util.h"

static char folder[] = "/tmp/lujian-file-XXXXXX";
static char path[64];

static int setup(void **state UNUSED)
{
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/f", folder);
    return 0;
}

static int teardown(void **state UNUSED)
{
    unlink(path);
    return rmdir(folder);
}

static int entries(void)
{
    int count = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        count += e->d_name[0] != '.';
    closedir(d);
    return count;
}

static void test_write_and_read(void **state UNUSED)
{
    static char data[50000];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)(i * 31);
    static const mode_t modes[] = { 0600, 0644, 0666, 0400 };
    static const size_t sizes[] = { 0, 1, 16384, sizeof(data) };
    umask(077);
    for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
        assert_int_equal(file_write(path, data, sizes[i], modes[i]), 0);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, modes[i]);
        assert_int_equal(st.st_size, sizes[i]);
        assert_int_equal(entries(), 1);

        struct buf b;
        buf_init(&b, 0);
        buf_add_text(&b, "before");
        assert_int_equal(file_read(path, sizes[i], &b), 0);
        assert_int_equal(b.size, 6 + sizes[i]);
        assert_memory_equal(b.data + 6, data, sizes[i]);
        if (sizes[i] > 0) {
            size_t size = b.size;
            assert_int_equal(file_read(path, sizes[i] - 1, &b), ERR_TOO_LARGE);
            assert_int_equal(b.size, size);
        }
        buf_clear(&b);
    }
}

static void test_read_failures(void **state UNUSED)
{
    struct buf b;
    buf_init(&b, 4);
    assert_int_equal(file_read("/nonexistent/f", 10, &b), ERR_NOT_FOUND);
    assert_int_equal(file_read(folder, 10, &b), ERR_INTERNAL);
    assert_int_equal(file_write(path, "12345", 5, 0600), 0);
    assert_int_equal(file_read(path, 10, &b), ERR_TOO_LARGE);
    assert_false(b.overflow);
    assert_int_equal(b.size, 0);
    buf_clear(&b);
}

static void test_write_failures(void **state UNUSED)
{
    assert_int_equal(file_write("/nonexistent/f", "x", 1, 0600), ERR_INTERNAL);
    char sub[80], inner[96];
    snprintf(sub, sizeof(sub), "%s/sub", folder);
    snprintf(inner, sizeof(inner), "%s/inner", sub);
    assert_int_equal(mkdir(sub, 0700), 0);
    int before = entries();
    assert_int_equal(file_write(inner, "x", 1, 0600), 0);
    /* A folder that is not empty cannot be replaced by a file. */
    assert_int_equal(file_write(sub, "x", 1, 0600), ERR_INTERNAL);
    assert_int_equal(entries(), before);
    unlink(inner);
    assert_int_equal(rmdir(sub), 0);

    char giant[5000];
    memset(giant, 'a', sizeof(giant) - 1);
    giant[sizeof(giant) - 1] = '\0';
    assert_int_equal(file_write(giant, "x", 1, 0600), ERR_INTERNAL);
}

static void test_names_without_folder(void **state UNUSED)
{
    char before[4096];
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(file_write("f", "here", 4, 0600), 0);
    assert_int_equal(chdir(before), 0);
    struct buf b;
    buf_init(&b, 0);
    assert_int_equal(file_read(path, 4, &b), 0);
    assert_string_equal(buf_text(&b), "here");
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_and_read),
        cmocka_unit_test(test_read_failures),
        cmocka_unit_test(test_write_failures),
        cmocka_unit_test(test_names_without_folder),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

/* Configuration: precedence, every kind of mistake, and that values stay out of error texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/conf.h"
#include "base/err.h"
#include "base/util.h"

static struct conf_key skeleton_keys[] = {
    { .name = "door-endpoint",
      .type = CONF_TEXT,
      .by_default = "tcp://127.0.0.1:0",
      .help = "URL" },
    { .name = "dsn", .type = CONF_TEXT, .help = "libpq URI" },
    { .name = "workers",
      .type = CONF_INT,
      .by_default = "4",
      .min = 1,
      .max = 64,
      .help = "count" },
    { .name = NULL },
};
static struct conf_key service_keys[] = {
    { .name = "offset", .type = CONF_INT, .by_default = "-7", .help = "ms, any" },
    { .name = "time-advance", .type = CONF_BOOL, .by_default = "false", .help = "allowed?" },
    { .name = "key-file", .type = CONF_PATH, .by_default = "", .help = "path" },
    { .name = NULL },
};
static struct conf conf = { .tables = { skeleton_keys, service_keys }, .table_count = 2 };

static char folder[] = "/tmp/lujian-conf-XXXXXX";
static char file[64], config_arg[80];

static int setup(void **state UNUSED)
{
    assert_non_null(mkdtemp(folder));
    snprintf(file, sizeof(file), "%s/c.ini", folder);
    snprintf(config_arg, sizeof(config_arg), "--config=%s", file);
    return 0;
}

static int teardown(void **state UNUSED)
{
    conf_clear(&conf);
    unlink(file);
    return rmdir(folder);
}

static void write_file(const char *text)
{
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int load(int count, const char *const *args)
{
    const char *argv[8] = { "program" };
    for (int i = 0; i < count; i++)
        argv[i + 1] = args[i];
    return conf_load(&conf, count + 1, (char **)argv);
}

static void test_defaults(void **state UNUSED)
{
    assert_int_equal(load(1, (const char *[]){ "--dsn=postgres://" }), 0);
    assert_string_equal(conf_text(&conf, "door-endpoint"), "tcp://127.0.0.1:0");
    assert_string_equal(conf_text(&conf, "dsn"), "postgres://");
    assert_int_equal(conf_int(&conf, "workers"), 4);
    assert_int_equal(conf_int(&conf, "offset"), -7);
    assert_int_equal(conf_bool(&conf, "time-advance"), 0);
    assert_string_equal(conf_text(&conf, "key-file"), "");
}

static void test_precedence(void **state UNUSED)
{
    write_file("; a comment\n[any]\nworkers = 5\noffset=6\ndsn : x=1 y=2\n[other]\n"
               "time-advance = yes\n");
    setenv("LUJIAN_WORKERS", "8", 1);
    setenv("LUJIAN_TIME_ADVANCE", "off", 1);
    setenv("LUJIAN_NOT_A_KEY", "x", 1);
    assert_int_equal(load(2, (const char *[]){ "--workers=9", config_arg }), 0);
    assert_int_equal(conf_int(&conf, "workers"), 9);
    assert_int_equal(conf_int(&conf, "offset"), 6);
    assert_int_equal(conf_bool(&conf, "time-advance"), 0);
    assert_string_equal(conf_text(&conf, "dsn"), "x=1 y=2");
    assert_int_equal(load(1, (const char *[]){ config_arg }), 0);
    assert_int_equal(conf_int(&conf, "workers"), 8);
    unsetenv("LUJIAN_WORKERS");
    unsetenv("LUJIAN_TIME_ADVANCE");
    unsetenv("LUJIAN_NOT_A_KEY");
    /* What a load does not set is as by default again. */
    assert_int_equal(load(1, (const char *[]){ "--dsn=d" }), 0);
    assert_int_equal(conf_int(&conf, "workers"), 4);
}

static void test_bad_arguments(void **state UNUSED)
{
    static const struct {
        const char *arg, *says;
    } cases[] = {
        { "--nope=1", "unknown key --nope" },
        { "--worker=1", "unknown key --worker" },
        { "--workers", "argument 1 is not --key=value" },
        { "workers=4", "argument 1 is not --key=value" },
        { "-w", "argument 1 is not --key=value" },
        { "", "argument 1 is not --key=value" },
        { "--workers=0", "workers is outside 1 to 64" },
        { "--workers=65", "workers is outside 1 to 64" },
        { "--workers=", "workers is not a whole number" },
        { "--workers=4x", "workers is not a whole number" },
        { "--workers= 4", "workers is not a whole number" },
        { "--workers=+4", "workers is not a whole number" },
        { "--workers=99999999999999999999", "workers is not a whole number" },
        { "--time-advance=maybe", "time-advance is neither true nor false" },
        { "--time-advance=TRUE", "time-advance is neither true nor false" },
        { "--key-file=\xff", "key-file is not UTF-8" },
        { "--key-file=x", "dsn is required" },
        { "--config=/nonexistent/x", "configuration: open /nonexistent/x: ENOENT" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(load(1, &cases[i].arg), ERR_INVALID_ARGUMENT);
        if (!strstr(err_last()->text, cases[i].says))
            fail_msg("%s: %s", cases[i].arg, err_last()->text);
        assert_null(skeleton_keys[0].value);
    }
    load(1, (const char *[]){ "--workers=s3cret" });
    assert_null(strstr(err_last()->text, "s3cret"));
}

static void test_bad_files(void **state UNUSED)
{
    char long_line[300] = "dsn = ";
    memset(long_line + 6, 'x', sizeof(long_line) - 7);
    const struct {
        const char *text, *says;
    } cases[] = {
        { "dsn = a\nnope = 1\n", "unknown key nope" },
        { "dsn = a\ndsn = b\n", "dsn is set twice" },
        { "dsn = a\n  go on\n", "dsn is set twice" },
        { "dsn = a\nworkers\n", "line 2 is not" },
        { "dsn = a\nworkers = many\n", "workers is not a whole number" },
        { long_line, "line 1 is longer than" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        write_file(cases[i].text);
        assert_int_equal(load(1, (const char *[]){ config_arg }), ERR_INVALID_ARGUMENT);
        if (!strstr(err_last()->text, cases[i].says) || !strstr(err_last()->text, "c.ini"))
            fail_msg("%s: %s", cases[i].text, err_last()->text);
    }
}

static void test_longest_line(void **state UNUSED)
{
    char text[256] = "dsn = ";
    memset(text + 6, 'x', 184);
    strcat(text, "\nworkers = 3\n");
    write_file(text);
    assert_int_equal(load(1, (const char *[]){ config_arg }), 0);
    assert_int_equal(strlen(conf_text(&conf, "dsn")), 184);
    assert_int_equal(conf_int(&conf, "workers"), 3);
}

static void test_bad_environment(void **state UNUSED)
{
    setenv("LUJIAN_WORKERS", "0", 1);
    assert_int_equal(load(1, (const char *[]){ "--dsn=a" }), ERR_INVALID_ARGUMENT);
    assert_string_equal(err_last()->text, "LUJIAN_WORKERS: workers is outside 1 to 64");
    unsetenv("LUJIAN_WORKERS");
}

static void test_help(void **state UNUSED)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    conf_print_help(&conf, out);
    fclose(out);
    assert_non_null(strstr(text, "\ndsn  (LUJIAN_DSN)\n    libpq URI\n    text, required\n"));
    assert_non_null(strstr(text, "number 1 to 64, default \"4\""));
    for (int t = 0; t < conf.table_count; t++) {
        for (struct conf_key *key = conf.tables[t]; key->name; key++)
            assert_non_null(strstr(text, key->name));
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),      cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_bad_arguments), cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_longest_line),  cmocka_unit_test(test_bad_environment),
        cmocka_unit_test(test_help),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

/* Options of commands, tables for people, and the files of credentials. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/util.h"
#include "cli.h"

static int parse(struct cli *cli, struct option_spec *specs, struct options *ret,
                 const char *const *words)
{
    char *argv[16];
    int argc = 0;
    arena_init(&cli->arena, 0);
    for (; words[argc]; argc++)
        argv[argc] = arena_strdup(&cli->arena, words[argc]);
    return options_parse(cli, argc, argv, specs, ret);
}

static void test_options(void **state UNUSED)
{
    struct option_spec specs[] = { { .name = "type" }, { .name = "once", .flag = true }, { 0 } };
    struct cli cli = { .peers = "from the environment" };
    struct options o;
    const char *const words[] = { "tail",     "--type", "a.b.v1",  "--once", "--type=c=d",
                                  "registry", "--",     "--other", NULL };
    assert_int_equal(parse(&cli, specs, &o, words), EXIT_DONE);
    assert_int_equal(o.word_count, 3);
    assert_string_equal(o.words[0], "tail");
    assert_string_equal(o.words[1], "registry");
    assert_string_equal(o.words[2], "--other");
    assert_int_equal(specs[0].count, 2);
    assert_string_equal(specs[0].values[0], "a.b.v1");
    assert_string_equal(option_value(&o, "type"), "c=d");
    assert_true(option_given(&o, "once"));
    assert_string_equal(cli.peers, "from the environment");
    arena_clear(&cli.arena);

    const char *const common[] = { "--peers", "p.ini", "--credentials=c.ini", NULL };
    assert_int_equal(parse(&cli, NULL, &o, common), EXIT_DONE);
    assert_string_equal(cli.peers, "p.ini");
    assert_string_equal(cli.credentials, "c.ini");
    assert_null(option_value(&o, "peers"));
    arena_clear(&cli.arena);
}

static void test_options_used_wrongly(void **state UNUSED)
{
    static const char *const cases[][3] = {
        { "--colour", "red" }, { "--type" }, { "--once=yes" }, { "--typ", "x" }, { "--types=x" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct option_spec specs[] = { { .name = "type" },
                                       { .name = "once", .flag = true },
                                       { 0 } };
        struct cli cli = { .peers = "" };
        struct options o;
        assert_int_equal(parse(&cli, specs, &o, cases[i]), EXIT_USAGE);
        arena_clear(&cli.arena);
    }
}

static void test_table(void **state UNUSED)
{
    static const char *const titles[] = { "A", "NAME", "C" };
    static const char *const rows[][3] = { { "long cell", "济南市", "x" }, { "s", "b", "" } };
    struct arena arena;
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    arena_init(&arena, 0);
    struct table *t = table_new(&arena, titles, 3);
    table_add(t, rows[0]);
    table_add(t, rows[1]);
    table_print(t, out);
    fclose(out);
    assert_string_equal(text, "A          NAME    C\n"
                              "long cell  济南市  x\n"
                              "s          b       \n");
    free(text);
    arena_clear(&arena);
}

static void test_credentials(void **state UNUSED)
{
    struct credentials made, again, read;
    struct cli cli = { .peers = "", .credentials = "" };
    char path[64], digits[65];
    snprintf(path, sizeof(path), "/tmp/lujian-credentials-%d.ini", (int)getpid());
    credentials_make("operator", "k1", &made);
    credentials_make("operator", "k1", &again);
    assert_string_not_equal(made.token, again.token);
    assert_string_not_equal(made.curve_secret, again.curve_secret);
    assert_int_equal(credentials_write(path, &made), 0);
    assert_int_equal(credentials_write(path, &again), ERR_REFUSED); /* never over another */

    assert_true(credentials_read(&cli, &read) < 0); /* none named */
    cli.credentials = path;
    assert_int_equal(credentials_read(&cli, &read), 0);
    assert_string_equal(read.principal, "operator");
    assert_string_equal(read.token, made.token);
    assert_string_equal(read.curve_secret, made.curve_secret);
    assert_int_equal(chmod(path, 0640), 0); /* what others may read is not a secret */
    assert_true(credentials_read(&cli, &read) < 0);
    unlink(path);

    memcpy(made.curve_public, again.curve_public, sizeof(made.curve_public)); /* not a pair */
    assert_int_equal(credentials_write(path, &made), 0);
    assert_true(credentials_read(&cli, &read) < 0);
    unlink(path);
    token_hash("abc", digits);
    assert_string_equal(digits, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_options_used_wrongly),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_credentials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

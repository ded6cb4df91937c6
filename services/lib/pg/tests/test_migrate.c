/* Migrations: in order, once, together with their row, by one process at a time; what was applied
 * never changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/util.h"
#include "pg/tests/pg_fixture.h"

#define M(n, sum, text)                                                                            \
    {                                                                                              \
        .number = (n), .name = "step", .sha256 = (sum), .sql = (text)                              \
    }
#define END                                                                                        \
    {                                                                                              \
        .number = 0                                                                                \
    }

static struct pg_fixture *fixture;
static const char *uri;

static int setup_group(void **state UNUSED)
{
    fixture = pg_fixture_open(NULL);
    return fixture ? 0 : -1;
}

static int teardown_group(void **state UNUSED)
{
    pg_fixture_close(fixture);
    return 0;
}

static int setup(void **state UNUSED)
{
    uri = pg_fixture_database(fixture);
    return uri ? 0 : -1;
}

static int teardown(void **state UNUSED)
{
    pg_fixture_drop(fixture, uri);
    return 0;
}

static int migrate(const struct pg_migration *a, const struct pg_migration *b)
{
    struct pg_module first = { .name = "first", .migrations = a },
                     second = { .name = "second", .migrations = b };
    const struct pg_module *modules[] = { &first, b ? &second : NULL, NULL };
    return pg_migrate(uri, modules);
}

static void check(const char *condition)
{
    char sql[300];
    struct pg *pg = pg_fixture_connect(fixture, uri);
    snprintf(sql, sizeof(sql), "SELECT 1 / (%s)::int", condition);
    if (pg_script(pg, sql) < 0)
        fail_msg("not so: %s (%s)", condition, err_last()->text);
    pg_close(pg);
}

static const struct pg_migration one[] = {
    M(1, "a1", "CREATE TABLE t (n int); INSERT INTO t VALUES (1)"), END
};
static const struct pg_migration two[] = {
    M(1, "a1", "CREATE TABLE t (n int); INSERT INTO t VALUES (1)"),
    M(2, "a2", "UPDATE t SET n = n * 10; INSERT INTO t VALUES (2)"), END
};
static const struct pg_migration of_second[] = { M(1, "b1", "CREATE TABLE u AS SELECT n FROM t"),
                                                 END };

static void test_in_order_and_once(void **state UNUSED)
{
    assert_int_equal(migrate(one, NULL), 0);
    assert_int_equal(migrate(one, NULL), 0);
    assert_int_equal(migrate(two, of_second), 0);
    assert_int_equal(migrate(two, of_second), 0);
    check("(SELECT sum(n) FROM t) = 12");
    check("(SELECT count(*) FROM u) = 2");
    check("(SELECT count(*) FROM schema_migration WHERE module = 'first') = 2");
    check("(SELECT sha256 FROM schema_migration WHERE module = 'second') = 'b1'");
}

static void test_changed_afterwards(void **state UNUSED)
{
    static const struct pg_migration changed[] = { M(1, "other", "CREATE TABLE t (n int)"), END };
    assert_int_equal(migrate(one, NULL), 0);
    assert_int_equal(migrate(changed, NULL), ERR_INTERNAL);
    assert_non_null(strstr(err_last()->text, "changed"));
}

static void test_a_failed_one_leaves_nothing(void **state UNUSED)
{
    static const struct pg_migration broken[] = {
        M(1, "a1", "CREATE TABLE t (n int); INSERT INTO t VALUES (1)"),
        M(2, "x", "CREATE TABLE v (n int); SELECT 1 / 0"), END
    };
    assert_int_equal(migrate(broken, NULL), ERR_INTERNAL);
    assert_string_equal(err_last()->sqlstate, "22012");
    assert_non_null(strstr(err_last()->text, "0002_step"));
    check("to_regclass('v') IS NULL");
    check("to_regclass('t') IS NOT NULL");
    assert_int_equal(migrate(two, NULL), 0);
    check("(SELECT sum(n) FROM t) = 12");
}

static void test_an_older_binary_runs_on_a_newer_schema(void **state UNUSED)
{
    assert_int_equal(migrate(two, NULL), 0);
    assert_int_equal(migrate(one, NULL), 0);
}

static void test_one_that_was_left_out(void **state UNUSED)
{
    static const struct pg_migration gap[] = { M(2, "a2", "CREATE TABLE t (n int)"), END };
    assert_int_equal(migrate(gap, NULL), 0);
    assert_int_equal(migrate(two, NULL), ERR_INTERNAL);
    assert_non_null(strstr(err_last()->text, "left out"));
}

static void test_several_at_once(void **state UNUSED)
{
    pid_t pids[6];
    for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            _exit(migrate(two, of_second) == 0 ? 0 : 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    check("(SELECT sum(n) FROM t) = 12");
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_in_order_and_once),           CASE(test_changed_afterwards),
        CASE(test_a_failed_one_leaves_nothing), CASE(test_an_older_binary_runs_on_a_newer_schema),
        CASE(test_one_that_was_left_out),       CASE(test_several_at_once),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}

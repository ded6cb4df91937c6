/* Transactions: what is queued, when a failure shows, and what each end of a commit is told as. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/util.h"
#include "pg/tests/pg_fixture.h"

static const struct pg_query insert = { .name = "t_insert",
                                        .sql = "INSERT INTO t (id, v) VALUES ($1, $2)" };
static const struct pg_query insert_returning = {
    .name = "t_insert_returning", .sql = "INSERT INTO t (id, v) VALUES ($1, $2) RETURNING id + 1, v"
};
static const struct pg_query count = { .name = "t_count", .sql = "SELECT count(*) FROM t" };
static const struct pg_query update = { .name = "t_update", .sql = "UPDATE t SET v = v || '!'" };
static const struct pg_query divide = { .name = "t_divide", .sql = "SELECT 1 / $1::int" };
static const struct pg_query raise_sql = { .name = "t_raise", .sql = "SELECT t_raise($1, $2)" };
static const struct pg_query deferred = { .name = "t_deferred",
                                          .sql = "INSERT INTO d (v) VALUES ($1)" };
static const struct pg_query terminate = { .name = "t_terminate",
                                           .sql = "SELECT pg_terminate_backend(pg_backend_pid())" };
static const struct pg_query rolls_back = { .name = "t_rolls_back", .sql = "ROLLBACK" };
static const struct pg_query *const queries[] = { &insert,   &insert_returning, &count,
                                                  &update,   &divide,           &raise_sql,
                                                  &deferred, &terminate,        &rolls_back,
                                                  NULL };
static const struct pg_migration migrations[] = {
    { .number = 1,
      .name = "t",
      .sha256 = "0",
      .sql = "CREATE TABLE t (id bigint PRIMARY KEY, v text NOT NULL);"
             "CREATE TABLE d (v text UNIQUE DEFERRABLE INITIALLY DEFERRED);"
             "CREATE FUNCTION t_raise(code text, level text) RETURNS void LANGUAGE plpgsql AS $$"
             " BEGIN IF level = 'warning' THEN RAISE WARNING USING ERRCODE = code;"
             " ELSE RAISE EXCEPTION USING ERRCODE = code; END IF; END $$" },
    { .number = 0 },
};
static const struct pg_module module = { .name = "t",
                                         .queries = queries,
                                         .migrations = migrations };
static const struct pg_module *const modules[] = { &module, NULL };

static struct pg_fixture *fixture;

struct context {
    const char *uri;
    struct pg *pg, *other;
    struct arena arena;
};

static int setup_group(void **state UNUSED)
{
    fixture = pg_fixture_open(modules);
    return fixture ? 0 : -1;
}

static int teardown_group(void **state UNUSED)
{
    pg_fixture_close(fixture);
    return 0;
}

static int setup(void **state)
{
    static struct context context;
    context = (struct context){ .uri = pg_fixture_database(fixture) };
    if (!context.uri)
        return -1;
    context.pg = pg_fixture_connect(fixture, context.uri);
    context.other = pg_fixture_connect(fixture, context.uri);
    arena_init(&context.arena, 0);
    *state = &context;
    return context.pg && context.other ? 0 : -1;
}

static int teardown(void **state)
{
    struct context *c = *state;
    pg_close(c->pg);
    pg_close(c->other);
    arena_clear(&c->arena);
    pg_fixture_drop(fixture, c->uri);
    return 0;
}

static int64_t rows_of(struct context *c, struct pg *pg)
{
    struct pg_rows rows;
    assert_int_equal(pg_read(pg, &c->arena, &count, PG_NO_ARGS, &rows), 0);
    return pg_row_int(&rows, 0, 0);
}

/* The transaction of each case of an end: one row written, then committed with this statement. */
static enum pg_outcome commit_with(struct context *c, const struct pg_query *query,
                                   const struct pg_param *params, int n)
{
    struct pg_rows rows = { 0 };
    assert_int_equal(pg_begin(c->pg), 0);
    assert_int_equal(pg_write(c->pg, &insert, PG_ARGS(pg_int(1), pg_text("a"))), 0);
    return pg_commit_with(c->pg, &c->arena, query, params, n, &rows);
}

static void test_writes_are_seen_after_commit_only(void **state)
{
    struct context *c = *state;
    struct pg_rows rows;
    assert_int_equal(pg_begin(c->pg), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(pg_write(c->pg, &insert, PG_ARGS(pg_int(i), pg_text("v"))), 0);
    assert_int_equal(rows_of(c, c->pg), 10);
    assert_int_equal(rows_of(c, c->other), 0);
    assert_int_equal(pg_commit_with(c->pg, &c->arena, &insert_returning,
                                    PG_ARGS(pg_int(41), pg_text("it's \\ \"quoted\" 鲁鉴")), &rows),
                     PG_DONE);
    assert_int_equal(rows.count, 1);
    assert_int_equal(pg_row_int(&rows, 0, 0), 42);
    assert_string_equal(pg_row_text(&rows, 0, 1), "it's \\ \"quoted\" 鲁鉴");
    assert_int_equal(rows_of(c, c->other), 11);
    assert_int_equal(rows_of(c, c->pg), 11);
}

static void test_commit_without_statement(void **state)
{
    struct context *c = *state;
    assert_int_equal(commit_with(c, NULL, PG_NO_ARGS), PG_DONE);
    assert_int_equal(rows_of(c, c->other), 1);
}

static void test_flush_tells_the_last_writes_rows(void **state)
{
    struct context *c = *state;
    int64_t affected = -1;
    assert_int_equal(pg_begin(c->pg), 0);
    for (int i = 0; i < 7; i++)
        assert_int_equal(pg_write(c->pg, &insert, PG_ARGS(pg_int(i), pg_text("v"))), 0);
    assert_int_equal(pg_write(c->pg, &update, PG_NO_ARGS), 0);
    assert_int_equal(pg_flush(c->pg, &affected), 0);
    assert_int_equal(affected, 7);
    pg_rollback(c->pg);
    assert_int_equal(rows_of(c, c->pg), 0);
}

static void test_failed_write_shows_at_the_read(void **state)
{
    struct context *c = *state;
    struct pg_rows rows;
    assert_int_equal(pg_begin(c->pg), 0);
    assert_int_equal(pg_write(c->pg, &insert, PG_ARGS(pg_int(1), pg_text("secret"))), 0);
    assert_int_equal(pg_write(c->pg, &insert, PG_ARGS(pg_int(1), pg_text("secret"))), 0);
    assert_int_equal(pg_write(c->pg, &insert, PG_ARGS(pg_int(2), pg_text("secret"))), 0);
    assert_int_equal(pg_read(c->pg, &c->arena, &count, PG_NO_ARGS, &rows), ERR_INTERNAL);
    assert_string_equal(err_last()->sqlstate, "23505");
    assert_non_null(strstr(err_last()->text, "t_insert"));
    assert_non_null(strstr(err_last()->text, "t_pkey"));
    assert_null(strstr(err_last()->text, "secret"));
    /* It is told again until the rollback, and nothing more is sent. */
    assert_int_equal(pg_write(c->pg, &insert, PG_ARGS(pg_int(3), pg_text("x"))), ERR_INTERNAL);
    assert_int_equal(pg_commit_with(c->pg, &c->arena, NULL, PG_NO_ARGS, NULL), PG_NOT_EXECUTED);
    assert_string_equal(err_last()->sqlstate, "23505");
    assert_int_equal(rows_of(c, c->pg), 0);
}

static void test_failed_write_shows_at_commit(void **state)
{
    struct context *c = *state;
    assert_int_equal(pg_begin(c->pg), 0);
    assert_int_equal(pg_write(c->pg, &insert, PG_ARGS(pg_int(1), pg_null())), 0);
    assert_int_equal(pg_commit_with(c->pg, &c->arena, NULL, PG_NO_ARGS, NULL), PG_NOT_EXECUTED);
    assert_string_equal(err_last()->sqlstate, "23502");
    assert_int_equal(commit_with(c, NULL, PG_NO_ARGS), PG_DONE);
}

static void test_failure_outside_a_transaction_is_told_once(void **state)
{
    struct context *c = *state;
    struct pg_rows rows;
    assert_int_equal(pg_read(c->pg, &c->arena, &divide, PG_ARGS(pg_int(0)), &rows), ERR_INTERNAL);
    assert_string_equal(err_last()->sqlstate, "22012");
    assert_int_equal(pg_read(c->pg, &c->arena, &divide, PG_ARGS(pg_int(1)), &rows), 0);
    /* Messages of class 22 quote what was put in. */
    assert_int_equal(pg_read(c->pg, &c->arena, &divide, PG_ARGS(pg_text("13800000000x")), &rows),
                     ERR_INTERNAL);
    assert_null(strstr(err_last()->text, "13800000000"));
}

static void test_not_executed(void **state)
{
    struct context *c = *state;
    /* An SQLSTATE of the last statement. */
    assert_int_equal(commit_with(c, &divide, PG_ARGS(pg_int(0))), PG_NOT_EXECUTED);
    assert_string_equal(err_last()->sqlstate, "22012");
    /* 40001 and its like may be run again. */
    assert_int_equal(commit_with(c, &raise_sql, PG_ARGS(pg_text("40001"), pg_text("error"))),
                     PG_NOT_EXECUTED);
    assert_int_equal(err_last()->code, ERR_AGAIN);
    /* An SQLSTATE of COMMIT itself. */
    assert_int_equal(pg_begin(c->pg), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pg_write(c->pg, &deferred, PG_ARGS(pg_text("same"))), 0);
    assert_int_equal(pg_commit_with(c->pg, &c->arena, NULL, PG_NO_ARGS, NULL), PG_NOT_EXECUTED);
    assert_string_equal(err_last()->sqlstate, "23505");
    /* A transaction that ended before its COMMIT is never told as done. */
    assert_int_equal(pg_begin(c->pg), 0);
    assert_int_equal(pg_write(c->pg, &insert, PG_ARGS(pg_int(1), pg_text("a"))), 0);
    assert_int_equal(pg_write(c->pg, &rolls_back, PG_NO_ARGS), 0);
    assert_int_not_equal(pg_commit_with(c->pg, &c->arena, NULL, PG_NO_ARGS, NULL), PG_DONE);

    assert_true(pg_alive(c->pg));
    assert_int_equal(rows_of(c, c->pg), 0);
    assert_int_equal(commit_with(c, NULL, PG_NO_ARGS), PG_DONE);
}

static void test_unknown_by_a_warning(void **state)
{
    struct context *c = *state;
    assert_int_equal(commit_with(c, &raise_sql, PG_ARGS(pg_text("01000"), pg_text("warning"))),
                     PG_UNKNOWN);
    assert_int_equal(err_last()->code, ERR_OUTCOME_UNKNOWN);
    assert_true(pg_alive(c->pg));
    assert_int_equal(rows_of(c, c->other), 1);
    /* A warning that came before is none of COMMIT. */
    assert_int_equal(pg_begin(c->pg), 0);
    assert_int_equal(pg_write(c->pg, &raise_sql, PG_ARGS(pg_text("01000"), pg_text("warning"))), 0);
    assert_int_equal(pg_commit_with(c->pg, &c->arena, NULL, PG_NO_ARGS, NULL), PG_DONE);
}

static void test_unknown_by_a_shutdown(void **state)
{
    struct context *c = *state;
    assert_int_equal(commit_with(c, &terminate, PG_NO_ARGS), PG_UNKNOWN);
    assert_int_equal(err_last()->code, ERR_OUTCOME_UNKNOWN);
    assert_false(pg_alive(c->pg));
    assert_int_equal(pg_begin(c->pg), ERR_AGAIN);
    assert_int_equal(rows_of(c, c->other), 0);
}

static void test_lost_before_commit_is_not_executed(void **state)
{
    struct context *c = *state;
    assert_int_equal(pg_begin(c->pg), 0);
    assert_int_equal(pg_write(c->pg, &insert, PG_ARGS(pg_int(1), pg_text("a"))), 0);
    assert_int_equal(pg_write(c->pg, &terminate, PG_NO_ARGS), 0);
    assert_int_equal(pg_commit_with(c->pg, &c->arena, NULL, PG_NO_ARGS, NULL), PG_NOT_EXECUTED);
    assert_int_equal(err_last()->code, ERR_AGAIN);
    assert_false(pg_alive(c->pg));
}

static void test_idle_in_transaction_is_not_executed(void **state)
{
    struct context *c = *state;
    struct pg_rows rows;
    assert_int_equal(pg_script(c->pg, "SET idle_in_transaction_session_timeout = '100ms'"), 0);
    assert_int_equal(pg_begin(c->pg), 0);
    assert_int_equal(
        pg_read(c->pg, &c->arena, &insert_returning, PG_ARGS(pg_int(1), pg_text("a")), &rows), 0);
    /* The other connection waits for the row, and so for the end of the first. */
    assert_int_equal(
        pg_read(c->other, &c->arena, &insert_returning, PG_ARGS(pg_int(1), pg_text("b")), &rows),
        0);
    assert_int_equal(pg_commit_with(c->pg, &c->arena, NULL, PG_NO_ARGS, NULL), PG_NOT_EXECUTED);
    assert_int_equal(err_last()->code, ERR_AGAIN);
    assert_false(pg_alive(c->pg));
}

static void test_pinned_settings(void **state)
{
    struct context *c = *state;
    static const struct {
        const char *name, *value;
    } wanted[] = {
        { "default_transaction_isolation", "read committed" },
        { "transaction_isolation", "read committed" },
        { "idle_in_transaction_session_timeout", "10s" },
        { "standard_conforming_strings", "on" },
        { "client_encoding", "UTF8" },
        { "synchronous_commit", "on" },
    };
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        char sql[200];
        snprintf(sql, sizeof(sql), "SELECT 1 / (current_setting('%s') = '%s')::int", wanted[i].name,
                 wanted[i].value);
        assert_int_equal(pg_script(c->pg, sql), 0);
    }
}

static void test_a_weaker_commit_is_not_believed(void **state)
{
    struct context *c = *state;
    assert_int_equal(
        pg_script(c->other, "DO $$ BEGIN"
                            " EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off',"
                            " current_database());"
                            " EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation"
                            " = serializable', current_database()); END $$"),
        0);
    struct pg *pg = pg_fixture_connect(fixture, c->uri);
    assert_int_equal(
        pg_script(pg, "SELECT 1 / (current_setting('synchronous_commit') = 'on')::int"), 0);
    assert_int_equal(pg_begin(pg), 0);
    assert_int_equal(
        pg_script(pg,
                  "SELECT 1 / (current_setting('transaction_isolation') = 'read committed')::int"),
        0);
    pg_rollback(pg);
    pg_close(pg);
}

static void test_notifications(void **state)
{
    struct context *c = *state;
    const char *channel = "", *payload = "";
    assert_int_equal(pg_script(c->pg, "LISTEN news"), 0);
    assert_int_equal(pg_notification(c->pg, &c->arena, &channel, &payload), 0);
    assert_int_equal(pg_script(c->other, "NOTIFY news, 'of the day'"), 0);
    while (pg_notification(c->pg, &c->arena, &channel, &payload) == 0) {
    }
    assert_string_equal(channel, "news");
    assert_string_equal(payload, "of the day");
}

static void test_a_server_that_is_not_there(void **state UNUSED)
{
    struct pg *pg = NULL;
    struct pg_options options = { .uri = "postgresql://127.0.0.1:1/x?sslmode=disable" };
    assert_int_equal(pg_open(&pg, &options), ERR_AGAIN);
    assert_null(pg);
}

static void test_a_statement_that_cannot_be_prepared(void **state)
{
    struct context *c = *state;
    static const struct pg_query bad = { .name = "t_bad", .sql = "SELECT nothing FROM nowhere" };
    static const struct pg_query *const bad_queries[] = { &count, &bad, NULL };
    static const struct pg_module bad_module = { .name = "bad", .queries = bad_queries };
    static const struct pg_module *const bad_modules[] = { &bad_module, NULL };
    struct pg *pg = NULL;
    struct pg_options options = { .uri = c->uri, .modules = bad_modules };
    assert_int_equal(pg_open(&pg, &options), ERR_INTERNAL);
    assert_string_equal(err_last()->sqlstate, "42P01");
    assert_non_null(strstr(err_last()->text, "t_bad"));
    assert_null(pg);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_writes_are_seen_after_commit_only),
        CASE(test_commit_without_statement),
        CASE(test_flush_tells_the_last_writes_rows),
        CASE(test_failed_write_shows_at_the_read),
        CASE(test_failed_write_shows_at_commit),
        CASE(test_failure_outside_a_transaction_is_told_once),
        CASE(test_not_executed),
        CASE(test_unknown_by_a_warning),
        CASE(test_unknown_by_a_shutdown),
        CASE(test_lost_before_commit_is_not_executed),
        CASE(test_idle_in_transaction_is_not_executed),
        CASE(test_pinned_settings),
        CASE(test_a_weaker_commit_is_not_believed),
        CASE(test_notifications),
        cmocka_unit_test(test_a_server_that_is_not_there),
        CASE(test_a_statement_that_cannot_be_prepared),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}

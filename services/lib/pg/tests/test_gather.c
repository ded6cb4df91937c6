/* Gathered rows: nothing of them is lost, changed or late, however many they are and whatever is
 * queued between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/util.h"
#include "pg/pg_inside.h"
#include "pg/tests/pg_fixture.h"

static const struct pg_query row_query = {
    .name = "g_row",
    .sql = "INSERT INTO g (n, t, b, f) SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[], "
           "$4::boolean[])"
};
/* One statement more than there are places. */
#define OTHER(k)                                                                                   \
    {                                                                                              \
        .name = "g_o" #k, .sql = "INSERT INTO o (n) SELECT unnest($1::bigint[])"                   \
    }
static const struct pg_query other_queries[] = {
    OTHER(0), OTHER(1), OTHER(2),  OTHER(3),  OTHER(4),  OTHER(5),  OTHER(6),  OTHER(7),
    OTHER(8), OTHER(9), OTHER(10), OTHER(11), OTHER(12), OTHER(13), OTHER(14), OTHER(15),
};
static const struct pg_query set_query = {
    .name = "g_set",
    .sql = "UPDATE g SET t = v.t FROM (SELECT unnest($1::bigint[]) AS n, unnest($2::text[]) AS t) v"
           " WHERE g.n = v.n AND g.n = ANY($1::bigint[])"
};
static const struct pg_query kinds_query = {
    .name = "g_kinds",
    .sql = "INSERT INTO kinds SELECT unnest($1::smallint[]), unnest($2::integer[]), "
           "unnest($3::uuid[]), unnest($4::int[])"
};
static const struct pg_query kinds_get_query = { .name = "g_kinds_get",
                                                 .sql = "SELECT s, i, u, j FROM kinds ORDER BY s" };
static const struct pg_query explain_query = {
    .name = "g_explain", .sql = "EXPLAIN (VERBOSE) EXECUTE g_set('{1}', '{x}')"
};
static const struct pg_query double_query = { .name = "g_double", .sql = "UPDATE g SET n = 2 * n" };
static const struct pg_query count_query = { .name = "g_count",
                                             .sql = "SELECT count(*), sum(n) FROM g" };
static const struct pg_query others_query = { .name = "g_others",
                                              .sql = "SELECT count(*), sum(n) FROM o" };
static const struct pg_query get_query = { .name = "g_get",
                                           .sql = "SELECT t, b, f FROM g WHERE n = $1" };
/* How many statements wrote the rows: each has a command id of its own. */
static const struct pg_query statements_query = { .name = "g_statements",
                                                  .sql =
                                                      "SELECT count(DISTINCT cmin::text) FROM g" };
static const struct pg_query *const queries[] = {
    &row_query,         &double_query,      &count_query,
    &others_query,      &get_query,         &statements_query,
    &set_query,         &kinds_query,       &kinds_get_query,
    &explain_query,     &other_queries[0],  &other_queries[1],
    &other_queries[2],  &other_queries[3],  &other_queries[4],
    &other_queries[5],  &other_queries[6],  &other_queries[7],
    &other_queries[8],  &other_queries[9],  &other_queries[10],
    &other_queries[11], &other_queries[12], &other_queries[13],
    &other_queries[14], &other_queries[15], NULL
};
static const struct pg_migration migrations[] = {
    { .number = 1,
      .name = "g",
      .sha256 = "g1",
      .sql = "CREATE TABLE g (n bigint PRIMARY KEY, t text, b bytea, f boolean);"
             "CREATE TABLE o (n bigint);"
             "CREATE TABLE kinds (s smallint, i integer, u uuid, j integer)" },
    { .number = 0 },
};
static const struct pg_module module = { .name = "g",
                                         .queries = queries,
                                         .migrations = migrations };
static const struct pg_module *const modules[] = { &module, NULL };

static struct pg_fixture *fixture;
static struct pg *pg;
static struct arena arena;

static int setup_group(void **state)
{
    (void)state;
    fixture = pg_fixture_open(modules);
    return fixture ? 0 : -1;
}

static int teardown_group(void **state)
{
    (void)state;
    pg_fixture_close(fixture);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    pg = pg_fixture_connect(fixture, pg_fixture_database(fixture));
    return pg ? pg_begin(pg) : -1;
}

static int teardown(void **state)
{
    (void)state;
    pg_close(pg);
    arena_clear(&arena);
    return 0;
}

static int gather(int64_t n, const char *text)
{
    return pg_gather(pg, &row_query,
                     PG_ARGS(pg_int(n), pg_text(text), pg_bytes(&n, sizeof(n)), pg_bool(n % 2)));
}

static int64_t ask(const struct pg_query *query, int column)
{
    struct pg_rows rows;
    assert_int_equal(pg_read(pg, &arena, query, PG_NO_ARGS, &rows), 0);
    return pg_row_int(&rows, 0, column);
}

/* Every kind of value, as it would have been written alone. */
static void test_values(void **state)
{
    (void)state;
    static const char *const texts[] = { "",     "NULL", "null",  "{}",  "a,b",  "\"", "\\",
                                         "\\\"", "'",    "\n\t ", " x ", "占道", NULL };
    static const uint8_t bytes[] = { 0, '\\', '"', 0xff };
    struct pg_rows rows;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        assert_int_equal(pg_gather(pg, &row_query,
                                   PG_ARGS(pg_int((int64_t)i), pg_text(texts[i]),
                                           i % 2 ? pg_null() : pg_bytes(bytes, i % 5),
                                           i % 3 ? pg_bool(i % 3 == 1) : pg_null())),
                         0);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(pg_read(pg, &arena, &get_query, PG_ARGS(pg_int((int64_t)i)), &rows), 0);
        assert_int_equal(rows.count, 1);
        assert_int_equal(pg_row_is_null(&rows, 0, 0), !texts[i]);
        assert_string_equal(pg_row_text(&rows, 0, 0), texts[i] ? texts[i] : "");
        assert_int_equal(pg_row_is_null(&rows, 0, 1), i % 2);
        if (i % 2 == 0) {
            size_t size;
            const uint8_t *data = pg_row_bytes(&rows, 0, 1, &arena, &size);
            assert_int_equal(size, i % 5);
            assert_memory_equal(data, bytes, size);
        }
        assert_int_equal(pg_row_is_null(&rows, 0, 2), i % 3 == 0);
        assert_int_equal(pg_row_bool(&rows, 0, 2), i % 3 == 1);
    }
}

/* The types that no other table here has, at their ends. */
static void test_kinds(void **state)
{
    (void)state;
    static const char one[] = "018f3a3e-7c2b-7def-8a11-0123456789ab";
    static const char ones[] = "ffffffff-ffff-ffff-ffff-ffffffffffff";
    struct pg_rows rows;
    assert_int_equal(
        pg_gather(pg, &kinds_query,
                  PG_ARGS(pg_int(INT16_MIN), pg_int(INT32_MAX), pg_text(one), pg_int(INT32_MIN))),
        0);
    assert_int_equal(
        pg_gather(pg, &kinds_query, PG_ARGS(pg_int(-1), pg_int(-1), pg_text(ones), pg_int(0))), 0);
    assert_int_equal(
        pg_gather(pg, &kinds_query, PG_ARGS(pg_int(INT16_MAX), pg_null(), pg_null(), pg_null())),
        0);
    assert_int_equal(pg_read(pg, &arena, &kinds_get_query, PG_NO_ARGS, &rows), 0);
    assert_int_equal(rows.count, 3);
    assert_int_equal(pg_row_int(&rows, 0, 0), INT16_MIN);
    assert_int_equal(pg_row_int(&rows, 0, 1), INT32_MAX);
    assert_string_equal(pg_row_text(&rows, 0, 2), one);
    assert_int_equal(pg_row_int(&rows, 0, 3), INT32_MIN);
    assert_int_equal(pg_row_int(&rows, 1, 1), -1);
    assert_string_equal(pg_row_text(&rows, 1, 2), ones);
    for (int column = 1; column < 4; column++)
        assert_true(pg_row_is_null(&rows, 2, column));
}

/* What is no value of its type is not sent, and nothing of the transaction is committed. */
static void test_no_value(void **state)
{
    (void)state;
    const struct pg_param bad[][4] = {
        { pg_int(INT16_MAX + 1), pg_null(), pg_null(), pg_null() },
        { pg_null(), pg_int(INT64_C(1) << 31), pg_null(), pg_null() },
        { pg_null(), pg_null(), pg_text(""), pg_null() },
        { pg_null(), pg_null(), pg_text("018f3a3e-7c2b-7def-8a11-0123456789a"), pg_null() },
        { pg_null(), pg_null(), pg_text("018f3a3e-7c2b-7def-8a11-0123456789ab0"), pg_null() },
        { pg_null(), pg_null(), pg_text("018f3a3e-7c2b-7def-8a11-0123456789ag"), pg_null() },
        { pg_null(), pg_null(), pg_text("018f3a3e07c2b-7def-8a11-0123456789ab"), pg_null() },
        { pg_null(), pg_null(), pg_null(), pg_text("1") },
        { pg_bool(true), pg_null(), pg_null(), pg_null() },
        { pg_null(), pg_bytes("x", 1), pg_null(), pg_null() },
        { pg_null(), pg_null(), pg_int(1), pg_null() },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct pg_rows rows;
        assert_int_equal(gather((int64_t)i, "beside it"), 0);
        assert_int_equal(pg_gather(pg, &kinds_query, bad[i], 4), ERR_INTERNAL);
        assert_int_equal(pg_read(pg, &arena, &count_query, PG_NO_ARGS, &rows), ERR_INTERNAL);
        assert_int_equal(pg_commit_with(pg, &arena, NULL, PG_NO_ARGS, NULL), PG_NOT_EXECUTED);
        pg_rollback(pg);
        assert_int_equal(ask(&count_query, 0), 0);
        assert_int_equal(pg_begin(pg), 0);
    }
}

/* Few statements for many small rows; a row that is larger than a group goes alone. */
static void test_many(void **state)
{
    (void)state;
    enum { ROWS = 1000, LARGE = 100000 };
    char *large = arena_alloc(&arena, LARGE + 1);
    memset(large, 'x', LARGE);
    large[LARGE] = '\0';
    for (int i = 1; i <= ROWS; i++)
        assert_int_equal(gather(i, i % 100 == 50 ? large : "short"), 0);
    assert_int_equal(ask(&count_query, 0), ROWS);
    assert_int_equal(ask(&count_query, 1), ROWS * (ROWS + 1) / 2);
    int64_t statements = ask(&statements_query, 0);
    assert_in_range(statements, 2, 40);
}

/* What a batch of commands writes into a table, many groups' worth of it, is one statement. */
static void test_a_batch_is_one_statement(void **state)
{
    (void)state;
    enum { ROWS = 64, TEXT = 1500 };
    char text[TEXT + 1];
    memset(text, 'x', TEXT);
    text[TEXT] = '\0';
    for (int i = 1; i <= ROWS; i++)
        assert_int_equal(gather(i, text), 0);
    assert_int_equal(ask(&count_query, 0), ROWS);
    assert_int_equal(ask(&statements_query, 0), 1);
}

/* A write comes after what was gathered before it and before what is gathered after it. */
static void test_order(void **state)
{
    (void)state;
    assert_int_equal(gather(1, "before"), 0);
    assert_int_equal(pg_write(pg, &double_query, PG_NO_ARGS), 0);
    assert_int_equal(gather(3, "after"), 0);
    assert_int_equal(ask(&count_query, 1), 2 + 3);
    assert_int_equal(gather(10, "last"), 0);
    assert_int_equal(pg_commit_with(pg, &arena, NULL, PG_NO_ARGS, NULL), PG_DONE);
    assert_int_equal(ask(&count_query, 1), 2 + 3 + 10);
}

/* Large statements, each of which goes alone, go in the order in which they were begun. */
static void test_order_of_large(void **state)
{
    (void)state;
    enum { LARGE = 20000 };
    struct pg_rows rows;
    char *large = arena_alloc(&arena, LARGE + 1);
    memset(large, 'x', LARGE);
    large[LARGE] = '\0';
    assert_int_equal(gather(1, large), 0);
    large[0] = 'y';
    assert_int_equal(pg_gather(pg, &set_query, PG_ARGS(pg_int(1), pg_text(large))), 0);
    assert_int_equal(pg_gather_end(pg), 0);
    assert_int_equal(pg_read(pg, &arena, &get_query, PG_ARGS(pg_int(1)), &rows), 0);
    assert_int_equal(pg_row_text(&rows, 0, 0)[0], 'y');
}

/* More statements at a time than there are places. */
static void test_places(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        assert_int_equal(gather(i, "x"), 0);
        for (size_t k = 0; k < ARRAY_LEN(other_queries); k++)
            assert_int_equal(pg_gather(pg, &other_queries[k], PG_ARGS(pg_int(i))), 0);
    }
    assert_int_equal(ask(&count_query, 0), 50);
    int others = (int)ARRAY_LEN(other_queries);
    assert_true(others + 1 > PG_GATHERED_MAX);
    assert_int_equal(ask(&others_query, 0), 50 * others);
    assert_int_equal(ask(&others_query, 1), others * 49 * 50 / 2);
}

/* What is gathered after the end of the gathering comes after it, also by an earlier statement. */
static void test_end(void **state)
{
    (void)state;
    struct pg_rows rows;
    assert_int_equal(pg_gather(pg, &set_query, PG_ARGS(pg_int(7), pg_text("of nobody"))), 0);
    assert_int_equal(gather(1, "first"), 0);
    assert_int_equal(pg_gather_end(pg), 0);
    assert_int_equal(pg_gather(pg, &set_query, PG_ARGS(pg_int(1), pg_text("second"))), 0);
    assert_int_equal(pg_gather_end(pg), 0);
    assert_int_equal(pg_gather(pg, &set_query, PG_ARGS(pg_int(1), pg_text("third"))), 0);
    assert_int_equal(pg_read(pg, &arena, &get_query, PG_ARGS(pg_int(1)), &rows), 0);
    assert_string_equal(pg_row_text(&rows, 0, 0), "third");
}

/* On a keyed connection a statement over arrays is planned for any arrays, and joins by key even
 * while reading all of the table would be cheaper. */
static void test_keyed(void **state)
{
    (void)state;
    struct pg_rows rows;
    struct pg *keyed;
    const struct pg_options options = { .uri = pg_fixture_database(fixture),
                                        .application_name = "keyed",
                                        .modules = modules,
                                        .keyed = true };
    assert_int_equal(pg_open(&keyed, &options), 0);
    /* The size at which to read the table whole is the cheapest. */
    assert_int_equal(
        pg_script(keyed, "INSERT INTO g SELECT i, repeat('x', 600) FROM generate_series(1, 60) i"),
        0);
    assert_int_equal(pg_script(keyed, "ANALYZE g"), 0);
    assert_int_equal(pg_read(keyed, &arena, &explain_query, PG_NO_ARGS, &rows), 0);
    bool by_key = false, for_any = false;
    for (int i = 0; i < rows.count; i++) {
        const char *line = pg_row_text(&rows, i, 0);
        by_key |= strstr(line, "Index Cond") != NULL;
        assert_null(strstr(line, "Hash"));
        assert_null(strstr(line, "Merge"));
        for_any |= strstr(line, "unnest($1)") != NULL;
    }
    assert_true(by_key);
    assert_true(for_any);
    pg_close(keyed);
}

/* A row that cannot be written costs the transaction, and nothing of it stays behind. */
static void test_failure(void **state)
{
    (void)state;
    struct pg_rows rows;
    assert_int_equal(gather(1, "x"), 0);
    assert_int_equal(gather(1, "again"), 0);
    assert_true(pg_read(pg, &arena, &count_query, PG_NO_ARGS, &rows) < 0);
    assert_string_equal(err_last()->sqlstate, "23505");
    assert_true(gather(2, "x") < 0);
    pg_rollback(pg);
    assert_int_equal(ask(&count_query, 0), 0);
}

static void test_forgotten(void **state)
{
    (void)state;
    assert_int_equal(gather(1, "x"), 0);
    pg_rollback(pg);
    assert_int_equal(pg_begin(pg), 0);
    assert_int_equal(gather(2, "x"), 0);
    assert_int_equal(pg_commit_with(pg, &arena, NULL, PG_NO_ARGS, NULL), PG_DONE);
    assert_int_equal(ask(&count_query, 1), 2);
    assert_int_equal(pg_begin(pg), 0);
    assert_int_equal(gather(3, "never sent"), 0); /* the connection is closed with it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_value, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_batch_is_one_statement, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order_of_large, setup, teardown),
        cmocka_unit_test_setup_teardown(test_places, setup, teardown),
        cmocka_unit_test_setup_teardown(test_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keyed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forgotten, setup, teardown),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}

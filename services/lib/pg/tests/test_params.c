/* Parameters, arrays and rows: every value comes back as it went, in a prepared statement and as a
 * literal of a commit. */
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

static const struct pg_query scalars = {
    .name = "p_scalars",
    .sql = "SELECT $1::text, $2::bigint, $3::boolean, $4::bytea, $5::bigint, $6::text"
};
static const struct pg_query arrays = {
    .name = "p_arrays",
    .sql = "SELECT t, i, b, y FROM unnest($1::text[], $2::bigint[], $3::boolean[], $4::bytea[]) AS "
           "a(t, i, b, y)"
};
static const struct pg_query *const queries[] = { &scalars, &arrays, NULL };
static const struct pg_module module = { .name = "p", .queries = queries };
static const struct pg_module *const modules[] = { &module, NULL };

static const char *const texts[] = {
    "",
    "plain",
    "it's",
    "'",
    "''; DROP TABLE x; --",
    "\\",
    "\\x41",
    "\"",
    "{\"a\",NULL}",
    "NULL",
    "a,b",
    " ",
    "line\nline\ttab",
    "鲁鉴 縣 𠮷",
    "E'\\''",
    "$1",
    "/* */",
    "-- ",
};

static struct pg_fixture *fixture;
static struct pg *pg;
static struct arena arena;

static int setup_group(void **state UNUSED)
{
    fixture = pg_fixture_open(modules);
    const char *uri = fixture ? pg_fixture_database(fixture) : NULL;
    pg = uri ? pg_fixture_connect(fixture, uri) : NULL;
    arena_init(&arena, 0);
    return pg ? 0 : -1;
}

static int teardown_group(void **state UNUSED)
{
    arena_clear(&arena);
    pg_close(pg);
    pg_fixture_close(fixture);
    return 0;
}

/* As a prepared statement's parameters, and as the literals that a commit carries. */
static void run(bool by_commit, const struct pg_query *query, const struct pg_param *params,
                int count, struct pg_rows *ret_rows)
{
    if (!by_commit) {
        assert_int_equal(pg_read(pg, &arena, query, params, count, ret_rows), 0);
        return;
    }
    assert_int_equal(pg_begin(pg), 0);
    assert_int_equal(pg_commit_with(pg, &arena, query, params, count, ret_rows), PG_DONE);
}

static void check_scalars(bool by_commit)
{
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct pg_rows rows;
        size_t size;
        run(by_commit, &scalars,
            PG_ARGS(pg_text(texts[i]), pg_int(INT64_MIN + (int64_t)i), pg_bool(i % 2),
                    pg_bytes(texts[i], strlen(texts[i])), pg_instant(0), pg_code(texts[i])),
            &rows);
        assert_string_equal(pg_row_text(&rows, 0, 0), texts[i]);
        assert_true(pg_row_int(&rows, 0, 1) == INT64_MIN + (int64_t)i);
        assert_int_equal(pg_row_bool(&rows, 0, 2), i % 2);
        const uint8_t *bytes = pg_row_bytes(&rows, 0, 3, &arena, &size);
        assert_int_equal(size, strlen(texts[i]));
        assert_memory_equal(bytes, texts[i], size);
        assert_true(pg_row_is_null(&rows, 0, 4));
        assert_int_equal(pg_row_int(&rows, 0, 4), 0);
        assert_int_equal(pg_row_is_null(&rows, 0, 5), !*texts[i]);
        assert_string_equal(pg_row_text(&rows, 0, 5), texts[i]);
    }
}

static void check_bytes(bool by_commit)
{
    uint8_t all[1000];
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (uint8_t)i;
    struct pg_rows rows;
    size_t size;
    run(by_commit, &scalars,
        PG_ARGS(pg_null(), pg_null(), pg_null(), pg_bytes(all, sizeof(all)),
                pg_instant(INT64_C(1790000000123)), pg_code("")),
        &rows);
    const uint8_t *bytes = pg_row_bytes(&rows, 0, 3, &arena, &size);
    assert_int_equal(size, sizeof(all));
    assert_memory_equal(bytes, all, sizeof(all));
    assert_true(pg_row_int(&rows, 0, 4) == INT64_C(1790000000123));
    for (int column = 0; column < 3; column++)
        assert_true(pg_row_is_null(&rows, 0, column));
    assert_false(pg_row_bool(&rows, 0, 2));
    assert_string_equal(pg_row_text(&rows, 0, 0), "");
}

static void check_arrays(bool by_commit)
{
    struct pg_array t, i, b, y;
    struct pg_rows rows;
    pg_array_init(&t);
    pg_array_init(&i);
    pg_array_init(&b);
    pg_array_init(&y);
    run(by_commit, &arrays,
        PG_ARGS(pg_array_param(&t), pg_array_param(&i), pg_array_param(&b), pg_array_param(&y)),
        &rows);
    assert_int_equal(rows.count, 0);
    for (size_t n = 0; n < ARRAY_LEN(texts); n++) {
        pg_array_add_text(&t, texts[n]);
        pg_array_add_int(&i, (int64_t)n - 5);
        pg_array_add_bool(&b, n % 3);
        pg_array_add_bytes(&y, texts[n], strlen(texts[n]));
        (void)pg_array_param(&t); /* asked for in between, it goes on growing */
    }
    pg_array_add_text(&t, NULL);
    run(by_commit, &arrays,
        PG_ARGS(pg_array_param(&t), pg_array_param(&i), pg_array_param(&b), pg_array_param(&y)),
        &rows);
    assert_int_equal(rows.count, (int)ARRAY_LEN(texts) + 1);
    for (int n = 0; n < (int)ARRAY_LEN(texts); n++) {
        size_t size;
        assert_string_equal(pg_row_text(&rows, n, 0), texts[n]);
        assert_int_equal(pg_row_int(&rows, n, 1), n - 5);
        assert_int_equal(pg_row_bool(&rows, n, 2), n % 3 != 0);
        const uint8_t *bytes = pg_row_bytes(&rows, n, 3, &arena, &size);
        assert_int_equal(size, strlen(texts[n]));
        assert_memory_equal(bytes, texts[n], size);
    }
    assert_true(pg_row_is_null(&rows, rows.count - 1, 0));
    pg_array_clear(&t);
    pg_array_clear(&i);
    pg_array_clear(&b);
    pg_array_clear(&y);
}

static void test_as_parameters(void **state UNUSED)
{
    check_scalars(false);
    check_bytes(false);
    check_arrays(false);
}

static void test_as_literals(void **state UNUSED)
{
    check_scalars(true);
    check_bytes(true);
    check_arrays(true);
}

/* A row outlives the next read and dies with its arena. */
static void test_rows_live_in_the_arena(void **state UNUSED)
{
    struct pg_rows first, second;
    const struct pg_param null = pg_null();
    run(false, &scalars, PG_ARGS(pg_text("first"), null, null, null, null, null), &first);
    run(false, &scalars, PG_ARGS(pg_text("second"), null, null, null, null, null), &second);
    assert_string_equal(pg_row_text(&first, 0, 0), "first");
    assert_string_equal(pg_row_text(&second, 0, 0), "second");
}

/* A bug of ours, on a link that lives: not to be tried again. */
static void test_too_few_parameters(void **state UNUSED)
{
    struct pg_rows rows;
    assert_int_equal(pg_read(pg, &arena, &scalars, PG_ARGS(pg_text("too few")), &rows),
                     ERR_INTERNAL);
    assert_string_equal(err_last()->sqlstate, "08P01");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_parameters),
        cmocka_unit_test(test_as_literals),
        cmocka_unit_test(test_rows_live_in_the_arena),
        cmocka_unit_test(test_too_few_parameters),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}

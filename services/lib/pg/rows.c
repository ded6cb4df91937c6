/* Rows of a read, copied out of libpq's result into an arena. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pg/pg_inside.h"

#include "base/sha.h"

void pg_rows_copy(const PGresult *result, struct arena *arena, struct pg_rows *ret_rows)
{
    struct pg_rows rows = { .count = PQntuples(result), .columns = PQnfields(result) };
    size_t cells = (size_t)rows.count * (size_t)rows.columns;
    rows.values = arena_array(arena, const char *, cells);
    rows.lengths = arena_array(arena, int, cells);
    for (int row = 0; row < rows.count; row++) {
        for (int column = 0; column < rows.columns; column++) {
            size_t cell = (size_t)row * (size_t)rows.columns + (size_t)column;
            if (PQgetisnull(result, row, column))
                continue;
            int length = PQgetlength(result, row, column);
            rows.values[cell] =
                arena_memdup(arena, PQgetvalue(result, row, column), (size_t)length + 1);
            rows.lengths[cell] = length;
        }
    }
    *ret_rows = rows;
}

static size_t cell_of(const struct pg_rows *rows, int row, int column)
{
    assert_always(row >= 0 && row < rows->count && column >= 0 && column < rows->columns);
    return (size_t)row * (size_t)rows->columns + (size_t)column;
}

const char *pg_row_text(const struct pg_rows *rows, int row, int column)
{
    const char *value = rows->values[cell_of(rows, row, column)];
    return value ? value : "";
}

bool pg_row_is_null(const struct pg_rows *rows, int row, int column)
{
    return !rows->values[cell_of(rows, row, column)];
}

int64_t pg_row_int(const struct pg_rows *rows, int row, int column)
{
    const char *value = rows->values[cell_of(rows, row, column)];
    if (!value)
        return 0;
    char *end;
    errno = 0;
    int64_t number = strtoll(value, &end, 10);
    /* The statement and the code that reads it disagree on a column: a bug. */
    assert_always(end != value && !*end && !errno);
    return number;
}

bool pg_row_bool(const struct pg_rows *rows, int row, int column)
{
    const char *value = pg_row_text(rows, row, column);
    assert_always(!*value || !strcmp(value, "t") || !strcmp(value, "f"));
    return *value == 't';
}

const uint8_t *pg_row_bytes(const struct pg_rows *rows, int row, int column, struct arena *arena,
                            size_t *ret_size)
{
    size_t cell = cell_of(rows, row, column);
    const char *value = rows->values[cell];
    *ret_size = 0;
    if (!value)
        return NULL;
    size_t length = (size_t)rows->lengths[cell];
    /* bytea_output is pinned to hex. */
    assert_always(length >= 2 && value[0] == '\\' && value[1] == 'x' && length % 2 == 0);
    size_t size = (length - 2) / 2;
    uint8_t *data = arena_alloc(arena, size + 1);
    assert_always(hex_decode(value + 2, data, size));
    *ret_size = size;
    return data;
}

/* Gathered rows: what many commands of a batch write into the same table, sent as one statement.
 *
 * A statement's start, its round trip and the memory that the server takes for it cost as much as
 * several rows, so a statement is as large as half of the socket's buffer: the kernel counts more
 * for bytes than they are. */
#include <stdlib.h>

#include "pg/pg_inside.h"

#include "base/util.h"

#define COLUMN_BYTES 32 /* a column's share besides its elements */
#define ROOM         (PG_SEND_BUFFER_BYTES / 2)

static size_t row_bytes(const struct pg_param *params, int count)
{
    size_t bytes = 0;
    for (int i = 0; i < count; i++)
        bytes += sizeof(uint32_t) + MAX((size_t)params[i].length, sizeof(int64_t));
    return bytes;
}

static void gathered_free(struct pg_gathered *g)
{
    for (int i = 0; i < g->column_count; i++)
        pg_column_clear(&g->columns[i]);
    free(g);
}

static void forget(struct pg *pg, int i)
{
    for (; i + 1 < PG_GATHERED_MAX; i++)
        pg->gathered[i] = pg->gathered[i + 1];
    pg->gathered[i] = NULL;
}

/* It is taken off before it is queued: to queue a large one is to drain, and to drain comes here.
 */
static int queue_one(struct pg *pg, int i)
{
    struct pg_gathered *g = pg->gathered[i];
    struct pg_param params[PG_PARAMS_MAX];
    forget(pg, i);
    for (int column = 0; column < g->column_count; column++)
        params[column] = pg_column_param(&g->columns[column]);
    int r = pg_queue(pg, g->query, params, g->column_count);
    gathered_free(g);
    return r;
}

int pg_gather_end(struct pg *pg)
{
    int r = 0;
    while (r >= 0 && pg->gathered[0])
        r = queue_one(pg, 0);
    return r;
}

void pg_gathered_forget(struct pg *pg)
{
    for (int i = 0; i < PG_GATHERED_MAX; i++) {
        if (pg->gathered[i])
            gathered_free(pg->gathered[i]);
        pg->gathered[i] = NULL;
    }
}

/* The place of the statement, with room for the row; makes both. */
static int find_place(struct pg *pg, const struct pg_query *query, size_t bytes, int count)
{
    int i = 0, r = 0;
    while (i < PG_GATHERED_MAX && pg->gathered[i] && pg->gathered[i]->query != query)
        i++;
    if (i == PG_GATHERED_MAX || (pg->gathered[i] && pg->gathered[i]->bytes + bytes > ROOM)) {
        r = i == PG_GATHERED_MAX ? pg_gather_end(pg) : queue_one(pg, i);
        for (i = 0; i < PG_GATHERED_MAX && pg->gathered[i];)
            i++;
    }
    if (r < 0 || pg->gathered[i])
        return r < 0 ? r : i;
    struct pg_gathered *g = calloc(1, sizeof(*g));
    assert_always(g);
    g->query = query;
    g->column_count = count;
    g->bytes = COLUMN_BYTES * (size_t)count;
    for (int column = 0; column < count; column++)
        pg_column_init(&g->columns[column], pg_column_type(query, column));
    pg->gathered[i] = g;
    return i;
}

int pg_gather(struct pg *pg, const struct pg_query *query, const struct pg_param *params, int count)
{
    assert_always(pg->in_transaction && count > 0 && count <= PG_PARAMS_MAX);
    if (pg->failed)
        return pg_fail_again(pg);
    size_t bytes = row_bytes(params, count);
    int i = find_place(pg, query, bytes, count);
    if (i < 0)
        return i;
    int r = 0;
    for (int column = 0; r >= 0 && column < count; column++)
        r = pg_column_add(&pg->gathered[i]->columns[column], &params[column]);
    pg->gathered[i]->bytes += bytes;
    return r < 0 ? pg_fail_value(pg, query) : 0;
}

/* Rows of supervision orders: the only code that knows their columns. */
#include "base/err.h"
#include "base/map.h"
#include "base/util.h"
#include "service/cached.h"
#include "supervision.h"
#include "supervision_sql.h"

static void fill(struct pg_array *array, const char *const *texts, int count)
{
    pg_array_init(array);
    for (int i = 0; i < count; i++)
        pg_array_add_text(array, texts[i]);
}

int store_orders_known(struct tx *tx, const char *const *ids, int count, bool *known)
{
    struct pg_array list;
    struct pg_rows rows;
    fill(&list, ids, count);
    int r = tx_read(tx, &Q_ORDER_EXISTS, PG_ARGS(pg_array_param(&list)), &rows);
    pg_array_clear(&list);
    if (r < 0)
        return err_wrap(r, "look for orders");

    struct map found;
    map_init(&found);
    for (int i = 0; i < rows.count; i++)
        map_put(&found, pg_row_text(&rows, i, 0), tx);
    for (int i = 0; i < count; i++)
        known[i] = map_get(&found, ids[i]) != NULL;
    map_clear(&found);
    return 0;
}

int store_order_insert(struct tx *tx, const struct order_row *row)
{
    return tx_write(tx, &Q_ORDER_INSERT,
                    PG_ARGS(pg_text(row->id), pg_int(row->level), pg_int(row->trigger),
                            pg_text(row->matter.id), pg_text(row->matter.division),
                            pg_text(row->matter.audience), pg_bool(row->matter.about_enforcement),
                            pg_text(row->matter.unit), pg_text(row->body), pg_code(row->previous),
                            pg_code(row->clock_id), pg_int(row->term), pg_int(row->issued_at),
                            pg_int(row->due_at), pg_text(row->basis_zh), pg_text(row->basis_en)));
}

static void copy_id(char out[UUID_TEXT_SIZE], const char *text)
{
    snprintf(out, UUID_TEXT_SIZE, "%s", text);
}

static void read_row(const struct pg_rows *rows, int i, struct order_row *row)
{
    int c = 0;
    copy_id(row->id, pg_row_text(rows, i, c++));
    row->level = (int)pg_row_int(rows, i, c++);
    row->trigger = (int)pg_row_int(rows, i, c++);
    copy_id(row->matter.id, pg_row_text(rows, i, c++));
    row->matter.division = pg_row_text(rows, i, c++);
    row->matter.audience = pg_row_text(rows, i, c++);
    row->matter.about_enforcement = pg_row_bool(rows, i, c++);
    row->matter.unit = pg_row_text(rows, i, c++);
    row->body = pg_row_text(rows, i, c++);
    copy_id(row->previous, pg_row_text(rows, i, c++));
    copy_id(row->clock_id, pg_row_text(rows, i, c++));
    row->term = (uint32_t)pg_row_int(rows, i, c++);
    row->issued_at = pg_row_int(rows, i, c++);
    row->due_at = pg_row_int(rows, i, c++);
    row->state = (int)pg_row_int(rows, i, c++);
    row->reply_text = pg_row_text(rows, i, c++);
    row->replied_at = pg_row_int(rows, i, c++);
    row->verdict = pg_row_text(rows, i, c++);
    row->closed_at = pg_row_int(rows, i, c++);
    row->cannot_escalate = pg_row_bool(rows, i, c++);
    row->reported = pg_row_bool(rows, i, c++);
    row->basis_zh = pg_row_text(rows, i, c++);
    row->basis_en = pg_row_text(rows, i, c++);
    row->version = pg_row_int(rows, i, c++);
}

static void read_rows(const struct pg_rows *rows, struct arena *arena, struct order_row **ret_rows,
                      int *ret_count)
{
    struct order_row *list = arena_array(arena, struct order_row, rows->count);
    for (int i = 0; i < rows->count; i++)
        read_row(rows, i, &list[i]);
    *ret_rows = list;
    *ret_count = rows->count;
}

static int read_one(int r, const struct pg_rows *rows, const char *id, struct order_row *ret_row)
{
    if (r < 0)
        return err_wrap(r, "read order %s", id);
    if (rows->count == 0)
        return err_set(ERR_NOT_FOUND, "no order %s", id);
    read_row(rows, 0, ret_row);
    return 0;
}

int store_order_read(struct pg *pg, struct arena *arena, const char *id, struct order_row *ret_row)
{
    struct pg_rows rows;
    int r = pg_read(pg, arena, &Q_ORDER_GET, PG_ARGS(pg_text(id)), &rows);
    return read_one(r, &rows, id, ret_row);
}

int store_order_lock(struct tx *tx, const char *id, struct order_row *ret_row)
{
    struct pg_rows rows;
    int r = tx_read(tx, &Q_ORDER_GET_LOCKED, PG_ARGS(pg_text(id)), &rows);
    return read_one(r, &rows, id, ret_row);
}

int store_orders_open(struct tx *tx, const char *subject, int trigger, struct order_row **ret_rows,
                      int *ret_count)
{
    struct pg_rows rows;
    int r = tx_read(tx, &Q_ORDER_OPEN_LOCKED, PG_ARGS(pg_text(subject), pg_int(trigger)), &rows);
    if (r < 0)
        return err_wrap(r, "lock the open orders of %s", subject);
    read_rows(&rows, tx->arena, ret_rows, ret_count);
    return 0;
}

int store_orders_open_of(struct tx *tx, const char *const *subjects, int subject_count, int trigger,
                         struct order_row **ret_rows, int *ret_count)
{
    struct pg_array list;
    struct pg_rows rows;
    fill(&list, subjects, subject_count);
    int r = tx_read(tx, &Q_ORDER_OPEN_OF_LOCKED, PG_ARGS(pg_array_param(&list), pg_int(trigger)),
                    &rows);
    pg_array_clear(&list);
    if (r < 0)
        return err_wrap(r, "lock open orders");
    read_rows(&rows, tx->arena, ret_rows, ret_count);
    return 0;
}

int store_order_save(struct tx *tx, const struct order_row *row)
{
    return tx_write(tx, &Q_ORDER_SAVE,
                    PG_ARGS(pg_text(row->id), pg_int(row->state), pg_int(row->version),
                            pg_text(row->reply_text), pg_instant(row->replied_at),
                            pg_text(row->verdict), pg_instant(row->closed_at),
                            pg_bool(row->cannot_escalate), pg_bool(row->reported),
                            pg_int(row->due_at)));
}

int store_order_readdress(struct tx *tx, const struct order_row *row)
{
    return tx_write(tx, &Q_ORDER_READDRESS,
                    PG_ARGS(pg_text(row->id), pg_text(row->matter.division),
                            pg_text(row->matter.audience), pg_bool(row->matter.about_enforcement),
                            pg_text(row->matter.unit), pg_text(row->body), pg_int(row->version)));
}

int store_order_list(struct request *rq, const struct order_filter *filter,
                     struct order_row **ret_rows, int *ret_count)
{
    struct pg_rows rows;
    struct cached kept;
    struct pg_param params[] = {
        scope_param(rq->arena, filter->scope.prefixes),
        pg_int(filter->state),
        pg_code(filter->subject),
        pg_bool(filter->cannot_escalate),
        pg_text(filter->scope.audience),
        pg_instant(filter->page.before_at),
        pg_text(filter->page.before_id),
        pg_int(filter->page.count_max),
        scope_param(rq->arena, filter->scope.counties),
    };
    int count = (int)ARRAY_LEN(params) - (filter->scope.counties ? 0 : 1);
    const struct pg_query *query = filter->scope.counties ? &Q_ORDER_LIST_COUNTY : &Q_ORDER_LIST;
    int hit = cached_page(rq, &filter->scope, query, params, count, &rows, 1, &kept);
    int r = hit == 0 ? pg_read(rq->pg, rq->arena, query, params, count, &rows) : hit;
    if (r < 0)
        return err_wrap(r, "list orders");
    if (!hit)
        cached_keep(&kept, &rows, 1);
    read_rows(&rows, rq->arena, ret_rows, ret_count);
    return 0;
}

int store_order_stuck_count(struct pg *pg, struct arena *arena, int64_t *ret_count)
{
    struct pg_rows rows;
    int r = pg_read(pg, arena, &Q_ORDER_STUCK_COUNT, PG_NO_ARGS, &rows);
    if (r < 0)
        return err_wrap(r, "count the orders that cannot escalate");
    *ret_count = pg_row_int(&rows, 0, 0);
    return 0;
}

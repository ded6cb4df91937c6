/* Rows of cards: the only code that knows their columns. */
#include <string.h>

#include "base/err.h"
#include "base/map.h"
#include "base/util.h"
#include "service/cached.h"
#include "supervision.h"
#include "supervision_sql.h"

/* The parameters of card_insert, one array a column. */
enum {
    COLUMN_ID,
    COLUMN_COLOR,
    COLUMN_SUBJECT,
    COLUMN_CLOCK_KIND,
    COLUMN_CLOCK_ID,
    COLUMN_TERM,
    COLUMN_DIVISION,
    COLUMN_AUDIENCE,
    COLUMN_ABOUT,
    COLUMN_UNIT,
    COLUMN_LEVEL,
    COLUMN_DUE_AT,
    COLUMN_RAISED_AT,
    COLUMN_STATE,
    COLUMN_VERSION,
    COLUMN_COUNT,
};

static void add_card(struct pg_array *columns, const struct card_row *c)
{
    pg_array_add_text(&columns[COLUMN_ID], c->id);
    pg_array_add_int(&columns[COLUMN_COLOR], c->color);
    pg_array_add_text(&columns[COLUMN_SUBJECT], c->matter.id);
    pg_array_add_int(&columns[COLUMN_CLOCK_KIND], c->clock_kind);
    pg_array_add_text(&columns[COLUMN_CLOCK_ID], c->clock_id);
    pg_array_add_int(&columns[COLUMN_TERM], c->term);
    pg_array_add_text(&columns[COLUMN_DIVISION], c->matter.division);
    pg_array_add_text(&columns[COLUMN_AUDIENCE], c->matter.audience);
    pg_array_add_bool(&columns[COLUMN_ABOUT], c->matter.about_enforcement);
    pg_array_add_text(&columns[COLUMN_UNIT], c->matter.unit);
    pg_array_add_int(&columns[COLUMN_LEVEL], c->level);
    pg_array_add_int(&columns[COLUMN_DUE_AT], c->due_at);
    pg_array_add_int(&columns[COLUMN_RAISED_AT], c->raised_at);
    pg_array_add_int(&columns[COLUMN_STATE], c->state);
    pg_array_add_int(&columns[COLUMN_VERSION], c->version);
}

int store_cards_insert(struct tx *tx, const struct card_row *cards, int count, bool *inserted)
{
    struct pg_array columns[COLUMN_COUNT];
    struct pg_param params[COLUMN_COUNT];
    struct pg_rows rows;
    for (int c = 0; c < COLUMN_COUNT; c++)
        pg_array_init(&columns[c]);
    for (int i = 0; i < count; i++)
        add_card(columns, &cards[i]);
    for (int c = 0; c < COLUMN_COUNT; c++)
        params[c] = pg_array_param(&columns[c]);
    int r = tx_read(tx, &Q_CARD_INSERT, params, COLUMN_COUNT, &rows);
    for (int c = 0; c < COLUMN_COUNT; c++)
        pg_array_clear(&columns[c]);
    if (r < 0)
        return err_wrap(r, "insert cards");

    struct map fresh;
    map_init(&fresh);
    for (int i = 0; i < rows.count; i++)
        map_put(&fresh, pg_row_text(&rows, i, 0), tx);
    for (int i = 0; i < count; i++)
        inserted[i] = map_remove(&fresh, cards[i].id) != NULL;
    map_clear(&fresh);
    return 0;
}

static void copy_id(char out[UUID_TEXT_SIZE], const char *text)
{
    snprintf(out, UUID_TEXT_SIZE, "%s", text);
}

static void read_row(const struct pg_rows *rows, int i, struct card_row *row)
{
    int c = 0;
    copy_id(row->id, pg_row_text(rows, i, c++));
    row->color = (int)pg_row_int(rows, i, c++);
    copy_id(row->matter.id, pg_row_text(rows, i, c++));
    row->clock_kind = (int)pg_row_int(rows, i, c++);
    copy_id(row->clock_id, pg_row_text(rows, i, c++));
    row->term = (uint32_t)pg_row_int(rows, i, c++);
    row->matter.division = pg_row_text(rows, i, c++);
    row->matter.audience = pg_row_text(rows, i, c++);
    row->matter.about_enforcement = pg_row_bool(rows, i, c++);
    row->matter.unit = pg_row_text(rows, i, c++);
    row->level = (int)pg_row_int(rows, i, c++);
    row->due_at = pg_row_int(rows, i, c++);
    row->raised_at = pg_row_int(rows, i, c++);
    row->state = (int)pg_row_int(rows, i, c++);
    row->acknowledged_by = pg_row_text(rows, i, c++);
    row->acknowledged_at = pg_row_int(rows, i, c++);
    row->closed_at = pg_row_int(rows, i, c++);
    row->version = pg_row_int(rows, i, c++);
}

static void read_rows(const struct pg_rows *rows, struct arena *arena, struct card_row **ret_rows,
                      int *ret_count)
{
    struct card_row *list = arena_array(arena, struct card_row, rows->count);
    for (int i = 0; i < rows->count; i++)
        read_row(rows, i, &list[i]);
    *ret_rows = list;
    *ret_count = rows->count;
}

int store_card_read(struct pg *pg, struct arena *arena, const char *id, struct card_row *ret_row)
{
    struct pg_rows rows;
    int r = pg_read(pg, arena, &Q_CARD_GET, PG_ARGS(pg_text(id)), &rows);
    if (r < 0)
        return err_wrap(r, "read card %s", id);
    if (rows.count == 0)
        return err_set(ERR_NOT_FOUND, "no card %s", id);
    read_row(&rows, 0, ret_row);
    return 0;
}

int store_cards_open(struct tx *tx, const char *subject, const int *kinds, int kind_count,
                     struct card_row **ret_rows, int *ret_count)
{
    struct pg_array list;
    struct pg_rows rows;
    pg_array_init(&list);
    for (int i = 0; i < kind_count; i++)
        pg_array_add_int(&list, kinds[i]);
    int r = tx_read(tx, &Q_CARD_OPEN_OF, PG_ARGS(pg_text(subject), pg_array_param(&list)), &rows);
    pg_array_clear(&list);
    if (r < 0)
        return err_wrap(r, "read open cards of %s", subject);
    read_rows(&rows, tx->arena, ret_rows, ret_count);
    return 0;
}

int store_card_close(struct tx *tx, const struct card_row *row)
{
    return tx_write(tx, &Q_CARD_CLOSE, PG_ARGS(pg_text(row->id), pg_int(row->closed_at)));
}

int store_card_acknowledge(struct tx *tx, const struct card_row *row, const char *principal,
                           int64_t now_ms, bool *ret_first)
{
    struct pg_rows rows;
    int r = tx_read(tx, &Q_CARD_ACKNOWLEDGEMENT_INSERT,
                    PG_ARGS(pg_text(row->id), pg_text(principal), pg_int(now_ms)), &rows);
    if (r < 0)
        return err_wrap(r, "acknowledge card %s", row->id);
    *ret_first = rows.count > 0;
    return 0;
}

int store_card_acknowledged(struct tx *tx, const struct card_row *row)
{
    return tx_write(tx, &Q_CARD_ACKNOWLEDGE,
                    PG_ARGS(pg_text(row->id), pg_int(row->state), pg_text(row->acknowledged_by),
                            pg_instant(row->acknowledged_at), pg_int(row->version)));
}

int store_card_list(struct request *rq, const struct card_filter *filter,
                    struct card_row **ret_rows, int *ret_count)
{
    struct pg_rows rows;
    struct cached kept;
    struct pg_param params[] = {
        scope_param(rq->arena, filter->scope.prefixes),
        pg_int(filter->color),
        pg_int(filter->state),
        pg_code(filter->subject),
        pg_text(filter->scope.audience),
        pg_instant(filter->page.before_at),
        pg_text(filter->page.before_id),
        pg_int(filter->page.count_max),
        scope_param(rq->arena, filter->scope.counties),
    };
    int count = (int)ARRAY_LEN(params) - (filter->scope.counties ? 0 : 1);
    const struct pg_query *query = filter->scope.counties ? &Q_CARD_LIST_COUNTY : &Q_CARD_LIST;
    int hit = cached_page(rq, &filter->scope, query, params, count, &rows, 1, &kept);
    int r = hit == 0 ? pg_read(rq->pg, rq->arena, query, params, count, &rows) : hit;
    if (r < 0)
        return err_wrap(r, "list cards");
    if (!hit)
        cached_keep(&kept, &rows, 1);
    read_rows(&rows, rq->arena, ret_rows, ret_count);
    return 0;
}

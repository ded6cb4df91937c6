/* Rows of complaints and their acts: the only code that knows columns. */
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "complaints.h"
#include "complaints_sql.h"
#include "service/cached.h"

int store_complaint_insert(struct tx *tx, const struct complaint_row *row, const uint8_t *digest)
{
    return tx_gather(
        tx, &Q_COMPLAINT_INSERT,
        PG_ARGS(
            pg_text(row->id), pg_text(row->order_no), pg_text(row->source),
            pg_text(row->external_id), pg_bytes(digest, 32), pg_int(row->channel),
            pg_int(row->type), pg_int(row->urgency), pg_text(row->category), pg_text(row->title),
            pg_text(row->body), pg_text(row->place), pg_text(row->division), pg_text(row->unit),
            pg_text(row->audience), pg_bool(row->about_enforcement),
            row->caller_sealed ? pg_bytes(row->caller_sealed, row->caller_sealed_size) : pg_null(),
            pg_text(row->caller_key), pg_bool(row->confidential), pg_bool(row->wants_reply),
            pg_int(row->received_at), pg_int(row->filed_at), pg_int(row->state),
            pg_int(row->version)));
}

/* The column order of complaint_get and of the lists. */
static void read_row(const struct pg_rows *rows, int i, struct arena *arena,
                     struct complaint_row *row)
{
    int c = 0;
    snprintf(row->id, sizeof(row->id), "%s", pg_row_text(rows, i, c++));
    row->order_no = pg_row_text(rows, i, c++);
    row->source = pg_row_text(rows, i, c++);
    row->external_id = pg_row_text(rows, i, c++);
    row->channel = (int)pg_row_int(rows, i, c++);
    row->type = (int)pg_row_int(rows, i, c++);
    row->urgency = (int)pg_row_int(rows, i, c++);
    row->category = pg_row_text(rows, i, c++);
    row->title = pg_row_text(rows, i, c++);
    row->body = pg_row_text(rows, i, c++);
    row->place = pg_row_text(rows, i, c++);
    row->division = pg_row_text(rows, i, c++);
    row->unit = pg_row_text(rows, i, c++);
    row->audience = pg_row_text(rows, i, c++);
    row->about_enforcement = pg_row_bool(rows, i, c++);
    row->caller_sealed = pg_row_is_null(rows, i, c)
                             ? NULL
                             : pg_row_bytes(rows, i, c, arena, &row->caller_sealed_size);
    c++;
    row->caller_key = pg_row_text(rows, i, c++);
    row->confidential = pg_row_bool(rows, i, c++);
    row->wants_reply = pg_row_bool(rows, i, c++);
    row->received_at = pg_row_int(rows, i, c++);
    row->filed_at = pg_row_int(rows, i, c++);
    row->state = (int)pg_row_int(rows, i, c++);
    row->version = pg_row_int(rows, i, c++);
    row->redo_count = (uint32_t)pg_row_int(rows, i, c++);
    row->return_count = (uint32_t)pg_row_int(rows, i, c++);
    row->failed_visits = (uint32_t)pg_row_int(rows, i, c++);
    row->returned_by = pg_row_text(rows, i, c++);
    row->return_limit = pg_row_bool(rows, i, c++);
    row->extended = pg_row_bool(rows, i, c++);
    row->reply_text = pg_row_text(rows, i, c++);
    row->reply_basis = pg_row_text(rows, i, c++);
    row->replied_at = pg_row_int(rows, i, c++);
    row->visit_reached = pg_row_bool(rows, i, c++);
    row->visit_solved = pg_row_bool(rows, i, c++);
    row->visit_satisfied = pg_row_bool(rows, i, c++);
    row->visit_note = pg_row_text(rows, i, c++);
    row->visited_at = pg_row_int(rows, i, c++);
}

/* What readers and acts see is made of two reads: the rows, and the clocks of those. */
enum { SET_COMPLAINTS, SET_CLOCKS, SET_COUNT };

static const char **ids_of(struct arena *arena, const struct pg_rows *rows)
{
    const char **ids = arena_array(arena, const char *, rows->count + 1);
    for (int i = 0; i < rows->count; i++)
        ids[i] = pg_row_text(rows, i, 0);
    return ids;
}

static int read_sets(struct request *rq, const struct pg_query *query,
                     const struct pg_param *params, int count, struct pg_rows *sets)
{
    int r = pg_read(rq->pg, rq->arena, query, params, count, &sets[SET_COMPLAINTS]);
    if (r < 0)
        return r;
    return clock_rows_read(rq->pg, rq->arena, ids_of(rq->arena, &sets[SET_COMPLAINTS]),
                           sets[SET_COMPLAINTS].count, &sets[SET_CLOCKS]);
}

static struct complaint_seen *seen_of(struct arena *arena, const struct pg_rows *sets)
{
    const struct pg_rows *rows = &sets[SET_COMPLAINTS];
    struct complaint_seen *list = arena_array(arena, struct complaint_seen, rows->count);
    struct clock **clocks;
    int *counts;
    clock_rows_load(&sets[SET_CLOCKS], arena, ids_of(arena, rows), rows->count, &clocks, &counts);
    for (int i = 0; i < rows->count; i++) {
        read_row(rows, i, arena, &list[i].row);
        list[i].clocks = clocks[i];
        list[i].clock_count = counts[i];
    }
    return list;
}

int store_complaints_load(struct tx *tx, const char *const *ids, int count,
                          struct complaint_seen **ret_seen, int *ret_count)
{
    struct pg_rows sets[SET_COUNT];
    struct pg_array array;
    pg_array_init(&array);
    for (int i = 0; i < count; i++)
        pg_array_add_text(&array, ids[i]);
    int r = tx_read(tx, &Q_COMPLAINT_GET, PG_ARGS(pg_array_param(&array)), &sets[SET_COMPLAINTS]);
    pg_array_clear(&array);
    if (r >= 0)
        r = clock_rows_read(tx->pg, tx->arena, ids, count, &sets[SET_CLOCKS]);
    if (r < 0)
        return err_wrap(r, "read %d complaints", count);
    *ret_seen = seen_of(tx->arena, sets);
    *ret_count = sets[SET_COMPLAINTS].count;
    return 0;
}

/* As complaint_standing counts it, of what was read: where a commit came between the two reads it
 * is a number that the complaint never had and never will have. */
static struct cache_version version_of(const struct pg_rows *rows,
                                       const struct complaint_seen *seen)
{
    struct cache_version v = { .epoch = pg_row_int(rows, 0, rows->columns - 1),
                               .number = seen->row.version };
    for (int i = 0; i < seen->clock_count; i++)
        v.number += seen->clocks[i].row_version;
    return v;
}

int store_complaint_see(struct request *rq, const char *id, struct complaint_seen *ret)
{
    struct pg_rows sets[SET_COUNT];
    struct cached kept;
    const struct pg_param key = pg_text(id);
    int hit =
        cached_row(rq, &Q_COMPLAINT_SEE, &Q_COMPLAINT_STANDING, &key, 1, sets, SET_COUNT, &kept);
    int r = hit == 0 ? read_sets(rq, &Q_COMPLAINT_SEE, &key, 1, sets) : hit;
    if (r < 0)
        return err_wrap(r, "read complaint %s", id);
    if (sets[SET_COMPLAINTS].count == 0)
        return err_set(ERR_NOT_FOUND, "no complaint %s", id);
    *ret = *seen_of(rq->arena, sets);
    if (!hit) {
        kept.version = version_of(&sets[SET_COMPLAINTS], ret);
        cached_keep(&kept, sets, SET_COUNT);
    }
    return 0;
}

int store_complaint_list(struct request *rq, const struct complaint_filter *filter,
                         struct complaint_seen **ret_seen, int *ret_count)
{
    struct pg_rows sets[SET_COUNT];
    struct cached kept;
    struct pg_param params[7] = {
        scope_param(rq->arena, filter->scope.prefixes),
        pg_int(filter->state),
        pg_code(filter->source),
        pg_text(filter->scope.audience),
        pg_text(filter->before),
        pg_int(filter->count_max),
    };
    const struct pg_query *query = &Q_COMPLAINT_LIST;
    int count = 6;
    if (*filter->external_id) {
        query = &Q_COMPLAINT_LIST_EXTERNAL;
        params[count++] = pg_text(filter->external_id);
    } else if (filter->scope.counties) {
        query = &Q_COMPLAINT_LIST_COUNTY;
        params[count++] = scope_param(rq->arena, filter->scope.counties);
    }
    int hit = cached_page(rq, &filter->scope, query, params, count, sets, SET_COUNT, &kept);
    int r = hit == 0 ? read_sets(rq, query, params, count, sets) : hit;
    if (r < 0)
        return err_wrap(r, "list complaints");
    if (!hit)
        cached_keep(&kept, sets, SET_COUNT);
    *ret_seen = seen_of(rq->arena, sets);
    *ret_count = sets[SET_COMPLAINTS].count;
    return 0;
}

int store_complaint_order_sequence(struct tx *tx, int64_t *ret_sequence)
{
    struct pg_rows rows;
    int r = tx_read(tx, &Q_COMPLAINT_ORDER_BLOCK, PG_NO_ARGS, &rows);
    if (r < 0)
        return err_wrap(r, "take a block of order numbers");
    *ret_sequence = pg_row_int(&rows, 0, 0);
    return 0;
}

int store_complaint_state(struct tx *tx, const struct complaint_row *row)
{
    return tx_gather(tx, &Q_COMPLAINT_SET_STATE,
                     PG_ARGS(pg_text(row->id), pg_int(row->state), pg_int(row->version)));
}

int store_complaint_dispatched(struct tx *tx, const struct complaint_row *row)
{
    return tx_gather(tx, &Q_COMPLAINT_SET_DISPATCHED,
                     PG_ARGS(pg_text(row->id), pg_int(row->state), pg_int(row->version),
                             pg_text(row->division), pg_text(row->unit)));
}

int store_complaint_returned(struct tx *tx, const struct complaint_row *row)
{
    return tx_gather(tx, &Q_COMPLAINT_SET_RETURNED,
                     PG_ARGS(pg_text(row->id), pg_int(row->state), pg_int(row->version),
                             pg_int(row->return_count), pg_text(row->returned_by),
                             pg_bool(row->return_limit), pg_text(row->unit)));
}

int store_complaint_replied(struct tx *tx, const struct complaint_row *row)
{
    return tx_gather(tx, &Q_COMPLAINT_SET_REPLIED,
                     PG_ARGS(pg_text(row->id), pg_int(row->state), pg_int(row->version),
                             pg_text(row->reply_text), pg_text(row->reply_basis),
                             pg_int(row->replied_at)));
}

int store_complaint_extended(struct tx *tx, const struct complaint_row *row)
{
    return tx_gather(tx, &Q_COMPLAINT_SET_EXTENDED,
                     PG_ARGS(pg_text(row->id), pg_int(row->version)));
}

int store_complaint_visited(struct tx *tx, const struct complaint_row *row)
{
    return tx_gather(tx, &Q_COMPLAINT_SET_VISITED,
                     PG_ARGS(pg_text(row->id), pg_int(row->state), pg_int(row->version),
                             pg_bool(row->visit_reached), pg_bool(row->visit_solved),
                             pg_bool(row->visit_satisfied), pg_text(row->visit_note),
                             pg_int(row->visited_at), pg_int(row->failed_visits)));
}

int store_complaint_redone(struct tx *tx, const struct complaint_row *row)
{
    return tx_gather(tx, &Q_COMPLAINT_SET_REDONE,
                     PG_ARGS(pg_text(row->id), pg_int(row->state), pg_int(row->version),
                             pg_int(row->redo_count)));
}

int store_complaint_reopened(struct tx *tx, const struct complaint_row *row)
{
    return tx_gather(tx, &Q_COMPLAINT_SET_REOPENED,
                     PG_ARGS(pg_text(row->id), pg_int(row->state), pg_int(row->version)));
}

int store_act(struct tx *tx, const struct complaint_row *row, const struct act *act)
{
    return tx_gather(tx, &Q_COMPLAINT_ACT_INSERT,
                     PG_ARGS(pg_text(row->id), pg_int(row->version),
                             pg_text(action_name(act->action)), pg_int(act->at),
                             pg_text(act->principal),
                             act->has_reached ? pg_bool(act->reached) : pg_null(),
                             pg_text(act->unit), pg_text(act->note)));
}

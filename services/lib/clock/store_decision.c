/* Rows of an operator's decisions, and the walk through all clocks that they ask for.
 *
 * The walk goes along the primary key and looks at every row, ended clocks too: no index leads to
 * the open ones by the calendar that they were counted by, and there shall be none. Every filing
 * would pay for it, three entries a complaint, while a decision is taken once in years and its walk
 * costs about a millisecond for a thousand clocks, in steps that stand between no rung and its
 * instant. */
#include <string.h>

#include "clock_sql.h"

#include "base/err.h"
#include "clock/clock_inside.h"

#define OLDER_COLUMN 25 /* of clock_older_page, behind a clock's own */

void clock_walk_begin(struct clock_walk *walk, int64_t calendar_position)
{
    *walk = (struct clock_walk){ .calendar_position = calendar_position,
                                 .subject = "00000000-0000-0000-0000-000000000000" };
}

int store_older_page(struct pg *pg, struct arena *arena, struct clock_walk *walk, int64_t now_ms,
                     struct clock_row **ret, int *ret_count)
{
    struct pg_rows rows;
    int r =
        pg_read(pg, arena, &Q_CLOCK_OLDER_PAGE,
                PG_ARGS(pg_text(walk->subject), pg_int(walk->kind), pg_int(walk->calendar_position),
                        pg_int(now_ms), pg_int(CLOCK_WALK_ROWS_MAX)),
                &rows);
    if (r < 0)
        return err_wrap(r, "walk through the clocks");
    *ret_count = rows.count;
    *ret = store_read_rows(&rows, arena);
    walk->ended = rows.count == 0;
    if (walk->ended)
        return 0;
    const struct clock_row *last = &(*ret)[rows.count - 1];
    memccpy(walk->subject, last->subject.id, '\0', sizeof(walk->subject));
    walk->kind = last->c.kind;
    if (!pg_row_bool(&rows, rows.count - 1, OLDER_COLUMN))
        (*ret_count)--;
    return 0;
}

int store_older_locked(struct tx *tx, const struct snapshot *reference, const char *const *subjects,
                       int count, struct clock_row **ret, int *ret_count)
{
    struct pg_array ids;
    struct pg_rows rows;
    store_fill_ids(&ids, subjects, count);
    int r = tx_read(tx, &Q_CLOCK_OLDER_LOCKED,
                    PG_ARGS(pg_array_param(&ids), pg_int(tx->now_ms),
                            pg_int(snapshot_calendar_position(reference))),
                    &rows);
    pg_array_clear(&ids);
    if (r < 0)
        return r;
    *ret = store_read_rows(&rows, tx->arena);
    *ret_count = rows.count;
    return 0;
}

/* A write of its own, durable when this returns. */
static int write_now(struct pg *pg, const struct pg_query *query, const struct pg_param *params,
                     int count)
{
    int r = pg_write(pg, query, params, count);
    return r < 0 ? r : pg_flush(pg, NULL);
}

int clock_decide(struct pg *pg, int64_t calendar_position, const char *by, int64_t now_ms)
{
    int r = write_now(pg, &Q_CLOCK_DECISION_INSERT,
                      PG_ARGS(pg_int(calendar_position), pg_text(by), pg_int(now_ms)));
    return r < 0 ? err_wrap(r, "write the decision") : 0;
}

int clock_decision_read(struct pg *pg, struct arena *arena, struct clock_decision *ret)
{
    struct pg_rows rows;
    int r = pg_read(pg, arena, &Q_CLOCK_DECISION_LAST, PG_NO_ARGS, &rows);
    if (r < 0)
        return err_wrap(r, "read the decision");
    *ret = (struct clock_decision){ .decided_by = "" };
    if (rows.count)
        *ret = (struct clock_decision){ .calendar_position = pg_row_int(&rows, 0, 0),
                                        .decided_by = pg_row_text(&rows, 0, 1),
                                        .decided_at = pg_row_int(&rows, 0, 2),
                                        .settled_at = pg_row_int(&rows, 0, 3) };
    return 0;
}

int store_decision_settle(struct pg *pg, int64_t calendar_position, int64_t now_ms)
{
    return write_now(pg, &Q_CLOCK_DECISION_SETTLE,
                     PG_ARGS(pg_int(calendar_position), pg_int(now_ms)));
}

int store_decision_reopen(struct pg *pg)
{
    return write_now(pg, &Q_CLOCK_DECISION_REOPEN, PG_NO_ARGS);
}

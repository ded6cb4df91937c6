/* Rows of clocks, rungs and ledger: with store_decision.c the only code here that knows columns. */
#include <string.h>

#include "clock_sql.h"

#include "base/err.h"
#include "clock/clock_inside.h"

/* The kind that the SQL names by number. */
_Static_assert((int)CLOCK_KIND_RETURN == 3, "clock_spent and clock_figures leave out kind 3");

const struct pg_module clock_module = {
    .name = "clock",
    .queries = clock_queries,
    .migrations = clock_migrations,
};

struct clock_row *store_read_rows(const struct pg_rows *rows, struct arena *arena)
{
    struct clock_row *list = arena_array(arena, struct clock_row, rows->count + 1);
    for (int i = 0; i < rows->count; i++) {
        struct clock_row *row = &list[i];
        struct clock *c = &row->c;
        int n = 0;
        row->subject.id = pg_row_text(rows, i, n++);
        c->kind = (int)pg_row_int(rows, i, n++);
        memccpy(c->id, pg_row_text(rows, i, n++), '\0', sizeof(c->id));
        c->term = (uint32_t)pg_row_int(rows, i, n++);
        c->started_at = pg_row_int(rows, i, n++);
        c->due_at = pg_row_int(rows, i, n++);
        c->due_on = (int32_t)pg_row_int(rows, i, n++);
        c->provisional = pg_row_bool(rows, i, n++);
        c->ended_at = pg_row_int(rows, i, n++);
        c->cancelled = pg_row_bool(rows, i, n++);
        c->rule = pg_row_text(rows, i, n++);
        c->rule_version = (uint32_t)pg_row_int(rows, i, n++);
        c->extended_days = (uint32_t)pg_row_int(rows, i, n++);
        c->calendar_position = pg_row_int(rows, i, n++);
        c->date_position = pg_row_int(rows, i, n++);
        c->last_rung = (int)pg_row_int(rows, i, n++);
        c->last_fired_at = pg_row_int(rows, i, n++);
        c->next_rung = (int)pg_row_int(rows, i, n++);
        c->next_at = pg_row_int(rows, i, n++);
        c->next_provisional = pg_row_bool(rows, i, n++);
        c->row_version = pg_row_int(rows, i, n++);
        row->subject.division = pg_row_text(rows, i, n++);
        row->subject.audience = pg_row_text(rows, i, n++);
        row->subject.unit = pg_row_text(rows, i, n++);
        row->subject.about_enforcement = pg_row_bool(rows, i, n++);
    }
    return list;
}

/* A row for each element of the arrays in use. */
#define COLUMNS_MAX 10
struct columns {
    struct pg_array arrays[COLUMNS_MAX];
};

static void columns_init(struct columns *t)
{
    for (int i = 0; i < COLUMNS_MAX; i++)
        pg_array_init(&t->arrays[i]);
}

static void columns_clear(struct columns *t)
{
    for (int i = 0; i < COLUMNS_MAX; i++)
        pg_array_clear(&t->arrays[i]);
}

static struct pg_param column(struct columns *t, int i)
{
    return pg_array_param(&t->arrays[i]);
}

void store_fill_ids(struct pg_array *ids, const char *const *subjects, int count)
{
    pg_array_init(ids);
    for (int i = 0; i < count; i++)
        pg_array_add_text(ids, subjects[i]);
}

int store_clocks_by_subjects(struct pg *pg, struct arena *arena, const char *const *subjects,
                             int count, struct clock_row **ret, int *ret_count)
{
    struct pg_rows rows;
    int r = clock_rows_read(pg, arena, subjects, count, &rows);
    if (r < 0)
        return r;
    *ret = store_read_rows(&rows, arena);
    *ret_count = rows.count;
    return 0;
}

int store_clock_insert(struct tx *tx, const struct clock_subject *subject, const struct clock *c)
{
    return tx_gather(
        tx, &Q_CLOCK_INSERT,
        PG_ARGS(pg_text(subject->id), pg_int(c->kind), pg_text(c->id), pg_int(c->term),
                pg_text(subject->division), pg_text(subject->audience), pg_text(subject->unit),
                pg_bool(subject->about_enforcement), pg_int(c->started_at), pg_int(c->due_at),
                pg_int(c->due_on), pg_bool(c->provisional), pg_text(c->rule),
                pg_int(c->rule_version), pg_int(c->extended_days), pg_int(c->calendar_position),
                pg_int(c->next_rung), pg_instant(c->next_at), pg_bool(c->next_provisional),
                pg_int(c->last_rung), pg_instant(c->last_fired_at)));
}

int store_clock_update(struct tx *tx, const struct clock_subject *subject, const struct clock *c)
{
    return tx_gather(
        tx, &Q_CLOCK_UPDATE,
        PG_ARGS(pg_text(subject->id), pg_int(c->kind), pg_int(c->term), pg_text(subject->division),
                pg_text(subject->audience), pg_text(subject->unit),
                pg_bool(subject->about_enforcement), pg_int(c->started_at), pg_int(c->due_at),
                pg_int(c->due_on), pg_bool(c->provisional), pg_instant(c->ended_at),
                pg_bool(c->cancelled), pg_text(c->rule), pg_int(c->rule_version),
                pg_int(c->extended_days), pg_int(c->calendar_position), pg_int(c->last_rung),
                pg_instant(c->last_fired_at), pg_int(c->next_rung), pg_instant(c->next_at),
                pg_bool(c->next_provisional), pg_int(c->row_version),
                c->date_position ? pg_int(c->date_position) : pg_null()));
}

int store_clock_ledger(struct tx *tx, const struct clock *was, const struct clock *c,
                       const char *what, int64_t at, const char *reason)
{
    return tx_gather(tx, &Q_CLOCK_LEDGER_INSERT,
                     PG_ARGS(pg_text(c->id), pg_int(c->row_version), pg_text(what), pg_int(at),
                             pg_int(c->term), pg_int(was->started_at), pg_int(was->due_at),
                             pg_text(was->rule), pg_int(was->rule_version), pg_int(c->due_at),
                             pg_int(c->calendar_position), pg_text(reason)));
}

int store_clock_readdress(struct tx *tx, const struct clock_subject *subject)
{
    return tx_write(tx, &Q_CLOCK_READDRESS,
                    PG_ARGS(pg_text(subject->id), pg_text(subject->division),
                            pg_text(subject->audience), pg_text(subject->unit),
                            pg_bool(subject->about_enforcement)));
}

/* Subjects of a page, each once, and where the page ended. */
static void read_page(const struct pg_rows *rows, struct arena *arena, struct clock_place *place,
                      const char ***ret_subjects, int *ret_count)
{
    const char **subjects = arena_array(arena, const char *, rows->count + 1);
    int count = 0;
    for (int i = 0; i < rows->count; i++) {
        const char *subject = pg_row_text(rows, i, 0);
        if (!count || strcmp(subjects[count - 1], subject) != 0)
            subjects[count++] = subject;
        place->at = pg_row_int(rows, i, 1);
        memccpy(place->subject, subject, '\0', sizeof(place->subject));
    }
    *ret_subjects = subjects;
    *ret_count = count;
}

int store_due_page(struct tx *tx, const struct snapshot *reference, struct clock_place *place,
                   const char ***ret_subjects, int *ret_count)
{
    (void)reference;
    struct pg_rows rows;
    int r = tx_read(tx, &Q_CLOCK_DUE_PAGE,
                    PG_ARGS(pg_int(tx->now_ms), pg_int(place->at), pg_text(place->subject),
                            pg_int(CLOCK_BATCH_MAX)),
                    &rows);
    if (r < 0)
        return r;
    read_page(&rows, tx->arena, place, ret_subjects, ret_count);
    return 0;
}

int store_due_locked(struct tx *tx, const struct snapshot *reference, const char *const *subjects,
                     int count, struct clock_row **ret, int *ret_count)
{
    (void)reference;
    struct pg_array ids;
    struct pg_rows rows;
    store_fill_ids(&ids, subjects, count);
    int r =
        tx_read(tx, &Q_CLOCK_DUE_LOCKED, PG_ARGS(pg_array_param(&ids), pg_int(tx->now_ms)), &rows);
    pg_array_clear(&ids);
    if (r < 0)
        return r;
    *ret = store_read_rows(&rows, tx->arena);
    *ret_count = rows.count;
    return 0;
}

int store_unsettled_page(struct tx *tx, const struct snapshot *reference, struct clock_place *place,
                         const char ***ret_subjects, int *ret_count)
{
    struct pg_rows rows;
    int r = tx_read(tx, &Q_CLOCK_UNSETTLED_PAGE,
                    PG_ARGS(pg_int(snapshot_calendar_position(reference)), pg_int(tx->now_ms),
                            pg_int(place->at), pg_text(place->subject), pg_int(CLOCK_BATCH_MAX)),
                    &rows);
    if (r < 0)
        return r;
    read_page(&rows, tx->arena, place, ret_subjects, ret_count);
    return 0;
}

int store_unsettled_locked(struct tx *tx, const struct snapshot *reference,
                           const char *const *subjects, int count, struct clock_row **ret,
                           int *ret_count)
{
    struct pg_array ids;
    struct pg_rows rows;
    store_fill_ids(&ids, subjects, count);
    int r = tx_read(tx, &Q_CLOCK_UNSETTLED_LOCKED,
                    PG_ARGS(pg_array_param(&ids), pg_int(snapshot_calendar_position(reference)),
                            pg_int(tx->now_ms)),
                    &rows);
    pg_array_clear(&ids);
    if (r < 0)
        return r;
    *ret = store_read_rows(&rows, tx->arena);
    *ret_count = rows.count;
    return 0;
}

static int insert_rungs(struct tx *tx, const struct clock_row *rows, const struct clock *was,
                        int count)
{
    struct columns t;
    columns_init(&t);
    for (int i = 0; i < count; i++) {
        const struct clock *c = &rows[i].c;
        pg_array_add_text(&t.arrays[0], c->id);
        pg_array_add_int(&t.arrays[1], c->term);
        pg_array_add_int(&t.arrays[2], c->last_rung);
        pg_array_add_int(&t.arrays[3], was[i].next_at);
        pg_array_add_int(&t.arrays[4], c->last_fired_at);
    }
    int r = tx_write(
        tx, &Q_CLOCK_RUNGS_INSERT,
        PG_ARGS(column(&t, 0), column(&t, 1), column(&t, 2), column(&t, 3), column(&t, 4)));
    columns_clear(&t);
    return r;
}

int store_rungs(struct tx *tx, const struct clock_row *rows, const struct clock *was, int count)
{
    int r = insert_rungs(tx, rows, was, count);
    if (r < 0)
        return r;
    struct columns t;
    columns_init(&t);
    for (int i = 0; i < count; i++) {
        const struct clock *c = &rows[i].c;
        pg_array_add_text(&t.arrays[0], rows[i].subject.id);
        pg_array_add_int(&t.arrays[1], c->kind);
        pg_array_add_int(&t.arrays[2], c->last_rung);
        pg_array_add_int(&t.arrays[3], c->last_fired_at);
        pg_array_add_int(&t.arrays[4], c->next_rung);
        pg_array_add_int(&t.arrays[5], c->next_at);
        pg_array_add_bool(&t.arrays[6], c->next_provisional);
        pg_array_add_int(&t.arrays[7], c->calendar_position);
    }
    r = tx_write(tx, &Q_CLOCK_RUNGS_ADVANCE,
                 PG_ARGS(column(&t, 0), column(&t, 1), column(&t, 2), column(&t, 3), column(&t, 4),
                         column(&t, 5), column(&t, 6), column(&t, 7)));
    columns_clear(&t);
    return r;
}

int store_recomputed(struct tx *tx, const struct clock_row *rows, int count)
{
    struct columns t;
    columns_init(&t);
    for (int i = 0; i < count; i++) {
        const struct clock *c = &rows[i].c;
        pg_array_add_text(&t.arrays[0], rows[i].subject.id);
        pg_array_add_int(&t.arrays[1], c->kind);
        pg_array_add_int(&t.arrays[2], c->due_at);
        pg_array_add_int(&t.arrays[3], c->due_on);
        pg_array_add_bool(&t.arrays[4], c->provisional);
        pg_array_add_int(&t.arrays[5], c->next_rung);
        pg_array_add_int(&t.arrays[6], c->next_at);
        pg_array_add_bool(&t.arrays[7], c->next_provisional);
        pg_array_add_int(&t.arrays[8], c->calendar_position);
        pg_array_add_int(&t.arrays[9], c->date_position);
    }
    int r = tx_write(tx, &Q_CLOCK_RECOMPUTE,
                     PG_ARGS(column(&t, 0), column(&t, 1), column(&t, 2), column(&t, 3),
                             column(&t, 4), column(&t, 5), column(&t, 6), column(&t, 7),
                             column(&t, 8), column(&t, 9)));
    columns_clear(&t);
    return r;
}

int store_failed(struct tx *tx, const struct clock_row *rows, int count)
{
    struct columns t;
    columns_init(&t);
    for (int i = 0; i < count; i++) {
        pg_array_add_text(&t.arrays[0], rows[i].subject.id);
        pg_array_add_int(&t.arrays[1], rows[i].c.kind);
    }
    int r = tx_write(tx, &Q_CLOCK_FAIL, PG_ARGS(column(&t, 0), column(&t, 1), pg_int(tx->now_ms)));
    columns_clear(&t);
    return r;
}

int store_next_wake(struct tx *tx, int64_t *ret_at)
{
    struct pg_rows rows;
    int r = tx_read(tx, &Q_CLOCK_NEXT_WAKE, PG_NO_ARGS, &rows);
    if (r < 0)
        return r;
    *ret_at = rows.count ? pg_row_int(&rows, 0, 0) : 0;
    return 0;
}

int clock_rows_read(struct pg *pg, struct arena *arena, const char *const *subjects,
                    int subject_count, struct pg_rows *ret_rows)
{
    struct pg_array ids;
    store_fill_ids(&ids, subjects, subject_count);
    int r = pg_read(pg, arena, &Q_CLOCK_BY_SUBJECTS, PG_ARGS(pg_array_param(&ids)), ret_rows);
    pg_array_clear(&ids);
    return r < 0 ? err_wrap(r, "clocks of %d subjects", subject_count) : 0;
}

void clock_rows_load(const struct pg_rows *read, struct arena *arena, const char *const *subjects,
                     int subject_count, struct clock ***ret_clocks, int **ret_counts)
{
    int count = read->count;
    struct clock_row *rows = store_read_rows(read, arena);
    struct clock *clocks = arena_array(arena, struct clock, count + 1);
    for (int i = 0; i < count; i++)
        clocks[i] = rows[i].c;

    struct clock **lists = arena_array(arena, struct clock *, subject_count + 1);
    int *counts = arena_array(arena, int, subject_count + 1);
    for (int s = 0; s < subject_count; s++) {
        /* rows ascend by subject; ids need not */
        int low = 0, high = count;
        while (low < high) {
            int middle = (low + high) / 2;
            if (strcmp(rows[middle].subject.id, subjects[s]) < 0)
                low = middle + 1;
            else
                high = middle;
        }
        lists[s] = &clocks[low];
        while (low + counts[s] < count &&
               strcmp(rows[low + counts[s]].subject.id, subjects[s]) == 0)
            counts[s]++;
    }
    *ret_clocks = lists;
    *ret_counts = counts;
}

int clock_load_many(struct pg *pg, struct arena *arena, const char *const *subjects,
                    int subject_count, struct clock ***ret_clocks, int **ret_counts)
{
    struct pg_rows rows;
    int r = clock_rows_read(pg, arena, subjects, subject_count, &rows);
    if (r == 0)
        clock_rows_load(&rows, arena, subjects, subject_count, ret_clocks, ret_counts);
    return r;
}

int clock_figures_read(struct pg *pg, struct arena *arena, int64_t now_ms,
                       struct clock_figures *ret)
{
    struct pg_rows rows;
    int r = pg_read(pg, arena, &Q_CLOCK_FIGURES, PG_ARGS(pg_int(now_ms)), &rows);
    if (r < 0)
        return err_wrap(r, "figures of the clocks");
    *ret = (struct clock_figures){ .due = pg_row_int(&rows, 0, 0),
                                   .overdue = pg_row_int(&rows, 0, 1),
                                   .failing = pg_row_int(&rows, 0, 2),
                                   .provisional = pg_row_int(&rows, 0, 3),
                                   .behind = pg_row_int(&rows, 0, 4) };
    return 0;
}

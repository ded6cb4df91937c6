/* A batch of the scan: find work without locks, take the subjects that nobody holds, look again,
 * write everything in one transaction.
 *
 * Invariants: no lock is waited for; the clocks are read again after the subjects' locks are held,
 * in a statement of their own, and the time after that; one clock that cannot be written costs the
 * others a few more transactions and nothing else. */
#include <stdlib.h>

#include "base/err.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/util.h"
#include "clock/clock_inside.h"

struct run {
    struct pg *pg;
    struct arena *arena;
    const struct clock_owner *owner;
    const struct clock_work *work;
    const struct snapshot *reference;
    struct clock_batch *result;
};

static int lock_subjects(struct run *run, struct tx *tx, const char *const *subjects, int count,
                         const char ***ret_locked, int *ret_count)
{
    struct pg_array ids;
    struct pg_rows rows;
    pg_array_init(&ids);
    for (int i = 0; i < count; i++)
        pg_array_add_text(&ids, subjects[i]);
    int r = tx_read(tx, run->owner->lock_subjects, PG_ARGS(pg_array_param(&ids)), &rows);
    pg_array_clear(&ids);
    if (r < 0)
        return err_wrap(r, "lock subjects");
    const char **locked = arena_array(run->arena, const char *, rows.count + 1);
    for (int i = 0; i < rows.count; i++)
        locked[i] = pg_row_text(&rows, i, 0);
    *ret_locked = locked;
    *ret_count = rows.count;
    return 0;
}

/* Locks, reads the time, and reads the clocks anew. */
static int open_work(struct run *run, struct tx *tx, const char *const *subjects, int count,
                     struct clock_row **ret_rows, int *ret_count)
{
    const char **locked = NULL;
    int locked_count = 0;
    *ret_count = 0;
    int r = lock_subjects(run, tx, subjects, count, &locked, &locked_count);
    if (r < 0 || !locked_count)
        return r;
    fault_point("clock.locked");
    r = tx_now(tx);
    if (r < 0)
        return r;
    return run->work->reread(tx, run->reference, locked, locked_count, ret_rows, ret_count);
}

static int finish(struct run *run, struct tx *tx)
{
    switch (tx_commit(tx)) {
    case PG_DONE:
        fault_point("clock.committed");
        if (tx->head > run->result->head)
            run->result->head = tx->head;
        return 0;
    case PG_NOT_EXECUTED:
        return err_last()->code < 0 ? err_last()->code : err_set(ERR_INTERNAL, "not committed");
    case PG_UNKNOWN:
        break;
    }
    /* Whether it was done shows when the clocks are read again. */
    return err_set(ERR_AGAIN, "outcome of a %s batch unknown", run->work->name);
}

/* Told once it is written down: a batch may be tried several times. */
static void log_put_off(const struct run *run, const struct clock_row *failed, int count)
{
    for (int i = 0; i < count; i++)
        log_line(LOG_WARN, "CLOCK-PUT-OFF", LF_TEXT("work", run->work->name),
                 LF_TEXT("clock", failed[i].c.id), LF_TEXT("error", failed[i].reason));
}

/* Applies the work to each; those that fail are moved out of `rows` into `failed`. */
static int apply_all(struct run *run, struct tx *tx, struct clock_row *rows, int count,
                     struct clock *was, struct clock_row *failed, int *ret_failed)
{
    int kept = 0;
    *ret_failed = 0;
    for (int i = 0; i < count; i++) {
        struct clock_row row = rows[i];
        if (run->work->apply(tx, run->reference, &row, &was[kept]) < 0) {
            rows[i].reason = arena_strdup(run->arena, err_last()->text);
            failed[(*ret_failed)++] = rows[i];
        } else {
            rows[kept++] = row;
        }
    }
    return kept;
}

static int write_all(struct run *run, struct tx *tx, struct clock_row *rows, int count)
{
    struct clock *was = arena_array(run->arena, struct clock, count);
    struct clock_row *failed = arena_array(run->arena, struct clock_row, count);
    int failed_count;
    int kept = apply_all(run, tx, rows, count, was, failed, &failed_count);
    int r = kept ? run->work->write(tx, run->reference, rows, was, kept) : 0;
    if (r >= 0 && failed_count)
        r = store_failed(tx, failed, failed_count);
    if (r < 0)
        return r;
    fault_point("clock.written");
    r = finish(run, tx);
    if (r < 0)
        return r;
    run->result->done += kept;
    run->result->failed += failed_count;
    log_put_off(run, failed, failed_count);
    return 0;
}

static int run_once(struct run *run, const char *const *subjects, int count)
{
    struct tx tx;
    struct clock_row *rows;
    int row_count;
    int r = tx_begin(&tx, run->pg, run->arena);
    if (r < 0)
        return r;
    r = open_work(run, &tx, subjects, count, &rows, &row_count);
    if (r >= 0 && row_count)
        r = write_all(run, &tx, rows, row_count);
    if (r < 0 || !row_count)
        tx_rollback(&tx);
    return r;
}

/* The database refuses this subject's clocks: they wait for their next attempt. */
static int put_off(struct run *run, const char *subject)
{
    struct tx tx;
    struct clock_row *rows;
    int count;
    const char *reason = arena_strdup(run->arena, err_last()->text);
    int r = tx_begin(&tx, run->pg, run->arena);
    if (r < 0)
        return r;
    r = open_work(run, &tx, &subject, 1, &rows, &count);
    if (r >= 0 && count)
        r = store_failed(&tx, rows, count);
    if (r >= 0 && count)
        r = finish(run, &tx);
    if (r < 0 || !count) {
        tx_rollback(&tx);
        return r;
    }
    run->result->failed += count;
    for (int i = 0; i < count; i++)
        rows[i].reason = reason;
    log_put_off(run, rows, count);
    return 0;
}

/* All in one transaction; where that is refused, by halves, down to the one that cannot be. */
static int run_subjects(struct run *run, const char *const *subjects, int count)
{
    int r = run_once(run, subjects, count);
    if (r >= 0 || r == ERR_AGAIN || !pg_alive(run->pg))
        return r;
    if (count == 1)
        return put_off(run, subjects[0]);
    r = run_subjects(run, subjects, count / 2);
    if (r < 0)
        return r;
    return run_subjects(run, subjects + count / 2, count - count / 2);
}

static int find_page(struct run *run, struct clock_place *place, const char ***ret_subjects,
                     int *ret_count)
{
    struct tx tx;
    int r = tx_begin(&tx, run->pg, run->arena);
    if (r < 0)
        return r;
    r = tx_now(&tx);
    if (r >= 0)
        r = run->work->page(&tx, run->reference, place, ret_subjects, ret_count);
    tx_rollback(&tx);
    return r;
}

static int run_pages(struct run *run)
{
    struct clock_place place = CLOCK_PLACE_FIRST;
    while (!run->result->done && !run->result->failed) {
        const char **subjects;
        int count;
        int r = find_page(run, &place, &subjects, &count);
        if (r < 0 || !count)
            return r;
        run->result->found += count;
        r = run_subjects(run, subjects, count);
        if (r < 0)
            return r;
    }
    return 0;
}

int clock_batch_run(struct pg *pg, const struct clock_owner *owner, const struct clock_work *work,
                    const struct snapshot *reference, struct clock_batch *ret)
{
    struct arena arena;
    arena_init(&arena, 0);
    *ret = (struct clock_batch){ 0 };
    struct run run = { .pg = pg,
                       .arena = &arena,
                       .owner = owner,
                       .work = work,
                       .reference = reference,
                       .result = ret };
    int r = run_pages(&run);
    arena_clear(&arena);
    return r;
}

int clock_batch_subjects(struct pg *pg, const struct clock_owner *owner,
                         const struct clock_work *work, const struct snapshot *reference,
                         const char *const *subjects, int count, struct clock_batch *ret)
{
    struct arena arena;
    arena_init(&arena, 0);
    *ret = (struct clock_batch){ .found = count };
    struct run run = { .pg = pg,
                       .arena = &arena,
                       .owner = owner,
                       .work = work,
                       .reference = reference,
                       .result = ret };
    int r = 0;
    for (int i = 0; r >= 0 && i < count; i += CLOCK_BATCH_MAX)
        r = run_subjects(&run, subjects + i, MIN(count - i, CLOCK_BATCH_MAX));
    arena_clear(&arena);
    return r;
}

/* Effects and the cursor, in one transaction: what makes them exactly once.
 *
 * The cursor is moved last, by compare-and-set: two processes that both believe to lead may both
 * run the handlers, and one of them commits. Only where an event of a parked subject is at hand the
 * row is locked first, so that the event does not queue up behind others which an operator's replay
 * is just taking away. */
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/util.h"
#include "log/consumer_inside.h"
#include "log_sql.h"

bool consumer_failure_stays(int code)
{
    /* Of the statement and its values: cardinality, data, constraints, syntax and names, our own
     * exceptions. */
    static const char *const classes[] = { "0A", "20", "21", "22", "23", "42", "44", "P0" };
    switch (code) {
    case ERR_AGAIN:
    case ERR_NOT_EXECUTED:
    case ERR_OUTCOME_UNKNOWN:
    case ERR_IN_PROGRESS:
    case ERR_RATE_LIMITED:
        return false;
    default:
        break;
    }
    const char *sqlstate = err_last()->sqlstate;
    if (!sqlstate[0])
        return true; /* the handler's own, and it sees nothing but the event and the database */
    if (!strcmp(sqlstate, "42501"))
        return false; /* a right that is missing is given by an operator */
    for (size_t i = 0; i < ARRAY_LEN(classes); i++)
        if (!strncmp(sqlstate, classes[i], 2))
            return true;
    return false;
}

int consumer_lock_place(struct tx *tx, const char *stream, const struct consumer_place *place)
{
    struct pg_rows rows;
    int r = tx_read(tx, &Q_CONSUMER_LOCK, PG_ARGS(pg_text(stream)), &rows);
    if (r < 0)
        return r;
    if (rows.count != 1)
        return CONSUMER_LOST;
    bool same = !place || (pg_row_int(&rows, 0, 0) == place->epoch &&
                           pg_row_int(&rows, 0, 1) == place->position);
    return same ? 0 : CONSUMER_LOST;
}

static int move(struct consumer_engine *e, struct tx *tx, const struct consumer_place *to)
{
    const struct consumer_place *from = &e->place;
    int64_t moved;
    int r = e->options.moved ? e->options.moved(e->options.ctx, tx, to->epoch, to->position) : 0;
    if (r >= 0)
        r = tx_write(tx, &Q_CONSUMER_MOVE,
                     PG_ARGS(pg_text(e->options.stream), pg_int(from->epoch),
                             pg_int(from->position), pg_text(from->event_id), pg_int(to->epoch),
                             pg_int(to->position), pg_text(to->event_id), pg_text(e->holder),
                             pg_int(e->options.lease_ms)));
    if (r >= 0)
        r = pg_flush(tx->pg, &moved);
    fault_point("consumer.cursor_moved");
    if (r < 0)
        return r;
    return moved == 1 ? 0 : CONSUMER_LOST;
}

/* Commits where r is 0, undoes otherwise, and passes r on. */
static int finish(struct consumer_engine *e, struct tx *tx, int r, const struct consumer_place *to)
{
    if (r != 0) {
        tx_rollback(tx);
        return r;
    }
    enum pg_outcome outcome = tx_commit(tx);
    if (outcome != PG_DONE)
        return err_last()->code;
    fault_point("consumer.committed");
    e->place = *to;
    if (e->options.on_commit)
        e->options.on_commit(e->options.ctx, tx->head);
    return 0;
}

static int insert_letter(struct tx *tx, const char *stream, const struct log_record *r,
                         int attempts, const char *error)
{
    return tx_write(tx, &Q_DEAD_LETTER_PARK,
                    PG_ARGS(pg_text(stream), pg_int(r->position), pg_text(r->id), pg_text(r->type),
                            pg_text(r->subject), pg_text(r->division), pg_text(r->audience),
                            pg_bool(r->about_enforcement), pg_text(r->correlation),
                            pg_text(r->traceparent), pg_int(r->time_ms), pg_bytes(r->data, r->size),
                            pg_int(attempts), pg_text(error), pg_int(tx->now_ms)));
}

/* ------------------------------------------------------------------ parked subjects */

static int parked_subjects(struct consumer_engine *e, struct tx *tx,
                           const struct log_record *records, int count, struct pg_rows *ret)
{
    struct pg_array subjects;
    pg_array_init(&subjects);
    for (int i = 0; i < count; i++)
        pg_array_add_text(&subjects, records[i].subject);
    int r = tx_read(tx, &Q_DEAD_LETTER_SUBJECTS,
                    PG_ARGS(pg_text(e->options.stream), pg_array_param(&subjects)), ret);
    pg_array_clear(&subjects);
    return r;
}

static bool is_parked(const struct pg_rows *parked, const char *subject)
{
    for (int i = 0; i < parked->count; i++)
        if (!strcmp(pg_row_text(parked, i, 0), subject))
            return true;
    return false;
}

static int apply_run(struct consumer_engine *e, struct tx *tx, const struct log_record *records,
                     int count)
{
    if (!count)
        return 0;
    tx->now_ms = 0;
    tx->traceparent = records[0].traceparent;
    int r = e->options.apply(e->options.ctx, tx, records, count);
    return r > 0 ? 0 : r;
}

/* Events of parked subjects queue up, the others are applied, in order. */
static int apply_around(struct consumer_engine *e, struct tx *tx, const struct log_record *records,
                        int count, const struct pg_rows *parked)
{
    int r = 0, begun = 0;
    for (int i = 0; r >= 0 && i < count; i++) {
        if (!is_parked(parked, records[i].subject))
            continue;
        r = apply_run(e, tx, records + begun, i - begun);
        begun = i + 1;
        if (r >= 0)
            r = tx_now(tx);
        if (r >= 0)
            r = insert_letter(tx, e->options.stream, &records[i], 0,
                              "waits behind an earlier event of its subject");
    }
    return r < 0 ? r : apply_run(e, tx, records + begun, count - begun);
}

static int apply_all(struct consumer_engine *e, struct tx *tx, const struct log_record *records,
                     int count)
{
    struct pg_rows parked = { 0 };
    int r = count ? parked_subjects(e, tx, records, count, &parked) : 0;
    if (r < 0 || !parked.count)
        return r < 0 ? r : apply_run(e, tx, records, count);
    /* Nothing has been written: the transaction begins again, with the row first. */
    tx_rollback(tx);
    r = tx_begin(tx, e->pg, &e->arena);
    if (r >= 0)
        r = consumer_lock_place(tx, e->options.stream, &e->place);
    if (r != 0)
        return r;
    r = parked_subjects(e, tx, records, count, &parked);
    fault_point("consumer.parked_known");
    return r < 0 ? r : apply_around(e, tx, records, count, &parked);
}

int consumer_effect(struct consumer_engine *e, const struct log_record *records, int count,
                    const struct consumer_place *to)
{
    struct tx tx;
    arena_reset(&e->arena);
    err_clear(); /* what a failure says is to be its own */
    int r = tx_begin(&tx, e->pg, &e->arena);
    if (r >= 0)
        r = apply_all(e, &tx, records, count);
    fault_point("consumer.effects_done");
    if (r == 0)
        r = move(e, &tx, to);
    return finish(e, &tx, r, to);
}

int consumer_park(struct consumer_engine *e, const struct log_record *record, int attempts,
                  const char *error, const struct consumer_place *to)
{
    struct tx tx;
    arena_reset(&e->arena);
    const char *why = arena_strdup(&e->arena, error);
    int r = tx_begin(&tx, e->pg, &e->arena);
    if (r >= 0)
        r = consumer_lock_place(&tx, e->options.stream, &e->place);
    if (r == 0)
        r = tx_now(&tx);
    if (r == 0)
        r = insert_letter(&tx, e->options.stream, record, attempts, why);
    if (r == 0)
        r = move(e, &tx, to);
    r = finish(e, &tx, r, to);
    if (r == 0)
        consumer_alarm(e, "consumer_parked", e->options.stream,
                       arena_printf(&e->arena, "%s: %s", record->subject, why), true);
    return r;
}

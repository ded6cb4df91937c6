/* A batch of the consumer: all at once, or one event at a time where a batch failed for good or
 * somebody died.
 *
 * Invariant: `next` and the cursor move together; what stands at or before the cursor is never
 * applied again. */
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/time.h"
#include "log/consumer_inside.h"
#include "log_sql.h"

/* Drops what is done already. ERR_CURSOR_MISMATCH: another event stands at our position, or another
 * epoch. */
static int skip_done(struct consumer_engine *e)
{
    struct consumer_batch *b = &e->batch;
    bool known = e->place.epoch || e->place.position;
    if (known && b->through.epoch && b->through.epoch != e->place.epoch)
        return ERR_CURSOR_MISMATCH;
    for (; b->next < b->count && b->records[b->next].position <= e->place.position; b->next++) {
        const struct log_record *r = &b->records[b->next];
        bool ours = r->position == e->place.position && e->place.event_id[0];
        if (ours && strcmp(r->id, e->place.event_id) != 0)
            return ERR_CURSOR_MISMATCH;
    }
    return 0;
}

/* Where the cursor stands after so many records of the batch. */
static struct consumer_place place_after(const struct consumer_engine *e, int count)
{
    const struct consumer_batch *b = &e->batch;
    struct consumer_place to = e->place;
    if (b->through.epoch)
        to.epoch = b->through.epoch;
    int end = b->next + count;
    if (count > 0) {
        to.position = b->records[end - 1].position;
        snprintf(to.event_id, sizeof(to.event_id), "%s", b->records[end - 1].id);
    }
    if (end == b->count && b->through.position > to.position) {
        to.position = b->through.position;
        to.event_id[0] = '\0';
    }
    return to;
}

/* Counts that this event is begun alone, before it is. 1: too many have died of it. */
static int count_trial(struct consumer_engine *e, const struct log_record *record)
{
    struct pg_rows rows;
    arena_reset(&e->arena);
    int r = pg_read(
        e->pg, &e->arena, &Q_CONSUMER_TRIAL,
        PG_ARGS(pg_text(e->options.stream), pg_int(record->position), pg_text(e->holder)), &rows);
    if (r < 0 || !rows.count)
        return r < 0 ? r : err_set(ERR_AGAIN, "the cursor of %s is gone", e->options.stream);
    fault_point("consumer.trial_counted");
    return pg_row_int(&rows, 0, 0) > CONSUMER_DEATHS_MAX;
}

/* One event. */
static int apply_alone(struct consumer_engine *e)
{
    const struct log_record *record = &e->batch.records[e->batch.next];
    struct consumer_place to = place_after(e, 1);
    bool trial = e->trial_left > 0;
    int r = trial ? count_trial(e, record) : 0;
    if (r < 0)
        return r;
    if (r > 0) {
        r = consumer_park(e, record, CONSUMER_DEATHS_MAX,
                          "its process died of it, alone, three times", &to);
    } else {
        r = consumer_effect(e, record, 1, &to);
        if (r < 0 && consumer_failure_stays(r))
            r = consumer_park(e, record, 1, err_last()->text, &to);
    }
    if (r == 0 && trial)
        e->trial_left--;
    return r;
}

static int apply_some(struct consumer_engine *e)
{
    struct consumer_batch *b = &e->batch;
    int left = b->count - b->next;
    if (left > 0 && (e->trial_left > 0 || b->records[b->next].position <= e->alone_until))
        return apply_alone(e);
    struct consumer_place to = place_after(e, left);
    int r = consumer_effect(e, b->records + b->next, left, &to);
    if (r < 0 && left > 0 && consumer_failure_stays(r)) {
        e->alone_until = b->records[b->count - 1].position;
        return 0;
    }
    return r;
}

static bool batch_is_done(const struct consumer_engine *e)
{
    const struct consumer_batch *b = &e->batch;
    return b->next == b->count && b->through.position <= e->place.position;
}

static void batch_finish(struct consumer_engine *e)
{
    int credit = e->batch.credit;
    consumer_batch_clear(&e->batch);
    if (credit > 0 && e->generation)
        e->options.source.credit(e->options.source.ctx, e->generation, (uint32_t)credit);
}

int consumer_process(struct consumer_engine *e)
{
    for (;;) {
        int r = skip_done(e);
        if (r < 0)
            return consumer_halt(e,
                                 "the log holds another event than the one that was applied last");
        if (batch_is_done(e)) {
            batch_finish(e);
            return 0;
        }
        if (consumer_is_stopping(e) || mono_ms() >= e->renew_at_ms)
            return 0;
        r = apply_some(e);
        if (r == CONSUMER_LOST) {
            e->renew_at_ms = 0; /* see where it is */
            return 0;
        }
        if (r < 0)
            return r;
        e->moved_at_ms = mono_ms();
        consumer_is_well(e);
    }
}

/* What operators see and do of consumers: status, rebase, parked events and their replay. Any
 * replica can do it: the cursor's row orders it against whoever leads. */
#include <string.h>

#include "base/fault.h"
#include "log/consumer_inside.h"
#include "log/log_inside.h"
#include "log_sql.h"

int consumer_status_read(struct pg *pg, struct arena *arena, const char *stream,
                         struct consumer_status **ret, int *ret_count)
{
    struct pg_rows rows;
    int r = pg_read(pg, arena, &Q_CONSUMER_STATUS, PG_ARGS(pg_text(stream ? stream : "")), &rows);
    if (r < 0)
        return err_wrap(r, "status of consumers");
    struct consumer_status *items = arena_array(arena, struct consumer_status, rows.count);
    for (int i = 0; i < rows.count; i++)
        items[i] = (struct consumer_status){
            .stream = pg_row_text(&rows, i, 0),
            .epoch = pg_row_int(&rows, i, 1),
            .position = pg_row_int(&rows, i, 2),
            .stopped = pg_row_bool(&rows, i, 3),
            .holder = pg_row_text(&rows, i, 4),
            .dead_letters = pg_row_int(&rows, i, 5),
        };
    *ret = items;
    *ret_count = rows.count;
    return 0;
}

int consumer_rebase(struct pg *pg, struct arena *arena, const struct log_cursor *to,
                    struct log_cursor *ret_previous)
{
    struct pg_rows rows;
    int r = pg_read(pg, arena, &Q_CONSUMER_REBASE,
                    PG_ARGS(pg_text(to->stream), pg_int(to->epoch), pg_int(to->position)), &rows);
    if (r < 0)
        return err_wrap(r, "rebase %s", to->stream);
    if (!rows.count)
        return err_set(ERR_NOT_FOUND, "no stream %s is followed here", to->stream);
    *ret_previous = *to;
    ret_previous->epoch = pg_row_int(&rows, 0, 0);
    ret_previous->position = pg_row_int(&rows, 0, 1);
    return 0;
}

int dead_letter_list(struct pg *pg, struct arena *arena, const char *stream, int count_max,
                     struct dead_letter **ret, int *ret_count)
{
    struct pg_rows rows;
    int r =
        pg_read(pg, arena, &Q_DEAD_LETTER_LIST, PG_ARGS(pg_text(stream), pg_int(count_max)), &rows);
    if (r < 0)
        return err_wrap(r, "dead letters");
    struct dead_letter *items = arena_array(arena, struct dead_letter, rows.count);
    for (int i = 0; i < rows.count; i++)
        items[i] = (struct dead_letter){
            .position = pg_row_int(&rows, i, 0),
            .type = pg_row_text(&rows, i, 1),
            .subject = pg_row_text(&rows, i, 2),
            .attempts = (int)pg_row_int(&rows, i, 3),
            .error = pg_row_text(&rows, i, 4),
            .parked_at = pg_row_int(&rows, i, 5),
        };
    *ret = items;
    *ret_count = rows.count;
    return 0;
}

struct replay {
    struct pg *pg;
    struct arena *arena;
    const char *stream, *subject;
    int (*apply)(void *ctx, struct tx *tx, const struct log_record *records, int count);
    void *ctx;
    int64_t position; /* of the letter at hand */
    int64_t head;
};

#define REPLAY_NONE 2 /* no letter is left */

static int replay_in(struct replay *p, struct tx *tx)
{
    struct pg_rows rows;
    /* While the row is locked no event of this subject can queue up behind those that are taken
     * away. */
    int r = consumer_lock_place(tx, p->stream, NULL);
    if (r == CONSUMER_LOST)
        return err_set(ERR_NOT_FOUND, "no stream %s is followed here", p->stream);
    if (r == 0)
        r = tx_read(tx, &Q_DEAD_LETTER_FIRST, PG_ARGS(pg_text(p->stream), pg_text(p->subject)),
                    &rows);
    if (r < 0)
        return r;
    if (!rows.count)
        return REPLAY_NONE;
    struct log_record record;
    log_record_of_row(&rows, 0, p->arena, &record);
    p->position = record.position;
    tx->traceparent = record.traceparent;
    r = p->apply(p->ctx, tx, &record, 1);
    if (r >= 0)
        r = tx_write(tx, &Q_DEAD_LETTER_DELETE,
                     PG_ARGS(pg_text(p->stream), pg_int(record.position)));
    return r < 0 ? r : 0;
}

static int replay_one(struct replay *p)
{
    struct tx tx;
    arena_reset(p->arena);
    p->position = 0;
    int r = tx_begin(&tx, p->pg, p->arena);
    if (r >= 0)
        r = replay_in(p, &tx);
    fault_point("dead_letter.effects_done");
    if (r != 0) {
        tx_rollback(&tx);
        return r;
    }
    if (tx_commit(&tx) != PG_DONE)
        return err_last()->code;
    p->head = tx.head ? tx.head : p->head;
    return 0;
}

static int note_failure(struct replay *p, const char *error)
{
    int r = pg_write(p->pg, &Q_DEAD_LETTER_FAILED,
                     PG_ARGS(pg_text(p->stream), pg_int(p->position), pg_text(error)));
    return r < 0 ? r : pg_flush(p->pg, NULL);
}

int dead_letter_replay(struct pg *pg, struct arena *arena, const char *stream, const char *subject,
                       int (*apply)(void *ctx, struct tx *tx, const struct log_record *records,
                                    int count),
                       void *ctx, struct dead_letter_replay *ret)
{
    struct replay p = {
        .pg = pg, .arena = arena, .stream = stream, .subject = subject, .apply = apply, .ctx = ctx
    };
    struct dead_letter_replay result = { 0 };
    struct pg_rows rows;
    int r;
    while ((r = replay_one(&p)) == 0)
        result.replayed++;
    if (r < 0 && p.position && consumer_failure_stays(r)) {
        struct err_detail failure = *err_last();
        r = note_failure(&p, failure.text);
    }
    if (r >= 0)
        r = pg_read(pg, arena, &Q_DEAD_LETTER_COUNT, PG_ARGS(pg_text(stream), pg_text(subject)),
                    &rows);
    if (r < 0)
        return err_wrap(r, "replay %s of %s", subject, stream);
    result.parked = (int)pg_row_int(&rows, 0, 0);
    result.head = p.head;
    *ret = result;
    return 0;
}

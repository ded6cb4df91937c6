/* The consumer's thread: connects, leads while it holds the lease, takes what was delivered, and
 * has it applied.
 *
 * One step at a time; each returns how long to wait for the next, or an error, upon which
 * everything that is known is read again from the cursor's row. */
#include "log/consumer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/time.h"
#include "base/util.h"
#include "log/consumer_inside.h"
#include "log_sql.h"
#include "loop/thread.h"

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS   5000
#define FAILURES_ALARM   4 /* so many in a row: about a second and a half */
#define REOPEN_MS        1000
#define IDLE_MOVE_EVERY_MS                                                                         \
    250 /* a cursor that only follows `through` is not written more often                          \
         */

/* ------------------------------------------------------------------ small things */

void consumer_alarm(struct consumer_engine *e, const char *code, const char *subject,
                    const char *detail, bool raised)
{
    if (e->options.on_alarm)
        e->options.on_alarm(e->options.ctx, code, subject, detail, raised);
}

static void alarm_set(struct consumer_engine *e, bool *is, bool wanted, const char *code,
                      const char *detail)
{
    if (*is == wanted)
        return;
    *is = wanted;
    consumer_alarm(e, code, e->options.stream, detail, wanted);
}

void consumer_is_well(struct consumer_engine *e)
{
    e->failures = 0;
    alarm_set(e, &e->alarm_retrying, false, "consumer_retrying", "it goes on");
}

bool consumer_is_stopping(struct consumer_engine *e)
{
    pthread_mutex_lock(&e->lock);
    bool stopping = e->stopping;
    pthread_mutex_unlock(&e->lock);
    return stopping;
}

/* Until something was delivered, or it is woken; a wait after a failure is only ended by the stop.
 */
static void wait_ms(struct consumer_engine *e, int64_t for_ms, bool backing_off)
{
    int64_t until = mono_ms() + for_ms;
    struct timespec ts = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };
    pthread_mutex_lock(&e->lock);
    while (!e->stopping &&
           (backing_off || (!e->woken && !e->first_frame && (!e->ended || e->batch.in_hand))))
        if (pthread_cond_timedwait(&e->changed, &e->lock, &ts) != 0)
            break;
    if (e->woken)
        e->renew_at_ms = 0;
    e->woken = false;
    pthread_mutex_unlock(&e->lock);
}

/* ------------------------------------------------------------------ the feed */

static void feed_close(struct consumer_engine *e)
{
    pthread_mutex_lock(&e->lock);
    uint64_t generation = e->generation;
    e->generation = 0;
    pthread_mutex_unlock(&e->lock);
    if (generation)
        e->options.source.close(e->options.source.ctx, generation);
    consumer_inbox_clear(e);
    consumer_batch_clear(&e->batch);
}

/* One event is asked for again where its id is known: a log that was given other events at the same
 * positions, under the same epoch, shows by it. */
static int feed_open(struct consumer_engine *e)
{
    struct log_cursor after = { .epoch = e->place.epoch, .position = e->place.position };
    char text[LOG_CURSOR_TEXT_SIZE] = "";
    if (e->place.event_id[0] && after.position > 0)
        after.position--;
    snprintf(after.stream, sizeof(after.stream), "%s", e->options.stream);
    if (after.epoch)
        log_cursor_format(&after, text);
    pthread_mutex_lock(&e->lock);
    e->generation = ++e->last_generation;
    pthread_mutex_unlock(&e->lock);
    e->open_at_ms = mono_ms() + REOPEN_MS;
    int r =
        e->options.source.open(e->options.source.ctx, e, e->last_generation, text, CONSUMER_CREDIT);
    if (r >= 0)
        return 0;
    pthread_mutex_lock(&e->lock);
    e->generation = 0;
    pthread_mutex_unlock(&e->lock);
    return err_wrap(ERR_AGAIN, "open the feed of %s", e->options.stream);
}

int consumer_halt(struct consumer_engine *e, const char *why)
{
    int r = pg_write(e->pg, &Q_CONSUMER_HALT,
                     PG_ARGS(pg_text(e->options.stream), pg_int(e->place.epoch),
                             pg_int(e->place.position), pg_text(e->holder)));
    if (r >= 0)
        r = pg_flush(e->pg, NULL);
    if (r < 0)
        return r;
    feed_close(e);
    e->halted = true;
    e->renew_at_ms = 0;
    alarm_set(e, &e->alarm_stopped, true, "consumer_stopped", why);
    return 0;
}

/* ------------------------------------------------------------------ leading */

static void step_down(struct consumer_engine *e)
{
    atomic_store(&e->leads, false);
    feed_close(e);
    alarm_set(e, &e->alarm_stopped, false, "consumer_stopped", "another replica leads");
    alarm_set(e, &e->alarm_refused, false, "consumer_refused", "another replica leads");
}

/* What the row says counts: another process that believed to lead may have moved it, or an
 * operator. */
static void take_place(struct consumer_engine *e, const struct consumer_place *row, bool halted)
{
    bool ahead = row->epoch == e->place.epoch && row->position >= e->place.position;
    if (!ahead || halted) {
        feed_close(e);
        e->alone_until = 0;
    }
    e->place = *row;
    e->halted = halted;
    alarm_set(e, &e->alarm_stopped, halted, "consumer_stopped",
              "the cursor does not match the log: rebase it");
}

static int take_lease(struct consumer_engine *e)
{
    struct pg_rows rows;
    int64_t asked_ms = mono_ms();
    arena_reset(&e->arena);
    int r = pg_read(
        e->pg, &e->arena, &Q_CONSUMER_LEASE,
        PG_ARGS(pg_text(e->options.stream), pg_text(e->holder), pg_int(e->options.lease_ms)),
        &rows);
    if (r < 0)
        return r;
    bool led = atomic_load(&e->leads);
    e->renew_at_ms = asked_ms + (rows.count ? e->options.lease_ms / 3 : e->options.lease_ms / 5);
    if (!rows.count) {
        if (led)
            step_down(e);
        return 0;
    }
    struct consumer_place row = { .epoch = pg_row_int(&rows, 0, 1),
                                  .position = pg_row_int(&rows, 0, 2) };
    snprintf(row.event_id, sizeof(row.event_id), "%s", pg_row_text(&rows, 0, 3));
    const char *previous = pg_row_text(&rows, 0, 0);
    if (*previous && strcmp(previous, e->holder) != 0)
        e->trial_left =
            CONSUMER_BATCH_EVENTS_MAX; /* as many as it may have had in hand when it died */
    take_place(e, &row, pg_row_bool(&rows, 0, 4));
    atomic_store(&e->leads, true);
    if (!led)
        fault_point("consumer.lease_taken");
    return 0;
}

static int connect(struct consumer_engine *e)
{
    int r = pg_open(&e->pg, e->options.pg);
    if (r >= 0)
        r = pg_write(e->pg, &Q_CONSUMER_CREATE, PG_ARGS(pg_text(e->options.stream)));
    if (r >= 0)
        r = pg_flush(e->pg, NULL);
    e->renew_at_ms = 0;
    e->own_epoch = 0;
    return r;
}

/* A failover may have taken the end of our own log, the cursor and the effects with it, and a
 * sibling that has not noticed still hands that end out. So the epoch is decided, on this very
 * connection, before anything is applied. */
static int check_own_log(struct consumer_engine *e)
{
    if (!e->options.own_log || e->halted || !e->place.epoch || e->place.epoch == e->own_epoch)
        return 0;
    int r = log_reopen_stream(e->pg, &e->own_epoch);
    if (r < 0 || e->place.epoch == e->own_epoch)
        return r;
    return consumer_halt(e, "its own log is of another epoch");
}

/* ------------------------------------------------------------------ the thread */

static int take_end(struct consumer_engine *e)
{
    pthread_mutex_lock(&e->lock);
    int ended = e->first_frame || e->batch.in_hand ? 0 : e->ended;
    pthread_mutex_unlock(&e->lock);
    if (!ended)
        return 0;
    if (ended == ERR_CURSOR_MISMATCH)
        return consumer_halt(e, "the log does not know the cursor");
    feed_close(e);
    alarm_set(e, &e->alarm_refused, true, "consumer_refused", err_info(ended)->name);
    return 0;
}

/* How long there is nothing to do; an error. */
static int64_t work(struct consumer_engine *e)
{
    int64_t renew_ms = MAX(e->renew_at_ms - mono_ms(), 1);
    if (!e->batch.count) {
        bool idle = !e->batch.in_hand;
        consumer_inbox_take(e, &e->batch);
        if (idle && e->batch.in_hand) {
            alarm_set(e, &e->alarm_refused, false, "consumer_refused", "it answers");
            fault_point("consumer.batch_taken");
        }
    }
    if (!e->batch.in_hand) {
        consumer_is_well(e);
        return e->generation ? renew_ms : MIN(renew_ms, MAX(e->open_at_ms - mono_ms(), 1));
    }
    /* Only a `through`: held back for a moment, so that a busy stream that concerns us little costs
     * few writes. */
    int64_t held_ms = e->moved_at_ms + IDLE_MOVE_EVERY_MS - mono_ms();
    if (!e->batch.count && held_ms > 0 && e->place.epoch)
        return MIN(held_ms, renew_ms);
    return consumer_process(e);
}

/* Another replica leads, and what troubled this one before is that one's matter. */
static void stand_by(struct consumer_engine *e)
{
    consumer_is_well(e);
    alarm_set(e, &e->alarm_refused, false, "consumer_refused", "another replica leads");
}

static int64_t step(struct consumer_engine *e)
{
    int r = e->pg ? 0 : connect(e);
    if (r >= 0 && mono_ms() >= e->renew_at_ms)
        r = take_lease(e);
    if (r >= 0 && atomic_load(&e->leads))
        r = check_own_log(e);
    if (r < 0)
        return r;
    if (!atomic_load(&e->leads) || e->halted) {
        if (!e->halted)
            stand_by(e);
        return MAX(e->renew_at_ms - mono_ms(), 1);
    }

    r = take_end(e);
    if (r >= 0 && !e->generation && !e->halted && mono_ms() >= e->open_at_ms)
        r = feed_open(e);
    if (r < 0)
        return r;
    return work(e);
}

static int64_t failed(struct consumer_engine *e)
{
    if (++e->failures == FAILURES_ALARM)
        alarm_set(e, &e->alarm_retrying, true, "consumer_retrying", err_last()->text);
    if (e->pg && !pg_alive(e->pg)) {
        pg_close(e->pg);
        e->pg = NULL;
    }
    /* It may have happened all the same. */
    e->renew_at_ms = 0;
    int64_t backoff_ms = (int64_t)BACKOFF_FIRST_MS << MIN(e->failures - 1, 10);
    return MIN(backoff_ms, BACKOFF_MAX_MS);
}

static void release(struct consumer_engine *e)
{
    feed_close(e);
    if (!e->pg || !atomic_load(&e->leads))
        return;
    if (pg_write(e->pg, &Q_CONSUMER_RELEASE,
                 PG_ARGS(pg_text(e->options.stream), pg_text(e->holder))) >= 0)
        pg_flush(e->pg, NULL);
    atomic_store(&e->leads, false);
}

static void *consumer_run(void *arg)
{
    struct consumer_engine *e = arg;
    while (!consumer_is_stopping(e)) {
        int64_t r = step(e);
        if (r < 0)
            wait_ms(e, failed(e), true);
        else if (r > 0)
            wait_ms(e, r, false);
    }
    release(e);
    pg_close(e->pg);
    return NULL;
}

int consumer_start(struct consumer_engine **ret, const struct consumer_options *options)
{
    struct consumer_engine *e = calloc(1, sizeof(*e));
    assert_always(e);
    e->options = *options;
    if (!e->options.lease_ms)
        e->options.lease_ms = CONSUMER_LEASE_MS;
    /* A life of its own, even where an instance's name is used again. */
    snprintf(e->holder, sizeof(e->holder), "%.64s/%016" PRIx64, options->instance, rand_u64());
    arena_init(&e->arena, 0);
    pthread_mutex_init(&e->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&e->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    int r = thread_start(&e->thread, "consumer", consumer_run, e);
    if (r < 0) {
        pthread_cond_destroy(&e->changed);
        pthread_mutex_destroy(&e->lock);
        free(e);
        return r;
    }
    *ret = e;
    return 0;
}

void consumer_stop(struct consumer_engine *e)
{
    if (!e)
        return;
    pthread_mutex_lock(&e->lock);
    e->stopping = true;
    pthread_cond_signal(&e->changed);
    pthread_mutex_unlock(&e->lock);
    pthread_join(e->thread, NULL);
    arena_clear(&e->arena);
    pthread_cond_destroy(&e->changed);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

void consumer_wake(struct consumer_engine *e)
{
    pthread_mutex_lock(&e->lock);
    e->woken = true;
    pthread_cond_signal(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

bool consumer_leads(struct consumer_engine *e)
{
    return atomic_load(&e->leads);
}

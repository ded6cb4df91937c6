/* The scanner: one thread that fires what is due and recomputes what a notice has settled, or an
 * operator decided, batch after batch, and sleeps no longer than to the next due instant.
 *
 * Correctness never depends on it being alone, on being woken, or on its sleep: what is due stays
 * due until its row says otherwise. A replica's scanner is woken by its own process; what other
 * replicas started shows within a second. */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"
#include "base/time.h"
#include "base/util.h"
#include "clock/clock_inside.h"
#include "loop/thread.h"

#define SLEEP_MAX_MS     1000 /* how long another replica's clock may go unseen */
#define BUSY_MS          20   /* all that is due is held by others: they are about to let go */
#define BACKOFF_FIRST_MS 100  /* the database cannot be reached, or refuses */
#define BACKOFF_MAX_MS   5000
#define FIGURES_EVERY_MS 10000
#define YIELD_MAX_MS     100 /* the longest rest after a batch, while commands are under way */
#define FIGURES_SHARE    20  /* counting takes no more than this part of the thread's time */

struct clock_scanner {
    const struct clock_owner *owner;
    struct pg_options options;
    void (*on_commit)(void *ctx, int64_t head);
    void *ctx;
    pthread_t thread;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping, woken;
    bool figures_asked; /* by a new watcher */
    void (*on_figures)(void *ctx, const struct clock_figures *figures);
    void *figures_ctx;
    bool (*busy)(void *ctx);
    void *busy_ctx;

    /* the thread's own */
    struct pg *pg;
    int64_t backoff_ms;
    int64_t figures_at_ms;   /* mono: when they are to be read again */
    int64_t figures_rest_ms; /* mono: not before, whatever happens: they cost as much as there are
                                clocks, and rungs wait meanwhile */
    struct clock_sweep sweep;
};

static void sleep_until_woken(struct clock_scanner *s, int64_t for_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + for_ms % 1000 * 1000000;
    until.tv_sec += for_ms / 1000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;

    pthread_mutex_lock(&s->lock);
    while (!s->stopping && !s->woken) {
        if (pthread_cond_timedwait(&s->changed, &s->lock, &until) != 0)
            break;
    }
    s->woken = false;
    pthread_mutex_unlock(&s->lock);
}

static bool is_stopping(struct clock_scanner *s)
{
    pthread_mutex_lock(&s->lock);
    bool stopping = s->stopping;
    pthread_mutex_unlock(&s->lock);
    return stopping;
}

static void tell_commit(struct clock_scanner *s, const struct clock_batch *batch)
{
    if (batch->head && s->on_commit)
        s->on_commit(s->ctx, batch->head);
}

/* Fires or recomputes one batch; adds what moved to *moved and what others held to *held. */
static int run_work(struct clock_scanner *s, const struct clock_work *work, int *moved, int *held)
{
    const struct snapshot *reference = snapshot_get();
    if (!reference)
        return 0;
    struct clock_batch batch;
    int r = clock_batch_run(s->pg, s->owner, work, reference, &batch);
    snapshot_put(reference);
    tell_commit(s, &batch);
    *moved += batch.done + batch.failed;
    if (batch.found && !batch.done && !batch.failed)
        *held += batch.found;
    return r;
}

/* A step of what an operator has decided. What others hold waits for the next walk. */
static int run_sweep(struct clock_scanner *s, int *moved, bool *ret_more)
{
    *ret_more = false;
    const struct snapshot *reference = snapshot_get();
    if (!reference)
        return 0;
    struct clock_batch batch;
    int r = clock_sweep_step(&s->sweep, s->pg, s->owner, reference, &batch, ret_more);
    snapshot_put(reference);
    tell_commit(s, &batch);
    *moved += batch.done + batch.failed;
    return r;
}

/* Milliseconds to the earliest due instant, within (0, SLEEP_MAX_MS]. */
static int read_sleep(struct clock_scanner *s, int64_t *ret_ms)
{
    struct arena arena;
    arena_init(&arena, 0);
    struct tx tx;
    int64_t at = 0;
    int r = tx_begin(&tx, s->pg, &arena);
    if (r >= 0) {
        r = tx_now(&tx);
        if (r >= 0)
            r = store_next_wake(&tx, &at);
        tx_rollback(&tx);
    }
    if (r >= 0)
        *ret_ms = at ? MIN(MAX(at - tx.now_ms, 1), SLEEP_MAX_MS) : SLEEP_MAX_MS;
    arena_clear(&arena);
    return r;
}

static int read_figures(struct clock_scanner *s, struct clock_figures *ret)
{
    struct arena arena;
    arena_init(&arena, 0);
    struct tx tx;
    int r = tx_begin(&tx, s->pg, &arena);
    if (r >= 0) {
        r = tx_now(&tx);
        if (r >= 0)
            r = clock_figures_read(s->pg, &arena, tx.now_ms, ret);
        tx_rollback(&tx);
    }
    arena_clear(&arena);
    return r;
}

static int report_figures(struct clock_scanner *s)
{
    pthread_mutex_lock(&s->lock);
    bool asked = s->figures_asked;
    s->figures_asked = false;
    pthread_mutex_unlock(&s->lock);
    if (!asked && mono_ms() < s->figures_at_ms)
        return 0;
    struct clock_figures figures;
    int64_t began_ms = mono_ms();
    int r = read_figures(s, &figures);
    int64_t now_ms = mono_ms();
    /* Also where it failed: a count that takes too long is not tried again at once. */
    s->figures_rest_ms = now_ms + FIGURES_SHARE * (now_ms - began_ms);
    s->figures_at_ms = MAX(now_ms + FIGURES_EVERY_MS, s->figures_rest_ms);
    /* A replica with an old calendar wrote one after the decision had been carried out. */
    if (r >= 0 && figures.behind)
        r = store_decision_reopen(s->pg);
    if (r < 0)
        return r;
    pthread_mutex_lock(&s->lock);
    if (s->on_figures)
        s->on_figures(s->figures_ctx, &figures);
    pthread_mutex_unlock(&s->lock);
    return 0;
}

/* One round: a batch of each work, then how long to sleep (0 = go on at once). */
static int scan_round(struct clock_scanner *s, int64_t *ret_sleep_ms)
{
    int fired = 0, recomputed = 0, held = 0;
    bool sweeping = false;
    if (!s->pg) {
        int r = pg_open(&s->pg, &s->options);
        if (r < 0)
            return r;
    }
    int r = run_work(s, &clock_work_fire, &fired, &held);
    if (r >= 0)
        r = run_work(s, &clock_work_recompute, &recomputed, &held);
    if (r >= 0)
        r = run_sweep(s, &recomputed, &sweeping);
    if (recomputed)
        s->figures_at_ms = MIN(s->figures_at_ms, s->figures_rest_ms);
    if (r >= 0)
        r = report_figures(s);
    if (r < 0 || fired || recomputed || sweeping) {
        *ret_sleep_ms = 0;
        return r;
    }
    r = read_sleep(s, ret_sleep_ms);
    if (r >= 0 && held)
        *ret_sleep_ms = BUSY_MS;
    return r;
}

static void back_off(struct clock_scanner *s)
{
    log_error_last(LOG_WARN, "CLOCK-SCAN");
    if (s->pg && !pg_alive(s->pg)) {
        pg_close(s->pg);
        s->pg = NULL;
    }
    s->backoff_ms = s->backoff_ms ? MIN(s->backoff_ms * 2, BACKOFF_MAX_MS) : BACKOFF_FIRST_MS;
    sleep_until_woken(s, s->backoff_ms);
}

/* Half of the time is the commands': what falls due at one midnight may be a hundred thousand. */
static int64_t yield_ms(struct clock_scanner *s, int64_t round_took_ms)
{
    pthread_mutex_lock(&s->lock);
    bool busy = s->busy && s->busy(s->busy_ctx);
    pthread_mutex_unlock(&s->lock);
    return busy ? MIN(round_took_ms, YIELD_MAX_MS) : 0;
}

static void *scanner_main(void *arg)
{
    struct clock_scanner *s = arg;
    while (!is_stopping(s)) {
        int64_t sleep_ms = SLEEP_MAX_MS, began_ms = mono_ms();
        if (scan_round(s, &sleep_ms) < 0) {
            back_off(s);
            continue;
        }
        s->backoff_ms = 0;
        if (!sleep_ms)
            sleep_ms = yield_ms(s, mono_ms() - began_ms);
        if (sleep_ms)
            sleep_until_woken(s, sleep_ms);
    }
    if (s->pg)
        pg_close(s->pg);
    return NULL;
}

static void scanner_free(struct clock_scanner *s)
{
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

int clock_scanner_start(struct clock_scanner **ret, const struct clock_owner *owner,
                        const struct pg_options *options,
                        void (*on_commit)(void *ctx, int64_t head), void *ctx)
{
    struct clock_scanner *s = calloc(1, sizeof(*s));
    assert_always(s);
    s->owner = owner;
    s->options = *options;
    s->on_commit = on_commit;
    s->ctx = ctx;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&s->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    int r = thread_start(&s->thread, "clocks", scanner_main, s);
    if (r < 0) {
        scanner_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

void clock_scanner_yield(struct clock_scanner *s, bool (*busy)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&s->lock);
    s->busy = busy;
    s->busy_ctx = ctx;
    pthread_mutex_unlock(&s->lock);
}

void clock_scanner_wake(struct clock_scanner *scanner)
{
    pthread_mutex_lock(&scanner->lock);
    scanner->woken = true;
    pthread_cond_signal(&scanner->changed);
    pthread_mutex_unlock(&scanner->lock);
}

void clock_scanner_watch(struct clock_scanner *scanner,
                         void (*on_figures)(void *ctx, const struct clock_figures *figures),
                         void *ctx)
{
    pthread_mutex_lock(&scanner->lock);
    scanner->on_figures = on_figures;
    scanner->figures_ctx = ctx;
    scanner->figures_asked = on_figures != NULL;
    pthread_mutex_unlock(&scanner->lock);
}

void clock_scanner_stop(struct clock_scanner *scanner)
{
    pthread_mutex_lock(&scanner->lock);
    scanner->stopping = true;
    pthread_cond_signal(&scanner->changed);
    pthread_mutex_unlock(&scanner->lock);
    pthread_join(scanner->thread, NULL);
    scanner_free(scanner);
}

/* The tail's thread and its ring.
 *
 * Invariants: the ring holds batches of one epoch, side by side, the newest ending at the head;
 * positions that are read must follow the head without a gap, or nothing is handed out and the
 * fault is told. */
#include "log/tail.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/fault.h"
#include "base/time.h"
#include "base/util.h"
#include "loop/thread.h"

#define RING_EVENTS_MAX  20000
#define RING_BYTES_MAX   ((size_t)32 * 1024 * 1024)
#define UNPROMPTED_MS    1000
#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS   1000

struct tail {
    struct tail_options options;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;

    /* under the lock */
    bool stopping, woken;
    int64_t epoch, head;
    struct tail_batch **ring; /* ring[first .. first + count), modulo capacity */
    int ring_first, ring_count, ring_capacity;
    int ring_events;
    size_t ring_bytes;

    /* the thread's own */
    struct pg *pg;
    struct arena slice; /* what is being read; used again for the next */
    bool faulty;
};

struct tail_batch *tail_batch_ref(struct tail_batch *batch)
{
    atomic_fetch_add(&batch->refs, 1);
    return batch;
}

void tail_batch_unref(struct tail_batch *batch)
{
    if (!batch || atomic_fetch_sub(&batch->refs, 1) != 1)
        return;
    arena_clear(&batch->arena);
    free(batch);
}

/* A text, or bytes, moved to where the batch has room for them. */
static void *keep(char **at, const void *data, size_t size)
{
    char *kept = *at;
    if (size > 0)
        memcpy(kept, data, size);
    *at += size;
    return kept;
}

static const char *keep_text(char **at, const char *text)
{
    return keep(at, text, strlen(text) + 1);
}

static size_t texts_size(const struct log_record *r)
{
    return strlen(r->id) + strlen(r->type) + strlen(r->subject) + strlen(r->division) +
           strlen(r->audience) + strlen(r->correlation) + strlen(r->traceparent) + 7;
}

/* In one piece that is no larger than its events: most batches are of a few, the ring holds
 * thousands, and blocks of an arena would be five times what is in them. */
static struct tail_batch *batch_new(int64_t epoch, const struct log_record *records, int count)
{
    struct tail_batch *batch;
    size_t bytes = sizeof(*batch) + sizeof(*records) * (size_t)count;
    for (int i = 0; i < count; i++)
        bytes += texts_size(&records[i]) + records[i].size;
    batch = calloc(1, bytes);
    assert_always(batch);
    struct log_record *kept = (struct log_record *)(void *)(batch + 1);
    char *at = (char *)(kept + count);
    for (int i = 0; i < count; i++) {
        const struct log_record *r = &records[i];
        kept[i] = *r;
        kept[i].id = keep_text(&at, r->id);
        kept[i].type = keep_text(&at, r->type);
        kept[i].subject = keep_text(&at, r->subject);
        kept[i].division = keep_text(&at, r->division);
        kept[i].audience = keep_text(&at, r->audience);
        kept[i].correlation = keep_text(&at, r->correlation);
        kept[i].traceparent = keep_text(&at, r->traceparent);
        kept[i].data = keep(&at, r->data, r->size);
    }
    batch->epoch = epoch;
    batch->records = kept;
    batch->count = count;
    batch->bytes = bytes;
    atomic_init(&batch->refs, 1);
    return batch;
}

/* ------------------------------------------------------------------ the ring, under the lock */

static struct tail_batch *ring_at(const struct tail *t, int i)
{
    return t->ring[(t->ring_first + i) % t->ring_capacity];
}

static void ring_drop_oldest(struct tail *t)
{
    struct tail_batch *oldest = ring_at(t, 0);
    t->ring_first = (t->ring_first + 1) % t->ring_capacity;
    t->ring_count--;
    t->ring_events -= oldest->count;
    t->ring_bytes -= oldest->bytes;
    tail_batch_unref(oldest);
}

static void ring_add(struct tail *t, struct tail_batch *batch)
{
    if (t->ring_count == t->ring_capacity) {
        int capacity = t->ring_capacity ? 2 * t->ring_capacity : 64;
        struct tail_batch **ring = calloc((size_t)capacity, sizeof(struct tail_batch *));
        assert_always(ring);
        for (int i = 0; i < t->ring_count; i++)
            ring[i] = ring_at(t, i);
        free(t->ring);
        t->ring = ring;
        t->ring_first = 0;
        t->ring_capacity = capacity;
    }
    t->ring[(t->ring_first + t->ring_count++) % t->ring_capacity] = tail_batch_ref(batch);
    t->ring_events += batch->count;
    t->ring_bytes += batch->bytes;
    while (t->ring_count > 1 && (t->ring_events > t->options.ring_events_max ||
                                 t->ring_bytes > t->options.ring_bytes_max))
        ring_drop_oldest(t);
}

static void ring_clear(struct tail *t)
{
    while (t->ring_count)
        ring_drop_oldest(t);
}

/* The last batch that starts at or before the position. */
static struct tail_batch *ring_find(const struct tail *t, int64_t position)
{
    int low = 0, high = t->ring_count;
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (ring_at(t, middle)->records[0].position <= position)
            low = middle;
        else
            high = middle;
    }
    return ring_at(t, low);
}

int tail_get(struct tail *t, int64_t after, struct tail_batch **ret_batch)
{
    int r = 0;
    pthread_mutex_lock(&t->lock);
    if (after < t->head) {
        bool in_ring = t->ring_count && ring_at(t, 0)->records[0].position <= after + 1;
        if (in_ring)
            *ret_batch = tail_batch_ref(ring_find(t, after + 1));
        r = in_ring ? 1 : ERR_NOT_FOUND;
    }
    pthread_mutex_unlock(&t->lock);
    return r < 0 ? err_set(r, "position %" PRId64 " is older than the ring", after) : r;
}

void tail_head(struct tail *t, int64_t *ret_epoch, int64_t *ret_head)
{
    pthread_mutex_lock(&t->lock);
    *ret_epoch = t->epoch;
    *ret_head = t->head;
    pthread_mutex_unlock(&t->lock);
}

/* ------------------------------------------------------------------ the thread */

void tail_wake(struct tail *t)
{
    pthread_mutex_lock(&t->lock);
    t->woken = true;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

/* False = stopping. A wake ends the wait only where it is worth something. */
static bool wait_ms(struct tail *t, int64_t for_ms, bool until_woken)
{
    int64_t until = mono_ms() + for_ms;
    struct timespec ts = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };
    pthread_mutex_lock(&t->lock);
    while (!t->stopping && !(until_woken && t->woken))
        if (pthread_cond_timedwait(&t->changed, &t->lock, &ts) != 0)
            break;
    if (until_woken)
        t->woken = false;
    bool going_on = !t->stopping;
    pthread_mutex_unlock(&t->lock);
    return going_on;
}

static void tell_fault(struct tail *t, const char *code)
{
    t->faulty = true;
    if (t->options.on_fault)
        t->options.on_fault(t->options.ctx, code, err_last()->text);
}

static void tell_well(struct tail *t)
{
    if (t->faulty && t->options.on_fault)
        t->options.on_fault(t->options.ctx, NULL, NULL);
    t->faulty = false;
}

static void take_epoch(struct tail *t, int64_t epoch, int64_t head)
{
    pthread_mutex_lock(&t->lock);
    ring_clear(t);
    t->epoch = epoch;
    t->head = head;
    pthread_mutex_unlock(&t->lock);
    if (t->options.on_epoch)
        t->options.on_epoch(t->options.ctx, epoch, head);
}

/* Finds where the log stands, without what is already in it: whoever wants that reads the log. */
static int take_place(struct tail *t)
{
    struct arena arena;
    int64_t epoch, head;
    arena_init(&arena, 0);
    int r = log_head(t->pg, &arena, &epoch, &head);
    arena_clear(&arena);
    if (r >= 0)
        take_epoch(t, epoch, head);
    return r;
}

static int check_contiguous(const struct tail *t, const struct log_record *records, int count)
{
    for (int i = 0; i < count; i++)
        if (records[i].position != t->head + 1 + i)
            return err_set(ERR_INTERNAL, "position %" PRId64 " follows %" PRId64,
                           records[i].position, t->head + i);
    return 0;
}

static void hand_out(struct tail *t, struct tail_batch *batch)
{
    pthread_mutex_lock(&t->lock);
    ring_add(t, batch);
    t->head = batch->records[batch->count - 1].position;
    pthread_mutex_unlock(&t->lock);
    fault_point("tail.batch_read");
    if (t->options.on_batch)
        t->options.on_batch(t->options.ctx, batch);
}

/* One slice; how many events there were. Only this thread writes epoch and head, so it reads them
 * without the lock. */
static int read_slice(struct tail *t)
{
    struct log_record *records;
    int64_t epoch;
    int count;
    arena_reset(&t->slice);
    int r = log_read_slice(t->pg, &t->slice, t->head, TAIL_SLICE_MAX, &epoch, &records, &count);
    if (r >= 0 && epoch != t->epoch)
        return take_place(t);
    if (r >= 0)
        r = check_contiguous(t, records, count);
    if (r >= 0 && count > 0) {
        struct tail_batch *batch = batch_new(epoch, records, count);
        hand_out(t, batch);
        tail_batch_unref(batch);
    }
    return r < 0 ? r : count;
}

/* The server may be another one than before: the epoch is decided before anything is read of it. */
static int connect_and_open(struct tail *t)
{
    int64_t epoch;
    int r = pg_open(&t->pg, t->options.pg);
    return r < 0 ? r : log_reopen_stream(t->pg, &epoch);
}

static int read_all(struct tail *t)
{
    int r = 0;
    if (!t->pg)
        r = connect_and_open(t);
    if (r >= 0 && !t->epoch)
        r = take_place(t);
    while (r >= 0) {
        r = read_slice(t);
        if (r < TAIL_SLICE_MAX)
            break;
    }
    return r;
}

static void *tail_run(void *arg)
{
    struct tail *t = arg;
    int64_t backoff_ms = BACKOFF_FIRST_MS;
    bool going_on = true;
    while (going_on) {
        int r = read_all(t);
        if (r >= 0) {
            tell_well(t);
            backoff_ms = BACKOFF_FIRST_MS;
            going_on = wait_ms(t, UNPROMPTED_MS, true);
            continue;
        }
        tell_fault(t, r == ERR_AGAIN ? "log_unreadable" : "log_broken");
        pg_close(t->pg);
        t->pg = NULL;
        going_on = wait_ms(t, backoff_ms, false);
        backoff_ms = MIN(2 * backoff_ms, BACKOFF_MAX_MS);
    }
    return NULL;
}

int tail_start(struct tail **ret, const struct tail_options *options)
{
    struct tail *t = calloc(1, sizeof(*t));
    assert_always(t);
    t->options = *options;
    arena_init(&t->slice, 0);
    if (!t->options.ring_events_max)
        t->options.ring_events_max = RING_EVENTS_MAX;
    if (!t->options.ring_bytes_max)
        t->options.ring_bytes_max = RING_BYTES_MAX;
    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&t->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    int r = thread_start(&t->thread, "tail", tail_run, t);
    if (r < 0) {
        pthread_cond_destroy(&t->changed);
        pthread_mutex_destroy(&t->lock);
        free(t);
        return r;
    }
    *ret = t;
    return 0;
}

void tail_stop(struct tail *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    t->stopping = true;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    pg_close(t->pg);
    arena_clear(&t->slice);
    ring_clear(t);
    free(t->ring);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* The tail: what is committed by any connection is handed out once, in order and without a gap; the
 * ring answers or says that it is too old; a server that goes away and comes back loses nothing; a
 * new epoch starts it anew. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "log/tail.h"
#include "log/tests/log_fixture.h"

#define WAIT_MS 20000

static struct pg_fixture *fixture;

struct heard {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t position, epoch, epoch_head;
    int gaps, epochs, faults;
    bool faulty;
};

static void on_batch(void *ctx, struct tail_batch *batch)
{
    struct heard *h = ctx;
    pthread_mutex_lock(&h->lock);
    for (int i = 0; i < batch->count; i++) {
        h->gaps += batch->records[i].position != h->position + 1;
        h->position = batch->records[i].position;
    }
    h->gaps += batch->epoch != h->epoch;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
}

static void on_epoch(void *ctx, int64_t epoch, int64_t head)
{
    struct heard *h = ctx;
    pthread_mutex_lock(&h->lock);
    h->epoch = epoch;
    h->position = h->epoch_head = head;
    h->epochs++;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
}

static void on_fault(void *ctx, const char *code, const char *detail)
{
    struct heard *h = ctx;
    pthread_mutex_lock(&h->lock);
    assert_int_equal(code == NULL, detail == NULL);
    h->faulty = code != NULL;
    h->faults += code != NULL;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
}

/* Waits, under the lock, until the expression is true. */
#define WAIT_FOR(h, expression)                                                                    \
    do {                                                                                           \
        pthread_mutex_lock(&(h)->lock);                                                            \
        int64_t deadline_ms_ = mono_ms() + WAIT_MS;                                                \
        while (!(expression)) {                                                                    \
            struct timespec ts_;                                                                   \
            clock_gettime(CLOCK_REALTIME, &ts_);                                                   \
            ts_.tv_sec += 1;                                                                       \
            pthread_cond_timedwait(&(h)->changed, &(h)->lock, &ts_);                               \
            if (mono_ms() > deadline_ms_) {                                                        \
                pthread_mutex_unlock(&(h)->lock);                                                  \
                fail_msg("waited in vain for %s", #expression);                                    \
            }                                                                                      \
        }                                                                                          \
        pthread_mutex_unlock(&(h)->lock);                                                          \
    } while (0)

struct context {
    const char *uri;
    struct pg_options options;
    struct pg *pg;
    struct arena arena;
    struct heard heard;
    struct tail *tail;
};

static int setup_group(void **state UNUSED)
{
    fixture = pg_fixture_open_private(
        &(struct pg_fixture_options){ .modules = storm_modules, .no_fsync = true });
    return fixture ? 0 : -1;
}

static int teardown_group(void **state UNUSED)
{
    pg_fixture_close(fixture);
    return 0;
}

static int setup(void **state)
{
    static struct context c;
    int64_t epoch;
    memset(&c, 0, sizeof(c));
    pthread_mutex_init(&c.heard.lock, NULL);
    pthread_cond_init(&c.heard.changed, NULL);
    arena_init(&c.arena, 0);
    c.uri = pg_fixture_database(fixture);
    c.pg = c.uri ? pg_fixture_connect(fixture, c.uri) : NULL;
    c.options = (struct pg_options){ .uri = c.uri, .modules = storm_modules };
    *state = &c;
    return c.pg && log_open_stream(c.pg, "storm", &epoch) >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
    struct context *c = *state;
    tail_stop(c->tail);
    pg_close(c->pg);
    arena_clear(&c->arena);
    pg_fixture_drop(fixture, c->uri);
    return 0;
}

static void start(struct context *c, int ring_events_max, size_t ring_bytes_max)
{
    struct tail_options options = { .pg = &c->options,
                                    .ring_events_max = ring_events_max,
                                    .ring_bytes_max = ring_bytes_max,
                                    .on_batch = on_batch,
                                    .on_epoch = on_epoch,
                                    .on_fault = on_fault,
                                    .ctx = &c->heard };
    assert_int_equal(tail_start(&c->tail, &options), 0);
    WAIT_FOR(&c->heard, c->heard.epochs > 0);
}

static int64_t append(struct context *c, int events)
{
    struct tx tx;
    struct event_address address = { .subject = "s", .division = "37" };
    assert_int_equal(tx_begin(&tx, c->pg, &c->arena), 0);
    assert_int_equal(tx_now(&tx), 0);
    for (int i = 0; i < events; i++)
        tx_event_encoded(&tx, "storm.happened.v1", &address, (const uint8_t *)"data", 4);
    assert_int_equal(tx_commit(&tx), PG_DONE);
    int64_t head = tx.head;
    arena_reset(&c->arena);
    return head;
}

static void test_hands_out_what_is_committed(void **state)
{
    struct context *c = *state;
    append(c, 3); /* before it starts: not handed out */
    start(c, 0, 0);
    assert_int_equal(c->heard.epoch_head, 3);
    int64_t epoch, head;
    tail_head(c->tail, &epoch, &head);
    assert_int_equal(epoch, 1);
    assert_int_equal(head, 3);

    /* Woken, it is there at once (the quickest of five: a machine may falter); unprompted, about a
     * second after it last looked. */
    int64_t quickest_ms = INT64_MAX;
    for (int64_t position = 4; position <= 8; position++) {
        int64_t begun_ms = mono_ms();
        assert_int_equal(append(c, 1), position);
        tail_wake(c->tail);
        WAIT_FOR(&c->heard, c->heard.position == position);
        quickest_ms = MIN(quickest_ms, mono_ms() - begun_ms);
    }
    assert_true(quickest_ms < 500);
    append(c, 2000);
    WAIT_FOR(&c->heard, c->heard.position == 2008);
    assert_int_equal(c->heard.gaps, 0);
    assert_int_equal(c->heard.epochs, 1);
}

static void test_ring(void **state)
{
    struct context *c = *state;
    struct tail_batch *batch = NULL, *kept = NULL;
    append(c, 10);
    start(c, 1000, 0);
    assert_int_equal(tail_get(c->tail, 10, &batch), 0);
    assert_int_equal(tail_get(c->tail, 99, &batch), 0);
    assert_int_equal(tail_get(c->tail, 9, &batch), ERR_NOT_FOUND);
    assert_null(batch);

    append(c, 5);
    tail_wake(c->tail);
    WAIT_FOR(&c->heard, c->heard.position == 15);
    append(c, 800);
    tail_wake(c->tail);
    WAIT_FOR(&c->heard, c->heard.position == 815);
    for (int64_t after = 10; after < 815; after++) {
        assert_int_equal(tail_get(c->tail, after, &batch), 1);
        const struct log_record *first = &batch->records[0];
        assert_in_range(after + 1, first->position, first->position + batch->count - 1);
        assert_string_equal(first->subject, "s");
        tail_batch_unref(batch);
    }
    assert_int_equal(tail_get(c->tail, 10, &kept), 1);

    append(c, 900); /* more than the ring holds: the oldest go, a batch in use stays whole */
    tail_wake(c->tail);
    WAIT_FOR(&c->heard, c->heard.position == 1715);
    assert_int_equal(tail_get(c->tail, 10, &batch), ERR_NOT_FOUND);
    assert_int_equal(tail_get(c->tail, 1714, &batch), 1);
    tail_batch_unref(batch);
    assert_int_equal(kept->records[0].position, 11);
    assert_memory_equal(kept->records[0].data, "data", 4);
    tail_batch_unref(kept);
}

static void test_ring_is_bounded_by_bytes(void **state)
{
    struct context *c = *state;
    struct tail_batch *batch = NULL;
    start(c, 0, 1);
    for (int i = 1; i <= 3; i++) {
        append(c, 2);
        tail_wake(c->tail);
        WAIT_FOR(&c->heard, c->heard.position == (int64_t)2 * i);
    }
    assert_int_equal(tail_get(c->tail, 1, &batch), ERR_NOT_FOUND);
    assert_int_equal(tail_get(c->tail, 5, &batch), 1);
    tail_batch_unref(batch);
}

/* A batch of one event takes the memory of one: the bound of the ring is one of memory. */
static void test_a_batch_is_no_larger_than_its_events(void **state)
{
    struct context *c = *state;
    struct tail_batch *one = NULL, *two = NULL;
    start(c, 0, 0);
    append(c, 1);
    tail_wake(c->tail);
    WAIT_FOR(&c->heard, c->heard.position == 1);
    append(c, 2);
    tail_wake(c->tail);
    WAIT_FOR(&c->heard, c->heard.position == 3);
    assert_int_equal(tail_get(c->tail, 0, &one), 1);
    assert_int_equal(tail_get(c->tail, 1, &two), 1);
    assert_int_equal(one->count, 1);
    assert_true(one->bytes < 1024);
    assert_int_equal(one->bytes, sizeof(*one) + (two->bytes - sizeof(*two)) / 2);
    assert_true(malloc_usable_size(one) < one->bytes + 32);
    assert_string_equal(one->records[0].subject, two->records[1].subject);
    assert_null(one->arena.head);
    tail_batch_unref(one);
    tail_batch_unref(two);
}

static void test_many_writers_no_gap(void **state)
{
    struct context *c = *state;
    struct storm s;
    start(c, 0, 0);
    assert_int_equal(storm_start(&s, &(struct storm_options){ .uri = c->uri, .writers = 4 }), 0);
    for (long done = 0; done < 500; done = storm_done(&s)) {
        tail_wake(c->tail);
        poll(NULL, 0, 1);
    }
    storm_stop(&s);
    storm_clear(&s);
    int64_t head = storm_head(c->uri);
    tail_wake(c->tail);
    WAIT_FOR(&c->heard, c->heard.position == head);
    assert_int_equal(c->heard.gaps, 0);
}

static void test_server_goes_and_comes_back(void **state)
{
    struct context *c = *state;
    start(c, 0, 0);
    append(c, 2);
    tail_wake(c->tail);
    WAIT_FOR(&c->heard, c->heard.position == 2);
    assert_int_equal(pg_fixture_crash(fixture), 0);
    pg_close(c->pg);
    c->pg = pg_fixture_connect(fixture, c->uri);
    append(c, 3);
    tail_wake(c->tail);
    WAIT_FOR(&c->heard, c->heard.position == 5 && !c->heard.faulty);
    assert_int_equal(c->heard.gaps, 0);
    assert_int_equal(c->heard.epochs, 1);
}

static void test_new_epoch(void **state)
{
    struct context *c = *state;
    append(c, 7);
    start(c, 0, 0);
    append(c, 1);
    tail_wake(c->tail);
    WAIT_FOR(&c->heard, c->heard.position == 8);
    assert_int_equal(pg_script(c->pg, "DELETE FROM event WHERE position > 5;"
                                      "UPDATE log_stream SET epoch = epoch + 1"),
                     0);
    WAIT_FOR(&c->heard, c->heard.epochs == 2);
    assert_int_equal(c->heard.epoch, 2);
    assert_int_equal(c->heard.epoch_head, 5);
    struct tail_batch *batch = NULL;
    assert_int_equal(tail_get(c->tail, 4, &batch), ERR_NOT_FOUND);
    assert_int_equal(append(c, 1), 6);
    tail_wake(c->tail);
    WAIT_FOR(&c->heard, c->heard.position == 6);
    assert_int_equal(c->heard.gaps, 0);
}

static void test_gap_is_a_fault(void **state)
{
    struct context *c = *state;
    start(c, 0, 0);
    append(c, 4);
    tail_wake(c->tail);
    WAIT_FOR(&c->heard, c->heard.position == 4);
    assert_int_equal(
        pg_script(c->pg,
                  "INSERT INTO event SELECT position + 2, time, event_id, about_enforcement, type,"
                  " subject, division, audience, correlation, traceparent, data"
                  " FROM event WHERE position = 4"),
        0);
    WAIT_FOR(&c->heard, c->heard.faulty);
    assert_int_equal(c->heard.position, 4);
    assert_int_equal(pg_script(c->pg, "UPDATE event SET position = 5 WHERE position = 6"), 0);
    WAIT_FOR(&c->heard, !c->heard.faulty && c->heard.position == 5);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_hands_out_what_is_committed),
        CASE(test_ring),
        CASE(test_ring_is_bounded_by_bytes),
        CASE(test_a_batch_is_no_larger_than_its_events),
        CASE(test_many_writers_no_gap),
        CASE(test_server_goes_and_comes_back),
        CASE(test_new_epoch),
        CASE(test_gap_is_a_fault),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}

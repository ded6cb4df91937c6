/* Proof: a reply against a red rung in the same millisecond, ten thousand times. Never both a reply
 * in time and a red rung; and each clock has exactly one of them.
 *
 * Two scanners race against each other and against repliers, who aim at due_at give or take two
 * milliseconds. Half of the repliers give up when they find that it is too late, so that those
 * clocks must get their red rung; the other half reply late. LUJIAN_SOAK=1 races ten times as many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "clock/tests/clock_fixture.h"
#include "lujian/complaints/v1/events.lj.h"

#define CLOCKS        10000
#define CHUNK         500 /* raced together; then the next are filed */
#define REPLIERS      4
#define LEAD_MS       150
#define LAG_MAX_MS    100
#define SPREAD_MIN_MS 200 /* of a chunk's due instants; more where this machine cannot keep up */
#define SPREAD_MAX_MS 4000
#define FAR_MS        (10 * 60 * TIME_SECOND_MS) /* due so far ahead until the race begins */

static struct pg_fixture *fixture;
static const struct snapshot *reference;

static int setup_group(void **state UNUSED)
{
    fixture = clock_bench_setup();
    if (fixture)
        reference = clock_bench_reference(2051);
    return fixture ? 0 : -1;
}

static int teardown_group(void **state UNUSED)
{
    snapshot_put(reference);
    clock_bench_teardown(fixture);
    return 0;
}

struct race {
    struct clock_bench bench;
    char ids[CHUNK][UUID_TEXT_SIZE];
    int64_t due_at[CHUNK];    /* civil */
    int64_t civil_minus_mono; /* so that a replier can aim without asking */
    int64_t spread_ms;
    atomic_int next, in_time, late, given_up, failed;
};

/* Dispatch clocks: hours, so that due_at and the red rung are any millisecond we like. */
static void file_chunk(struct race *race)
{
    struct clock_bench *b = &race->bench;
    static const struct pg_query insert = { .name = "matter_insert" };
    int64_t first = clock_bench_now(b) + FAR_MS;
    struct tx tx;
    struct arena arena;
    arena_init(&arena, 0);
    assert_int_equal(tx_begin(&tx, b->pg, &arena), 0);
    for (int i = 0; i < CHUNK; i++) {
        struct clock_set set;
        uuid_v7(wall_ms(), race->ids[i]);
        race->due_at[i] = first + (int64_t)i * race->spread_ms / CHUNK;
        struct clock_subject subject = {
            .id = race->ids[i], .division = "370102", .audience = "", .unit = "370102-urban"
        };
        assert_int_equal(tx_write(&tx, &insert, PG_ARGS(pg_text(race->ids[i]))), 0);
        clock_set_init(&set, &tx, reference, &subject);
        assert_int_equal(clock_start(&set, CLOCK_KIND_DISPATCH, race->due_at[i] - 2 * TIME_HOUR_MS),
                         0);
    }
    assert_int_equal(tx_commit(&tx), PG_DONE);
    arena_clear(&arena);
}

/* Waits until the scanners have nothing due. */
static void settle(struct race *race)
{
    struct clock_figures figures = { .due = 1 };
    for (int64_t until = mono_ms() + 20000; figures.due && mono_ms() < until; poll(NULL, 0, 5))
        assert_int_equal(clock_figures_read(race->bench.pg, &race->bench.arena,
                                            clock_bench_now(&race->bench), &figures),
                         0);
    assert_int_equal(figures.due, 0);
    assert_int_equal(figures.failing, 0);
}

static void wait_until(const struct race *race, int64_t civil_ms)
{
    int64_t us = (civil_ms - race->civil_minus_mono) * 1000 - mono_us();
    if (us <= 0)
        return;
    struct timespec ts = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };
    nanosleep(&ts, NULL);
}

/* The act of a handler: lock, then time, then the clocks; the clock decides whether it is in time.
 */
static int reply(struct race *race, struct pg *pg, struct arena *arena, int i, int64_t *ret_now_ms)
{
    struct tx tx;
    struct pg_rows rows;
    struct clock_set set;
    struct clock_subject subject = {
        .id = race->ids[i], .division = "370102", .audience = "", .unit = "370102-urban"
    };
    int r = tx_begin(&tx, pg, arena);
    if (r >= 0)
        r = tx_read(&tx, &Q_MATTER_LOCK_ONE, PG_ARGS(pg_text(subject.id)), &rows);
    if (r >= 0)
        r = tx_now(&tx);
    *ret_now_ms = tx.now_ms;
    clock_set_init(&set, &tx, reference, &subject);
    if (r >= 0)
        r = clock_set_load(&set);
    if (r < 0)
        return r;
    struct clock *c = clock_find(&set, CLOCK_KIND_DISPATCH);
    if (i % 2 && clock_state(c, tx.now_ms) == CLOCK_STATE_LATE) {
        tx_rollback(&tx);
        atomic_fetch_add(&race->given_up, 1);
        return 0;
    }
    r = clock_stop(&set, CLOCK_KIND_DISPATCH);
    if (r < 0)
        return r;
    bool in_time = clock_state(c, tx.now_ms) == CLOCK_STATE_MET;
    ComplaintReplied data = COMPLAINT_REPLIED_INIT;
    data.complaint_id = race->ids[i];
    data.in_time = in_time;
    struct event_address address = {
        .subject = subject.id, .division = "370102", .audience = "", .correlation = ""
    };
    tx_event(&tx, &complaint_replied_event, &address, &data.base);
    if (tx_commit(&tx) != PG_DONE)
        return err_last()->code;
    atomic_fetch_add(in_time ? &race->in_time : &race->late, 1);
    return 0;
}

static void *replier(void *arg)
{
    struct race *race = arg;
    struct pg *pg;
    struct arena arena;
    arena_init(&arena, 0);
    if (pg_open(&pg, &race->bench.options) < 0) {
        atomic_fetch_add(&race->failed, 1);
        return NULL;
    }
    int64_t lag_ms = 1; /* from setting out to having the lock, lately */
    for (int i; (i = atomic_fetch_add(&race->next, 1)) < CHUNK;) {
        /* -2 .. +2 ms, by the id: no two runs alike, and no lock around a generator */
        int64_t aim = race->due_at[i] - 2 + race->ids[i][35] % 5, now_ms;
        wait_until(race, aim - lag_ms);
        if (reply(race, pg, &arena, i, &now_ms) < 0)
            atomic_fetch_add(&race->failed, 1);
        else
            lag_ms = MIN(MAX((3 * lag_ms + (now_ms - aim + lag_ms)) / 4, 0), LAG_MAX_MS);
        arena_reset(&arena);
    }
    pg_close(pg);
    arena_clear(&arena);
    return NULL;
}

static void run_chunk(struct race *race)
{
    pthread_t repliers[REPLIERS];
    file_chunk(race);
    settle(race); /* the yellow cards are long due: out of the way before the race */
    clock_bench_advance(race->due_at[0] - LEAD_MS - clock_bench_now(&race->bench));
    race->civil_minus_mono = clock_bench_now(&race->bench) - mono_us() / 1000;
    int before = race->in_time;
    race->next = 0;
    for (int i = 0; i < REPLIERS; i++)
        assert_int_equal(pthread_create(&repliers[i], NULL, replier, race), 0);
    for (int i = 0; i < REPLIERS; i++)
        pthread_join(repliers[i], NULL);
    settle(race);
    /* repliers that come too late do not race: give them more room; less where there is too much */
    int in_time = race->in_time - before;
    if (in_time < CHUNK / 3)
        race->spread_ms = MIN(race->spread_ms * 2, SPREAD_MAX_MS);
    else if (in_time > CHUNK / 2)
        race->spread_ms = MAX(race->spread_ms * 3 / 4, SPREAD_MIN_MS);
}

/* What the database says, by clocks and rungs and by the log alone. */
static void judge(struct race *race)
{
    struct clock_bench *b = &race->bench;
    int64_t met = clock_bench_number(b, "SELECT count(*) FROM clock WHERE ended_at < due_at");
    int64_t late = clock_bench_number(b, "SELECT count(*) FROM clock WHERE ended_at >= due_at");
    int64_t open = clock_bench_number(b, "SELECT count(*) FROM clock WHERE ended_at IS NULL");
    int64_t red = clock_bench_number(b, "SELECT count(*) FROM clock_rung WHERE rung = 2");
    int64_t close = clock_bench_number(
        b,
        "SELECT count(*) FROM clock c LEFT JOIN clock_rung r ON r.clock_id = c.id AND r.rung = 2 "
        "WHERE abs(coalesce(c.ended_at, r.fired_at) - c.due_at) <= 1");
    print_message("in time %d, late %d, given up %d; red %d; within a millisecond %d\n", (int)met,
                  (int)late, (int)open, (int)red, (int)close);

    assert_int_equal(race->failed, 0);
    assert_int_equal(met, race->in_time);
    assert_int_equal(late, race->late);
    assert_int_equal(open, race->given_up);
    /* a race that one side always wins proves nothing */
    assert_true(met >= 100);
    assert_true(open >= 100);
    assert_true(close >= 20); /* near a thousand on an idle machine */

    /* never both */
    assert_int_equal(clock_bench_number(b, "SELECT count(*) FROM clock c JOIN clock_rung r "
                                           "ON r.clock_id = c.id AND r.rung = 2 "
                                           "WHERE c.ended_at < c.due_at"),
                     0);
    /* exactly one: who was not in time and did not come late before it has a red rung */
    assert_int_equal(clock_bench_number(b, "SELECT count(*) FROM clock c WHERE ended_at IS NULL "
                                           "AND NOT EXISTS (SELECT FROM clock_rung r "
                                           "WHERE r.clock_id = c.id AND rung = 2)"),
                     0);
    assert_int_equal(clock_bench_number(b,
                                        "SELECT count(*) FROM clock_rung r JOIN clock c "
                                        "ON c.id = r.clock_id WHERE r.rung = 2 "
                                        "AND (r.fired_at < c.due_at OR c.ended_at < r.fired_at)"),
                     0);
    /* a red rung and a reply of one clock: the log has them in the order of their instants */
    assert_int_equal(
        clock_bench_number(b, "SELECT count(*) FROM event a JOIN event b ON a.subject = b.subject "
                              "AND a.type = 'complaint.replied.v1' "
                              "AND b.type = 'clock.rung_reached.v1' AND b.position > a.position"),
        0);
    assert_int_equal(clock_bench_number(b, "SELECT count(*) FROM event "
                                           "WHERE type = 'clock.rung_reached.v1'"),
                     met + late + open + red); /* all yellow, and the red */
    assert_int_equal(clock_bench_number(b, "SELECT count(*) - count(DISTINCT event_id) FROM event"),
                     0);
    assert_int_equal(clock_bench_number(b, "SELECT max(position) - count(*) FROM event"), 0);
}

static void race_all(int clocks, int64_t limit_ms)
{
    static struct race race;
    struct clock_scanner *scanners[2];
    memset(&race, 0, sizeof(race));
    race.spread_ms = 400;
    clock_bench_open(&race.bench, fixture);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            clock_scanner_start(&scanners[i], &clock_bench_owner, &race.bench.options, NULL, NULL),
            0);
    int64_t start = mono_ms();
    int done = 0;
    for (; done < clocks && mono_ms() - start < limit_ms; done += CHUNK)
        run_chunk(&race);
    print_message("%d of %d clocks raced in %d ms\n", done, clocks, (int)(mono_ms() - start));
    for (int i = 0; i < 2; i++)
        clock_scanner_stop(scanners[i]);
    judge(&race);
    clock_bench_close(&race.bench);
}

static void test_reply_against_red(void **state UNUSED)
{
    /* On a machine that does something else too, fewer than that rather than too late. */
    if (getenv("LUJIAN_SOAK"))
        race_all(10 * CLOCKS, 15 * 60 * TIME_SECOND_MS);
    else
        race_all(CLOCKS, 45 * TIME_SECOND_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_reply_against_red) };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}

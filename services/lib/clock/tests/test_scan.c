/* The scan on a real PostgreSQL: steps after a jump of time, racing scanners, held and failing
 * clocks, and a scanner killed in the middle of a batch. */
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
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fault.h"
#include "base/time.h"
#include "base/util.h"
#include "clock/tests/clock_fixture.h"
#include "wire/wire.h"

#define WAIT_MS 20000

static struct pg_fixture *fixture;
static const struct snapshot *reference; /* with the notices of 2050 and 2051 */

static const int REPLY[] = { CLOCK_KIND_REPLY, 0 };
static const int DISPATCH[] = { CLOCK_KIND_DISPATCH, 0 };

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

static void install(const struct snapshot *s)
{
    union {
        const struct snapshot *in;
        struct snapshot *out;
    } u = { .in = snapshot_ref(s) };
    snapshot_install(u.out);
}

static int fire_all(struct clock_bench *b)
{
    int done = 0;
    for (struct clock_batch batch; (batch = clock_bench_fire(b)).done; done += batch.done)
        ;
    return done;
}

/* Every rung has its row and its event, the clocks' rows agree, and nothing is there twice. */
static void assert_sound(struct clock_bench *b)
{
    assert_int_equal(clock_bench_number(b, "SELECT count(*) - count(DISTINCT event_id) FROM event"),
                     0);
    assert_int_equal(clock_bench_number(b, "SELECT count(*) FROM event "
                                           "WHERE type = 'clock.rung_reached.v1'"),
                     clock_bench_number(b, "SELECT count(*) FROM clock_rung"));
    /* the last rung of each clock's term, and its time, are what the row says */
    assert_int_equal(
        clock_bench_number(b, "SELECT count(*) FROM clock c LEFT JOIN LATERAL ("
                              "SELECT rung, fired_at FROM clock_rung r WHERE r.clock_id = c.id "
                              "AND r.term = c.term ORDER BY rung DESC LIMIT 1) r ON true "
                              "WHERE (c.last_rung, c.last_fired_at) IS DISTINCT FROM "
                              "(r.rung, r.fired_at)"),
        0);
    /* in order: no rung fired before the one below it */
    assert_int_equal(clock_bench_number(b, "SELECT count(*) FROM clock_rung a JOIN clock_rung b "
                                           "ON a.clock_id = b.clock_id AND a.term = b.term "
                                           "AND a.rung < b.rung AND a.fired_at > b.fired_at"),
                     0);
}

/* -- steps -- */

static void test_one_step_a_scan(void **state UNUSED)
{
    struct clock_bench b;
    clock_bench_open(&b, fixture);
    clock_bench_at(&b, "2050-02-07T10:00");
    const char *id = clock_bench_file(&b, REPLY, clock_bench_now(&b));
    clock_bench_advance(30 * TIME_DAY_MS); /* 2050-03-09, Wednesday */
    struct clock_batch batch = clock_bench_fire(&b);
    assert_int_equal(batch.done, 1);
    assert_int_equal(clock_bench_read(&b, id, CLOCK_KIND_REPLY).last_rung, RUNG_YELLOW);
    batch = clock_bench_fire(&b);
    assert_int_equal(batch.done, 1);
    struct clock c = clock_bench_read(&b, id, CLOCK_KIND_REPLY);
    assert_int_equal(c.last_rung, RUNG_RED);
    assert_int_equal(c.next_rung, RUNG_L1);
    assert_int_equal(c.next_at, clock_bench_instant("2050-03-15")); /* three working days on */
    batch = clock_bench_fire(&b);
    assert_int_equal(batch.found + batch.done, 0);

    clock_bench_advance(30 * TIME_DAY_MS); /* the ladder goes on by one, not to its end */
    assert_int_equal(fire_all(&b), 1);
    assert_int_equal(clock_bench_read(&b, id, CLOCK_KIND_REPLY).last_rung, RUNG_L1);
    for (int rung = RUNG_L2; rung <= RUNG_REPORT; rung++) {
        clock_bench_advance(30 * TIME_DAY_MS);
        assert_int_equal(fire_all(&b), 1);
        assert_int_equal(clock_bench_read(&b, id, CLOCK_KIND_REPLY).last_rung, rung);
    }
    clock_bench_advance(300 * TIME_DAY_MS);
    assert_int_equal(fire_all(&b), 0);
    assert_sound(&b);

    struct clock_figures figures;
    assert_int_equal(clock_figures_read(b.pg, &b.arena, clock_bench_now(&b), &figures), 0);
    assert_int_equal(figures.overdue, 1); /* its ladder is at an end, it is not */
    assert_int_equal(figures.due, 0);
    clock_bench_close(&b);
}

static void test_events(void **state UNUSED)
{
    struct clock_bench b;
    clock_bench_open(&b, fixture);
    const char *id = clock_bench_file(&b, DISPATCH, clock_bench_now(&b));
    clock_bench_advance(TIME_HOUR_MS);
    assert_int_equal(fire_all(&b), 1);
    struct log_record *records;
    int count;
    assert_int_equal(log_read(b.pg, &b.arena, 0, 10, &records, &count), 0);
    assert_int_equal(count, 1);
    assert_string_equal(records[0].type, "clock.rung_reached.v1");
    assert_string_equal(records[0].subject, id);
    assert_string_equal(records[0].division, "370102");
    ProtobufCMessage *message;
    struct wire_fault fault;
    assert_int_equal(wire_unpack(&rung_reached_rules, &b.arena, records[0].data, records[0].size,
                                 &message, &fault),
                     0);
    const RungReached *data = (const RungReached *)(const void *)message;
    struct clock c = clock_bench_read(&b, id, CLOCK_KIND_DISPATCH);
    assert_string_equal(data->clock_id, c.id);
    assert_int_equal(data->rung, RUNG_YELLOW);
    assert_int_equal(data->clock_kind, CLOCK_KIND_DISPATCH);
    assert_int_equal(data->term, 1);
    assert_string_equal(data->subject, id);
    assert_string_equal(data->unit, "370102-urban");
    assert_int_equal(data->due_at, c.due_at - TIME_HOUR_MS);
    assert_int_equal(data->fired_at, c.last_fired_at);
    assert_int_equal(data->next_due_at, c.due_at);
    assert_int_equal(data->clock_due_at, c.due_at);
    assert_string_equal(data->rule, "dispatch-yellow");

    int kind = CLOCK_KIND_DISPATCH;
    clock_bench_act(&b, id, clock_bench_stop, &kind);
    clock_bench_advance(TIME_DAY_MS);
    assert_int_equal(fire_all(&b), 0); /* stopped: no red card */
    assert_sound(&b);
    clock_bench_close(&b);
}

/* -- the thread -- */

struct seen {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t head;
};

static void seen_init(struct seen *s)
{
    *s = (struct seen){ .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
}

static void on_commit(void *ctx, int64_t head)
{
    struct seen *s = ctx;
    pthread_mutex_lock(&s->lock);
    s->head = MAX(s->head, head);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* Waits for the log's head to be told; the milliseconds that took, -1 = in vain. */
static int64_t wait_head(struct seen *s, int64_t head, int64_t timeout_ms)
{
    int64_t start = mono_ms();
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    bool in_time = true;
    pthread_mutex_lock(&s->lock);
    while (s->head < head && in_time)
        in_time = pthread_cond_timedwait(&s->changed, &s->lock, &until) == 0;
    in_time = s->head >= head;
    pthread_mutex_unlock(&s->lock);
    return in_time ? mono_ms() - start : -1;
}

static struct clock_scanner *scanner_start(struct clock_bench *b, struct seen *seen)
{
    struct clock_scanner *scanner;
    assert_int_equal(
        clock_scanner_start(&scanner, &clock_bench_owner, &b->options, on_commit, seen), 0);
    return scanner;
}

/* A rung fires when it is due, not when a poll comes round to it: of five rungs a quarter of a
 * second apart a poll each second would find one in time, or two. */
static void test_fires_on_time(void **state UNUSED)
{
    struct clock_bench b;
    struct seen seen;
    clock_bench_open(&b, fixture);
    seen_init(&seen);
    int64_t now = clock_bench_now(&b);
    for (int i = 0; i < 5; i++)
        clock_bench_file(&b, DISPATCH, now - TIME_HOUR_MS + 250 * (i + 2));
    struct clock_scanner *scanner = scanner_start(&b, &seen);
    assert_true(wait_head(&seen, 5, WAIT_MS) >= 0);
    print_message("latest rung: %d ms after it was due\n",
                  (int)clock_bench_number(&b, "SELECT max(fired_at - due_at) FROM clock_rung"));
    assert_true(clock_bench_number(&b, "SELECT count(*) FROM clock_rung "
                                       "WHERE fired_at - due_at < 200") >= 3);
    clock_scanner_stop(scanner);
    assert_sound(&b);
    clock_bench_close(&b);
}

/* It sleeps for a second after each commit of its own; woken, it comes before that. */
static void test_woken(void **state UNUSED)
{
    struct clock_bench b;
    struct seen seen;
    clock_bench_open(&b, fixture);
    seen_init(&seen);
    struct clock_scanner *scanner = scanner_start(&b, &seen);
    int64_t head = 0, took = 1000;
    for (int tries = 0; tries < 5 && took >= 800; tries++) {
        /* what another replica starts is found without being told */
        clock_bench_file(&b, DISPATCH, clock_bench_now(&b) - TIME_HOUR_MS);
        assert_true(wait_head(&seen, head += 1, WAIT_MS) >= 0);
        clock_bench_advance(TIME_HOUR_MS);
        clock_scanner_wake(scanner);
        took = wait_head(&seen, head += 1, WAIT_MS);
        assert_true(took >= 0);
    }
    assert_true(took < 800);
    clock_scanner_stop(scanner);
    assert_sound(&b);
    clock_bench_close(&b);
}

static void test_the_link_is_lost(void **state UNUSED)
{
    struct clock_bench b;
    struct seen seen;
    clock_bench_open(&b, fixture);
    seen_init(&seen);
    struct clock_scanner *scanner = scanner_start(&b, &seen);
    clock_bench_file(&b, DISPATCH, clock_bench_now(&b) - TIME_HOUR_MS);
    assert_true(wait_head(&seen, 1, WAIT_MS) >= 0);
    clock_bench_number(&b, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                           "WHERE application_name = 'clocks' AND pid <> pg_backend_pid() "
                           "AND datname = current_database()");
    clock_bench_file(&b, DISPATCH, clock_bench_now(&b) - TIME_HOUR_MS);
    clock_scanner_wake(scanner);
    assert_true(wait_head(&seen, 2, WAIT_MS) >= 0);
    clock_scanner_stop(scanner);
    assert_sound(&b);
    clock_bench_close(&b);
}

/* Many clocks in one transaction each: the bench's own quick way. */
static void file_many(struct clock_bench *b, int count, int64_t started_at)
{
    pg_script(b->pg, "BEGIN");
    char *sql = arena_printf(
        &b->arena,
        "CREATE TEMP TABLE fresh AS SELECT gen_random_uuid() AS id FROM generate_series(1, %d);"
        "INSERT INTO matter SELECT id FROM fresh;"
        "INSERT INTO clock (subject, kind, id, term, division, audience, unit, about_enforcement,"
        " started_at, due_at, due_on, provisional, cancelled, rule, rule_version, extended_days,"
        " calendar_position, next_rung, next_at, next_provisional, row_version)"
        " SELECT id, 1, id, 1, '370102', '', 'u', false, %lld, %lld, 0, false, false, 'dispatch', "
        "1,"
        " 0, 1, 1, %lld, false, 1 FROM fresh;"
        "DROP TABLE fresh; COMMIT",
        count, (long long)started_at, (long long)(started_at + 2 * TIME_HOUR_MS),
        (long long)(started_at + TIME_HOUR_MS));
    assert_int_equal(pg_script(b->pg, sql), 0);
}

static bool always_busy(void *asked)
{
    atomic_fetch_add((atomic_int *)asked, 1);
    return true;
}

/* While commands are under way the scanner asks after each batch, and rests as long as that took;
 * all is fired nevertheless. */
static void test_yields(void **state UNUSED)
{
    enum { MANY = 4 * CLOCK_BATCH_MAX };
    struct clock_bench b;
    struct seen seen;
    atomic_int asked = 0;
    clock_bench_open(&b, fixture);
    seen_init(&seen);
    file_many(&b, MANY, clock_bench_now(&b) - 2 * TIME_DAY_MS);
    struct clock_scanner *scanner = scanner_start(&b, &seen);
    clock_scanner_yield(scanner, always_busy, &asked);
    assert_true(wait_head(&seen, MANY, WAIT_MS) >= 0);
    clock_scanner_stop(scanner);
    assert_in_range(atomic_load(&asked), 2, 100);
    assert_sound(&b);
    clock_bench_close(&b);
}

static void test_two_scanners(void **state UNUSED)
{
    enum { CLOCKS = 6000 };
    struct clock_bench b;
    struct seen seen;
    clock_bench_open(&b, fixture);
    seen_init(&seen);
    file_many(&b, CLOCKS, clock_bench_now(&b) - 3 * TIME_HOUR_MS);
    int64_t start = mono_ms();
    struct clock_scanner *scanners[] = { scanner_start(&b, &seen), scanner_start(&b, &seen) };
    assert_true(wait_head(&seen, 2 * CLOCKS, WAIT_MS) >= 0); /* yellow and red of each */
    int64_t took = MAX(mono_ms() - start, 1);
    print_message("%d rungs in %d ms: %d a second\n", 2 * CLOCKS, (int)took,
                  (int)(2 * CLOCKS * INT64_C(1000) / took));
    clock_scanner_stop(scanners[0]);
    clock_scanner_stop(scanners[1]);
    assert_int_equal(clock_bench_number(&b, "SELECT count(*) FROM clock_rung"), 2 * CLOCKS);
    assert_sound(&b);
    clock_bench_close(&b);
}

/* -- held and failing -- */

static void test_held_subjects_are_passed(void **state UNUSED)
{
    enum { HELD = 1300 }; /* more than two pages, all before the free one */
    struct clock_bench b;
    clock_bench_open(&b, fixture);
    file_many(&b, HELD, clock_bench_now(&b) - 2 * TIME_HOUR_MS);
    struct pg *holder = pg_fixture_connect(fixture, b.uri);
    assert_int_equal(pg_script(holder, "BEGIN; SELECT count(*) FROM "
                                       "(SELECT id FROM matter FOR UPDATE) m"),
                     0);
    const char *id = clock_bench_file(&b, DISPATCH, clock_bench_now(&b) - TIME_HOUR_MS);
    struct clock_batch batch = clock_bench_fire(&b);
    assert_int_equal(batch.done, 1);
    assert_int_equal(clock_bench_read(&b, id, CLOCK_KIND_DISPATCH).last_rung, RUNG_YELLOW);
    batch = clock_bench_fire(&b);
    assert_int_equal(batch.done, 0);
    assert_int_equal(batch.found, HELD);
    assert_int_equal(pg_script(holder, "ROLLBACK"), 0);
    pg_close(holder);
    assert_int_equal(fire_all(&b), 2 * HELD);
    assert_sound(&b);
    clock_bench_close(&b);
}

/* A clock that changed while its lock was waited for elsewhere is seen as it is now. */
static void test_looked_at_again(void **state UNUSED)
{
    struct clock_bench b;
    clock_bench_open(&b, fixture);
    const char *id = clock_bench_file(&b, DISPATCH, clock_bench_now(&b) - TIME_HOUR_MS);
    const struct clock_work *work = &clock_work_fire;
    struct tx tx;
    struct clock_place place = CLOCK_PLACE_FIRST;
    const char **subjects;
    int count;
    assert_int_equal(tx_begin(&tx, b.pg, &b.arena), 0);
    assert_int_equal(tx_now(&tx), 0);
    assert_int_equal(work->page(&tx, reference, &place, &subjects, &count), 0);
    assert_int_equal(count, 1);
    tx_rollback(&tx);
    int kind = CLOCK_KIND_DISPATCH;
    clock_bench_act(&b, id, clock_bench_stop, &kind); /* between the page and the lock */
    struct clock_row *rows;
    assert_int_equal(tx_begin(&tx, b.pg, &b.arena), 0);
    assert_int_equal(tx_now(&tx), 0);
    assert_int_equal(work->reread(&tx, reference, subjects, count, &rows, &count), 0);
    assert_int_equal(count, 0);
    tx_rollback(&tx);
    clock_bench_close(&b);
}

static void test_a_bad_clock_harms_nobody(void **state UNUSED)
{
    enum { GOOD = 700 };
    struct clock_bench b;
    clock_bench_open(&b, fixture);
    clock_bench_at(&b, "2053-01-06T10:00");
    int64_t started = clock_bench_now(&b) - 90 * 60 * TIME_SECOND_MS; /* yellow is due */
    /* the database refuses it: its rung is there already, though its row says otherwise */
    const char *twice = clock_bench_file(&b, DISPATCH, started - 1);
    struct clock c = clock_bench_read(&b, twice, CLOCK_KIND_DISPATCH);
    assert_int_equal(pg_script(b.pg, arena_printf(&b.arena,
                                                  "INSERT INTO clock_rung VALUES "
                                                  "('%s', 1, 1, 1, 1)",
                                                  c.id)),
                     0);
    /* we refuse it: no ladder has its rung */
    const char *odd = clock_bench_file(&b, DISPATCH, started - 2);
    assert_int_equal(pg_script(b.pg, arena_printf(&b.arena,
                                                  "UPDATE clock SET next_rung = 6 "
                                                  "WHERE subject = '%s'",
                                                  odd)),
                     0);
    file_many(&b, GOOD, started);

    int done = 0, failed = 0;
    for (int i = 0; i < 10 && done < GOOD; i++) {
        struct clock_batch batch = clock_bench_fire(&b);
        done += batch.done;
        failed += batch.failed;
    }
    assert_int_equal(done, GOOD);
    assert_true(failed >= 2); /* more where a second has passed meanwhile */
    struct clock_figures figures;
    assert_int_equal(clock_figures_read(b.pg, &b.arena, clock_bench_now(&b), &figures), 0);
    assert_int_equal(figures.failing, 2);
    assert_int_equal(figures.due, 0);

    /* they come again, less and less often, and count their attempts */
    for (int i = 0; i < 12; i++) {
        clock_bench_advance(INT64_C(257) * TIME_SECOND_MS);
        failed = 0;
        for (struct clock_batch batch; (batch = clock_bench_fire(&b)).found;)
            failed += batch.failed;
        assert_true(failed >= 2);
    }
    assert_int_equal(clock_bench_number(&b, "SELECT min(retry_at) FROM clock WHERE attempts > 0") -
                             clock_bench_now(&b) >
                         200 * TIME_SECOND_MS,
                     1);
    assert_int_equal(clock_bench_number(&b, "SELECT max(attempts) - min(attempts) FROM clock "
                                            "WHERE attempts > 0"),
                     0);
    assert_true(clock_bench_number(&b, "SELECT max(attempts) FROM clock") >= 10);

    /* mended, they fire as if nothing had been */
    assert_int_equal(pg_script(b.pg, "DELETE FROM clock_rung WHERE due_at = 1;"
                                     "UPDATE clock SET next_rung = 1 WHERE next_rung = 6"),
                     0);
    clock_bench_advance(5 * 60 * TIME_SECOND_MS);
    assert_true(fire_all(&b) >= 2);
    assert_int_equal(clock_bench_read(&b, twice, CLOCK_KIND_DISPATCH).last_rung, RUNG_RED);
    assert_int_equal(clock_bench_read(&b, odd, CLOCK_KIND_DISPATCH).last_rung, RUNG_RED);
    assert_int_equal(clock_bench_number(&b, "SELECT count(*) FROM clock WHERE attempts > 0"), 0);
    clock_bench_close(&b);
}

/* With no facts at hand nothing ends in silence. */
static void test_an_empty_snapshot_fires_nothing(void **state UNUSED)
{
    struct clock_bench b;
    struct snapshot *empty;
    clock_bench_open(&b, fixture);
    const char *id = clock_bench_file(&b, DISPATCH, clock_bench_now(&b) - TIME_HOUR_MS);
    assert_int_equal(snapshot_build(&empty, NULL, 0, 0, 0), 0);
    snapshot_install(empty);
    struct clock_batch batch = clock_bench_fire(&b);
    assert_int_equal(batch.done, 0);
    assert_int_equal(batch.failed, 1);
    install(reference);
    clock_bench_advance(TIME_SECOND_MS);
    assert_int_equal(clock_bench_fire(&b).done, 1);
    assert_int_equal(clock_bench_read(&b, id, CLOCK_KIND_DISPATCH).next_rung, RUNG_RED);
    clock_bench_close(&b);
}

/* -- killed in the middle -- */

static const char *kill_at;
static atomic_int kill_after;

static void kill_hook(const char *name)
{
    if (strcmp(name, kill_at) == 0 && atomic_fetch_sub(&kill_after, 1) == 1)
        kill(getpid(), SIGKILL);
}

/* In a process of its own: scans until it is killed at that point. */
static pid_t scan_and_die(const struct clock_bench *b, const char *point, int passes)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid)
        return pid;
    kill_at = point;
    atomic_store(&kill_after, passes);
    fault_set_hook(kill_hook);
    struct pg *pg;
    if (pg_open(&pg, &b->options) < 0)
        _exit(1);
    for (;;) {
        struct clock_batch batch;
        if (clock_batch_run(pg, &clock_bench_owner, &clock_work_fire, reference, &batch) < 0)
            _exit(2);
        if (!batch.found)
            _exit(3);
    }
}

static void test_killed_in_a_batch(void **state UNUSED)
{
    enum { CLOCKS = 2000 };
    static const struct {
        const char *point;
        int passes;
    } deaths[] = { { "clock.locked", 1 },  { "clock.written", 1 },   { "clock.committed", 1 },
                   { "clock.written", 2 }, { "clock.committed", 2 }, { "clock.locked", 2 } };
    struct clock_bench b;
    clock_bench_open(&b, fixture);
    file_many(&b, CLOCKS, clock_bench_now(&b) - 3 * TIME_HOUR_MS);
    for (size_t i = 0; i < ARRAY_LEN(deaths); i++) {
        int status;
        pid_t pid = scan_and_die(&b, deaths[i].point, deaths[i].passes);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_sound(&b);
    }
    int64_t fired = clock_bench_number(&b, "SELECT count(*) FROM clock_rung");
    assert_true(fired > 0 && fired < 2 * CLOCKS);
    /* the locks of the dead go with their connections; then the rest is done, each once */
    for (int64_t until = mono_ms() + WAIT_MS; fired < 2 * CLOCKS && mono_ms() < until;)
        fired += clock_bench_fire(&b).done;
    assert_int_equal(clock_bench_number(&b, "SELECT count(*) FROM clock_rung"), 2 * CLOCKS);
    assert_sound(&b);
    clock_bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_in_a_batch), /* before there are threads: it forks */
        cmocka_unit_test(test_one_step_a_scan),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_fires_on_time),
        cmocka_unit_test(test_woken),
        cmocka_unit_test(test_yields),
        cmocka_unit_test(test_the_link_is_lost),
        cmocka_unit_test(test_two_scanners),
        cmocka_unit_test(test_held_subjects_are_passed),
        cmocka_unit_test(test_looked_at_again),
        cmocka_unit_test(test_a_bad_clock_harms_nobody),
        cmocka_unit_test(test_an_empty_snapshot_fires_nothing),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}

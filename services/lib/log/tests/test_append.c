/* Proof of the log: positions are contiguous and in commit order under eight writers, over a crash
 * of the server, and no stopped writer delays another; each case is there to break it.
 *
 * LUJIAN_SOAK=1 runs each case for longer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "log/tests/log_fixture.h"

/* No commit of another connection on other rows is delayed longer than this. */
#define DELAY_MAX_MS 200

static struct pg_fixture *fixture;
static bool soak;

static int setup_group(void **state UNUSED)
{
    soak = getenv("LUJIAN_SOAK") != NULL;
    fixture = pg_fixture_open_private(&(struct pg_fixture_options){ .modules = storm_modules });
    return fixture ? 0 : -1;
}

static int teardown_group(void **state UNUSED)
{
    pg_fixture_close(fixture);
    return 0;
}

static const char *new_log(void)
{
    int64_t epoch;
    const char *uri = pg_fixture_database(fixture);
    assert_non_null(uri);
    struct pg *pg = pg_fixture_connect(fixture, uri);
    assert_non_null(pg);
    assert_int_equal(log_open_stream(pg, "storm", &epoch), 0);
    assert_int_equal(epoch, 1);
    pg_close(pg);
    return uri;
}

static void test_contiguous_under_eight_writers(void **state UNUSED)
{
    struct storm s;
    const char *uri = new_log();
    int64_t begun_ms = mono_ms();
    assert_int_equal(
        storm_start(&s,
                    &(struct storm_options){ .uri = uri, .writers = 8, .rollback_percent = 20 }),
        0);
    assert_int_equal(storm_wait_done(&s, soak ? 50000 : 800, soak ? 600000 : 60000), 0);
    int64_t took_ms = mono_ms() - begun_ms;
    storm_stop(&s);
    assert_int_equal(storm_verify(&s, uri), 0);
    assert_true(atomic_load(&s.shared->reader_position) > 0);
    assert_int_equal(storm_count(&s, FATE_NOT_EXECUTED),
                     0); /* the lock makes them wait, not fail */
    assert_int_equal(storm_count(&s, FATE_UNKNOWN), 0);
    print_message("8 writers: %ld commits, %.0f a second; the reader read %ld times\n",
                  storm_done(&s), 1000.0 * (double)storm_done(&s) / (double)took_ms,
                  atomic_load(&s.shared->reader_passes));
    storm_clear(&s);
    pg_fixture_drop(fixture, uri);
}

static void test_crash_of_the_server(void **state UNUSED)
{
    struct storm s;
    const char *uri = new_log();
    assert_int_equal(
        storm_start(&s,
                    &(struct storm_options){ .uri = uri, .writers = 8, .rollback_percent = 10 }),
        0);
    long unknown = 0;
    for (int i = 1; i <= (soak ? 50 : 2); i++) {
        assert_int_equal(storm_wait_done(&s, 150 * i, 60000), 0);
        assert_int_equal(pg_fixture_crash(fixture), 0);
        assert_int_equal(storm_wait_done(&s, storm_done(&s) + 20, 60000), 0);
    }
    storm_stop(&s);
    assert_int_equal(storm_verify(&s, uri), 0);
    for (int i = 0; i < s.writer_count; i++)
        unknown += atomic_load(&s.shared->writers[i].unknown);
    print_message("crashes: %ld commits, %ld of unknown outcome\n", storm_done(&s), unknown);
    storm_clear(&s);
    pg_fixture_drop(fixture, uri);
}

/* The slowest transaction of all but writer 0 in a span of time, those under way included. */
static long slowest_ms(const struct storm *s, int span_ms)
{
    for (int i = 1; i < s->writer_count; i++)
        atomic_store(&s->shared->writers[i].slowest_us, 0);
    poll(NULL, 0, span_ms);
    long slowest = 0, now_us = (long)mono_us();
    for (int i = 1; i < s->writer_count; i++) {
        slowest = MAX(slowest, atomic_load(&s->shared->writers[i].slowest_us));
        slowest = MAX(slowest, now_us - atomic_load(&s->shared->writers[i].begun_us));
    }
    return slowest / 1000;
}

/* How much slower the others' slowest commit is while writer 0 stands still at that point than
 * while it works: on a busy machine some are slow anyway. */
static long delay_while_stopped_at(const char *point)
{
    struct storm s;
    const char *uri = new_log();
    int span_ms = soak ? 15000 : 1200;
    struct storm_options options = { .uri = uri, .writers = 4, .stop_at = point };
    assert_int_equal(storm_start(&s, &options), 0);
    assert_int_equal(storm_wait_done(&s, 50, 20000), 0);
    long usual_ms = slowest_ms(&s, span_ms);
    atomic_store(&s.shared->stop_armed, 1);
    for (int64_t deadline = mono_ms() + 20000; !atomic_load(&s.shared->writers[0].stopped);
         poll(NULL, 0, 1))
        assert_true(mono_ms() < deadline);
    assert_int_equal(waitpid(s.writers[0], NULL, WUNTRACED), s.writers[0]);
    long before = storm_done(&s);
    long stopped_ms = slowest_ms(&s, span_ms);
    print_message("stopped at %s: %ld commits of the others, the slowest %ld ms, %ld ms before\n",
                  point, storm_done(&s) - before, stopped_ms, usual_ms);
    assert_true(storm_done(&s) > before);
    storm_stop(&s);
    assert_int_equal(storm_verify(&s, uri), 0);
    storm_clear(&s);
    pg_fixture_drop(fixture, uri);
    return stopped_ms - usual_ms;
}

static void test_stopped_writer_delays_nobody(void **state UNUSED)
{
    static const char *const points[] = { "tx.before_commit", "pg.statements_done",
                                          "pg.commit_sent" };
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        /* A lock that is held is held for as long as the writer stands; a busy machine is slow now
         * and then. */
        int tries = 0;
        while (delay_while_stopped_at(points[i]) > DELAY_MAX_MS)
            assert_true(++tries < 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contiguous_under_eight_writers),
        cmocka_unit_test(test_crash_of_the_server),
        cmocka_unit_test(test_stopped_writer_delays_nobody),
    };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}

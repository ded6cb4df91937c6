/* Proof of the log under an old snapshot: intake goes on at its pace while a transaction that
 * looked at the log before anything was there keeps looking.
 *
 * LUJIAN_SOAK=1 holds it for ten minutes and bounds the loss at a tenth; the short form's bound is
 * loose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <poll.h>

#include "base/time.h"
#include "base/util.h"
#include "log/tests/log_fixture.h"

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

struct intake {
    const char *uri;
    double rates[400];
    int rounds;
};

static double intake_round(struct intake *in, int round_ms)
{
    struct storm s;
    struct storm_options options = {
        .uri = in->uri, .writers = 2, .events_max = 20, .rollback_percent = 5, .insert = true
    };
    assert_int_equal(storm_start(&s, &options), 0);
    assert_int_equal(storm_wait_done(&s, 4, 20000), 0); /* all are connected */
    long before = storm_done(&s);
    int64_t begun_us = mono_us();
    poll(NULL, 0, round_ms);
    double rate = 1e6 * (double)(storm_done(&s) - before) / (double)(mono_us() - begun_us);
    storm_stop(&s);
    storm_clear(&s);
    in->rates[in->rounds++] = rate;
    return rate;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(struct intake *in)
{
    qsort(in->rates, (size_t)in->rounds, sizeof(in->rates[0]), compare_doubles);
    return in->rates[in->rounds / 2];
}

/* Two logs take in by turns; on one of them a transaction has looked at the log before anything was
 * there and keeps looking. Rows are updated and appends rolled back all the while, so there is much
 * that could not be cleaned up. */
static void test_old_snapshot(void **state UNUSED)
{
    struct intake with = { .uri = new_log() }, without = { .uri = new_log() };
    struct pg *old = pg_fixture_connect(fixture, with.uri);
    assert_int_equal(pg_script(old, "SET idle_in_transaction_session_timeout = 0;"
                                    "BEGIN ISOLATION LEVEL REPEATABLE READ"),
                     0);
    assert_int_equal(pg_script(old, "SELECT count(*) FROM event"), 0);

    int64_t until_ms = mono_ms() + (soak ? 600000 : 6000);
    for (int round = 0; round < 5 || mono_ms() < until_ms; round++) {
        intake_round(round % 2 ? &with : &without, soak ? 4000 : 500);
        intake_round(round % 2 ? &without : &with, soak ? 4000 : 500);
    }
    assert_int_equal(pg_script(old, "SELECT 1 / (count(*) = 0)::int FROM event"), 0);
    pg_close(old);
    double ratio = median(&with) / median(&without);
    print_message("old snapshot: %d rounds, median %.0f commits/s with it, %.0f without: %.3f\n",
                  with.rounds, median(&with), median(&without), ratio);
    assert_true(ratio > (soak ? 0.9 : 0.6));
    assert_true(storm_head(with.uri) > 0);
    assert_true(storm_head(without.uri) > 0);
    pg_fixture_drop(fixture, with.uri);
    pg_fixture_drop(fixture, without.uri);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_old_snapshot) };
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}

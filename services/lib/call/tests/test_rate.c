/* Token buckets: bursts, refilling, one a name, and forgetting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "call/rate.h"

#define SECOND_US INT64_C(1000000)

static void test_a_burst_then_the_rate(void **state)
{
    (void)state;
    struct rate r;
    uint32_t wait_ms = 0;
    int64_t now_us = 5 * SECOND_US;
    rate_init(&r, 10, 3);
    for (int i = 0; i < 3; i++)
        assert_true(rate_take(&r, "a", now_us, &wait_ms));
    assert_false(rate_take(&r, "a", now_us, &wait_ms));
    assert_in_range(wait_ms, 100, 101);
    assert_false(rate_take(&r, "a", now_us + SECOND_US / 10 - 1, &wait_ms));
    assert_true(rate_take(&r, "a", now_us + SECOND_US / 10, &wait_ms));
    assert_true(rate_take(&r, "b", now_us, &wait_ms)); /* another's bucket */
    /* However long the pause, no more than the burst. */
    now_us += 1000 * SECOND_US;
    int taken = 0;
    while (rate_take(&r, "a", now_us, &wait_ms))
        taken++;
    assert_int_equal(taken, 3);
    rate_clear(&r);
}

static void test_a_steady_stream_gets_the_rate(void **state)
{
    (void)state;
    struct rate r;
    uint32_t wait_ms;
    rate_init(&r, 100, 1);
    int taken = 0;
    for (int64_t us = 0; us < 10 * SECOND_US; us += 777)
        taken += rate_take(&r, "a", us, &wait_ms);
    assert_in_range(taken, 980, 1001);
    rate_clear(&r);
}

static void test_no_limit(void **state)
{
    (void)state;
    struct rate r;
    uint32_t wait_ms;
    rate_init(&r, 0, 0);
    for (int i = 0; i < 100000; i++)
        assert_true(rate_take(&r, "a", 0, &wait_ms));
    assert_int_equal(r.buckets.count, 0);
    rate_clear(&r);
}

static void test_full_buckets_are_forgotten_and_empty_ones_are_not(void **state)
{
    (void)state;
    struct rate r;
    uint32_t wait_ms;
    char name[16];
    rate_init(&r, 1, 2);
    assert_true(rate_take(&r, "spent", 0, &wait_ms));
    assert_true(rate_take(&r, "spent", 0, &wait_ms));
    for (int i = 0; i < 4 * RATE_BUCKETS_KEPT; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        /* Each takes one of its two tokens; a second later it is full again, "spent" is not. */
        int64_t now_us = i < RATE_BUCKETS_KEPT - 1 ? 0 : SECOND_US;
        assert_true(rate_take(&r, name, now_us, &wait_ms));
        if (i == RATE_BUCKETS_KEPT)
            assert_true(r.buckets.count < 10);
    }
    assert_true(rate_take(&r, "spent", SECOND_US, &wait_ms));
    assert_false(rate_take(&r, "spent", SECOND_US, &wait_ms));
    rate_clear(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_then_the_rate),
        cmocka_unit_test(test_a_steady_stream_gets_the_rate),
        cmocka_unit_test(test_no_limit),
        cmocka_unit_test(test_full_buckets_are_forgotten_and_empty_ones_are_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

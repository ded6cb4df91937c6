/* The committers' queue: order, names in flight, when a batch may start, and its limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "commit/command_queue.h"

#define NOW_US INT64_C(5000000)

static struct command_queue q;
static struct command commands[200];
static struct command *members[BATCH_MEMBERS_MAX];

static struct command *make(int i, uint64_t key, uint64_t matter)
{
    commands[i] =
        (struct command){ .names = { key, matter }, .bytes = 100, .submitted_us = NOW_US };
    return &commands[i];
}

static void add_many(int from, int count)
{
    for (int i = from; i < from + count; i++)
        command_queue_add(&q, make(i, (uint64_t)(2 * i + 1), (uint64_t)(2 * i + 2)));
}

static void test_order_and_limits(void **state)
{
    (void)state;
    add_many(0, 100);
    assert_int_equal(command_queue_take(&q, members), BATCH_MEMBERS_MAX);
    for (int i = 0; i < BATCH_MEMBERS_MAX; i++)
        assert_ptr_equal(members[i], &commands[i]);
    assert_int_equal(command_queue_length(&q), 36);
    assert_int_equal(command_queue_take(&q, members), 36);
    assert_int_equal(q.in_flight, 100);
    for (int i = 0; i < 100; i++)
        command_queue_release(&q, &commands[i]);
    assert_int_equal(q.in_flight, 0);

    add_many(0, 5);
    commands[0].bytes = BATCH_BYTES_MAX + 1; /* larger than a batch: it goes alone */
    commands[1].bytes = BATCH_BYTES_MAX / 2;
    commands[2].bytes = BATCH_BYTES_MAX / 2;
    assert_int_equal(command_queue_take(&q, members), 1);
    assert_int_equal(command_queue_take(&q, members), 2);
    assert_int_equal(command_queue_take(&q, members), 2);
}

static void test_a_name_is_in_flight_once(void **state)
{
    (void)state;
    command_queue_add(&q, make(0, 1, 2));
    command_queue_add(&q, make(1, 1, 3)); /* the same key */
    command_queue_add(&q, make(2, 4, 2)); /* the same matter */
    command_queue_add(&q, make(3, 5, 6));
    assert_int_equal(command_queue_take(&q, members), 2);
    assert_ptr_equal(members[1], &commands[3]);
    assert_int_equal(command_queue_take(&q, members), 0);
    command_queue_release(&q, &commands[0]);
    assert_int_equal(command_queue_take(&q, members), 2); /* in the order in which they came */
    assert_ptr_equal(members[0], &commands[1]);
    /* Names that are equal in one command, and slots that two names share. */
    command_queue_add(&q, make(4, 9, 9));
    command_queue_add(&q, make(5, 9 + COMMAND_NAME_SLOTS, 10));
    assert_int_equal(command_queue_take(&q, members), 1);
    command_queue_release(&q, &commands[4]);
    assert_int_equal(command_queue_take(&q, members), 1);
}

static void take_and_release(int expected)
{
    int count = command_queue_take(&q, members);
    assert_int_equal(count, expected);
    for (int i = 0; i < count; i++)
        command_queue_release(&q, members[i]);
}

static void test_a_lone_client_never_waits(void **state)
{
    (void)state;
    assert_false(command_queue_may_start(&q, NOW_US));
    for (int i = 0; i < 3; i++) {
        add_many(i, 1);
        assert_true(command_queue_may_start(&q, NOW_US));
        take_and_release(1);
    }
}

static void test_a_batch_waits_for_the_crowd(void **state)
{
    (void)state;
    int64_t gather_us = COMMAND_GATHER_MS * 1000;
    add_many(0, 5);
    take_and_release(5);
    add_many(0, 4);
    assert_false(command_queue_may_start(&q, NOW_US)); /* the fifth is expected */
    assert_false(command_queue_may_start(&q, NOW_US + gather_us - 1));
    assert_true(command_queue_may_start(&q, NOW_US + gather_us)); /* but not for ever */
    assert_true(command_queue_patience_ms(&q) * 1000 >= NOW_US + gather_us);
    q.took_us = 3 * gather_us; /* where batches are slow, longer */
    assert_false(command_queue_may_start(&q, NOW_US + 3 * gather_us - 1));
    assert_true(command_queue_may_start(&q, NOW_US + 3 * gather_us));
    q.took_us = INT64_MAX;
    assert_true(command_queue_may_start(&q, NOW_US + COMMAND_PATIENCE_MS * 1000));
    q.took_us = 0;
    add_many(4, 1);
    assert_true(command_queue_may_start(&q, NOW_US));
    take_and_release(5);
    add_many(0, 64);
    take_and_release(64);
    add_many(0, COMMAND_WORTH); /* so many need no more company */
    assert_true(command_queue_may_start(&q, NOW_US));
}

static void test_a_crowd_is_forgotten(void **state)
{
    (void)state;
    add_many(0, 5);
    take_and_release(5);
    for (int span = 1; span <= 2; span++) {
        struct command *c = make(span, 1, 2);
        c->submitted_us = NOW_US + span * COMMAND_CROWD_MS * 1000;
        command_queue_add(&q, c);
        assert_int_equal(command_queue_may_start(&q, c->submitted_us), span == 2);
        take_and_release(1);
    }
    add_many(0, 5);
    take_and_release(5);
    struct command *c = make(9, 1, 2);
    c->submitted_us = NOW_US + 10 * COMMAND_CROWD_MS * 1000; /* nobody came for long */
    command_queue_add(&q, c);
    assert_true(command_queue_may_start(&q, c->submitted_us));
}

static void test_a_batch_beside_another(void **state)
{
    (void)state;
    add_many(0, 1);
    assert_int_equal(command_queue_take(&q, members), 1);
    add_many(1, COMMAND_WORTH - 1);
    assert_false(command_queue_may_start(&q, NOW_US));
    add_many(COMMAND_WORTH, 1);
    assert_true(command_queue_may_start(&q, NOW_US));
    command_queue_take(&q, members);
    add_many(40, 64);
    command_queue_take(&q, members);
    add_many(104, 14);
    command_queue_take(&q, members);
    int third = (q.in_flight + 2) / 3;
    assert_true(third > COMMAND_WORTH);
    add_many(120, third - 1);
    assert_false(command_queue_may_start(&q, NOW_US)); /* less than a third of what is in flight */
    add_many(120 + third - 1, 1);
    assert_true(command_queue_may_start(&q, NOW_US));
}

static void test_nobody_waits_long_for_a_batch_that_hangs(void **state)
{
    (void)state;
    add_many(0, 1);
    command_queue_take(&q, members);
    add_many(1, 1);
    int64_t patience_us = COMMAND_PATIENCE_MS * 1000;
    assert_false(command_queue_may_start(&q, NOW_US + patience_us - 1));
    assert_true(command_queue_may_start(&q, NOW_US + patience_us));
    assert_true(command_queue_patience_ms(&q) * 1000 >= NOW_US + patience_us);
}

static void test_sent_back_and_expired(void **state)
{
    (void)state;
    struct command_list expired = { 0 };
    command_queue_add_later(&q, make(0, 1, 2), 1000, 50);
    command_queue_add_later(&q, make(1, 3, 4), 1000, 20);
    assert_int_equal(command_queue_later_ms(&q), 1020);
    assert_false(command_queue_may_start(&q, NOW_US));
    command_queue_promote(&q, 1019);
    assert_int_equal(command_queue_take(&q, members), 0);
    command_queue_promote(&q, 1020);
    assert_int_equal(command_queue_take(&q, members), 1);
    assert_ptr_equal(members[0], &commands[1]);
    assert_int_equal(command_queue_later_ms(&q), 1050);
    commands[0].deadline_ms = 1030;
    command_queue_add(&q, make(2, 5, 6));
    commands[2].deadline_ms = 1031;
    command_queue_take_expired(&q, 1030, &expired);
    assert_int_equal(expired.length, 1);
    assert_ptr_equal(expired.first, &commands[0]);
    command_queue_take_expired(&q, INT64_MAX, &expired);
    assert_int_equal(expired.length, 2);
    assert_int_equal(command_queue_length(&q), 0);
    assert_int_equal(command_queue_later_ms(&q), INT64_MAX);
    /* A list that lost its last member takes new ones. */
    command_queue_add(&q, make(3, 7, 8));
    assert_int_equal(command_queue_take(&q, members), 1);
}

static int setup(void **state)
{
    (void)state;
    memset(&q, 0, sizeof(q));
    return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_order_and_limits),          TEST(test_a_name_is_in_flight_once),
        TEST(test_a_lone_client_never_waits), TEST(test_a_batch_waits_for_the_crowd),
        TEST(test_a_crowd_is_forgotten),      TEST(test_a_batch_beside_another),
        TEST(test_sent_back_and_expired),     TEST(test_nobody_waits_long_for_a_batch_that_hangs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

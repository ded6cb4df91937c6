/* Queue: bounds, order, time-outs, close; and under many threads nothing is lost or seen twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/time.h"
#include "base/util.h"
#include "loop/queue.h"
#include "loop/thread.h"

static void test_bounds_and_order(void **state UNUSED)
{
    int items[5];
    struct queue *q = queue_new(3);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 3; i++)
            assert_true(queue_push(q, &items[i]));
        assert_false(queue_push(q, &items[3]));
        assert_int_equal(queue_length(q), 3);
        assert_ptr_equal(queue_pop(q, 0), &items[0]);
        assert_true(queue_push(q, &items[4]));
        void *taken[8];
        assert_int_equal(queue_pop_many(q, taken, 2, 0), 2);
        assert_ptr_equal(taken[0], &items[1]);
        assert_ptr_equal(taken[1], &items[2]);
        assert_int_equal(queue_pop_many(q, taken, 8, -1), 1);
        assert_ptr_equal(taken[0], &items[4]);
    }
    queue_free(q);
    queue_free(NULL);
}

static void test_timeout_and_close(void **state UNUSED)
{
    int item;
    struct queue *q = queue_new(2);
    int64_t start = mono_ms();
    assert_null(queue_pop(q, 30));
    assert_true(mono_ms() - start >= 29);
    assert_null(queue_pop(q, 0));
    assert_true(queue_push(q, &item));
    queue_close(q);
    assert_false(queue_push(q, &item));
    assert_ptr_equal(queue_pop(q, -1), &item); /* what was accepted is still handed out */
    assert_null(queue_pop(q, -1));
    queue_free(q);
}

enum { PRODUCERS = 3, CONSUMERS = 3, ITEMS = 40000 };

struct traffic {
    struct queue *q;
    atomic_int seen[PRODUCERS * ITEMS];
    atomic_int next_producer;
};

static void *producer_main(void *arg)
{
    struct traffic *t = arg;
    int base = atomic_fetch_add(&t->next_producer, 1) * ITEMS;
    for (int i = 0; i < ITEMS; i++)
        while (!queue_push(t->q, &t->seen[base + i]))
            sched_yield();
    return NULL;
}

static void *consumer_main(void *arg)
{
    struct traffic *t = arg;
    void *items[7];
    int count;
    while ((count = queue_pop_many(t->q, items, 7, -1)) > 0)
        for (int i = 0; i < count; i++)
            atomic_fetch_add((atomic_int *)items[i], 1);
    return NULL;
}

static void test_many_threads(void **state UNUSED)
{
    struct traffic *t = calloc(1, sizeof(*t));
    t->q = queue_new(64);
    pthread_t producers[PRODUCERS], consumers[CONSUMERS];
    for (int i = 0; i < CONSUMERS; i++)
        assert_int_equal(thread_start(&consumers[i], "consumer", consumer_main, t), 0);
    for (int i = 0; i < PRODUCERS; i++)
        assert_int_equal(thread_start(&producers[i], "producer", producer_main, t), 0);
    for (int i = 0; i < PRODUCERS; i++)
        pthread_join(producers[i], NULL);
    queue_close(t->q);
    for (int i = 0; i < CONSUMERS; i++)
        pthread_join(consumers[i], NULL);
    for (int i = 0; i < PRODUCERS * ITEMS; i++)
        assert_int_equal(atomic_load(&t->seen[i]), 1);
    queue_free(t->q);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds_and_order),
        cmocka_unit_test(test_timeout_and_close),
        cmocka_unit_test(test_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Pump: the missed edge. A send consumes the edge that the descriptor would have told; without
 * asking ZMQ_EVENTS again the loop sleeps on while a message waits. Also: budget, writability,
 * freeing within a callback. */
#include "rig.h"

#include <pthread.h>

#include "bus/pump.h"
#include "loop/thread.h"

enum { ROUNDS = 2000, WORK_MS = 3 };

struct echo {
    void *context;
    char endpoint[64];
    pthread_t thread;
    void *control;
};

/* Echoes on a thread of its own, with plain zmq_poll. */
static void *echo_main(void *arg)
{
    struct echo *echo = arg;
    void *socket = zmq_socket(echo->context, ZMQ_ROUTER);
    rig_set_int(socket, ZMQ_LINGER, 0);
    void *control = zmq_socket(echo->context, ZMQ_PAIR);
    assert_int_equal(zmq_connect(control, "inproc://control"), 0);
    assert_int_equal(zmq_bind(socket, "tcp://127.0.0.1:*"), 0);
    size_t size = sizeof(echo->endpoint);
    assert_int_equal(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, echo->endpoint, &size), 0);
    zmq_send(control, "", 0, 0);
    zmq_pollitem_t items[] = { { socket, 0, ZMQ_POLLIN, 0 }, { control, 0, ZMQ_POLLIN, 0 } };
    while (zmq_poll(items, 2, -1) >= 0 && !(items[1].revents & ZMQ_POLLIN)) {
        zmq_msg_t id, text;
        zmq_msg_init(&id);
        zmq_msg_init(&text);
        zmq_msg_recv(&id, socket, 0);
        zmq_msg_recv(&text, socket, 0);
        zmq_msg_send(&id, socket, ZMQ_SNDMORE);
        zmq_msg_send(&text, socket, 0);
    }
    zmq_close(control);
    zmq_close(socket);
    return NULL;
}

static void echo_start(struct echo *echo)
{
    echo->context = zmq_ctx_new();
    echo->control = zmq_socket(echo->context, ZMQ_PAIR);
    assert_int_equal(zmq_bind(echo->control, "inproc://control"), 0);
    assert_int_equal(thread_start(&echo->thread, "echo", echo_main, echo), 0);
    char ready[1];
    assert_int_equal(zmq_recv(echo->control, ready, 1, 0), 0);
}

static void echo_stop(struct echo *echo)
{
    zmq_send(echo->control, "", 0, 0);
    pthread_join(echo->thread, NULL);
    zmq_close(echo->control);
    zmq_ctx_term(echo->context);
}

struct asker {
    void *socket;
    struct pump *pump;
    int received, wanted, writable;
    bool free_in_callback;
};

static bool asker_receive(void *ctx)
{
    struct asker *a = ctx;
    char text[16];
    if (!rig_receive(a->socket, text, sizeof(text)))
        return false;
    a->received++;
    if (a->free_in_callback) {
        pump_free(a->pump);
        a->pump = NULL;
    }
    return true;
}

static void asker_writable(void *ctx)
{
    ((struct asker *)ctx)->writable++;
}

static bool asker_done(void *ctx)
{
    struct asker *a = ctx;
    return a->received >= a->wanted;
}

static bool asker_may_write(void *ctx)
{
    return ((struct asker *)ctx)->writable > 0;
}

static void asker_open(struct asker *a, struct loop *loop, struct echo *echo, int immediate)
{
    a->socket = zmq_socket(echo->context, ZMQ_DEALER);
    rig_set_int(a->socket, ZMQ_LINGER, 0);
    rig_set_int(a->socket, ZMQ_IMMEDIATE, immediate);
    assert_int_equal(zmq_connect(a->socket, echo->endpoint), 0);
    const struct pump_handler handler = { .receive = asker_receive,
                                          .writable = asker_writable,
                                          .ctx = a };
    assert_int_equal(pump_new(&a->pump, loop, a->socket, &handler), 0);
}

static void work(int ms)
{
    int64_t until = mono_us() + ms * 1000;
    while (mono_us() < until)
        ;
}

/* send, 3 ms of work, send: the echo of the first comes during the work, and the second send reads
 * its edge away. */
static void test_missed_edge_never_stalls(void **state UNUSED)
{
    struct loop *loop;
    struct echo echo;
    struct asker a = { 0 };
    assert_int_equal(loop_new(&loop), 0);
    echo_start(&echo);
    asker_open(&a, loop, &echo, 0);
    for (int i = 0; i < ROUNDS; i++) {
        for (int half = 0; half < 2; half++) {
            assert_int_equal(zmq_send(a.socket, "x", 1, 0), 1);
            pump_touch(a.pump);
            if (half == 0)
                work(WORK_MS);
        }
        a.wanted += 2;
        int64_t deadline = mono_ms() + 2000;
        struct loop_timer *guard = loop_timer_new(loop, rig_tick, NULL);
        loop_timer_start(guard, 500, 0); /* the only other thing that could wake the loop */
        while (a.received < a.wanted && mono_ms() < deadline)
            uv_run(loop_uv(loop), UV_RUN_ONCE);
        loop_timer_free(guard);
        /* Half a second is a stall, whatever the machine is doing; the echo takes 100 us. */
        assert_int_equal(a.received, a.wanted);
        assert_true(deadline - mono_ms() > 1500);
    }
    pump_free(a.pump);
    zmq_close(a.socket);
    echo_stop(&echo);
    loop_free(loop);
}

static void test_budget_leaves_turns_to_others(void **state UNUSED)
{
    struct loop *loop;
    struct echo echo;
    struct asker a = { .wanted = 10 * PUMP_BUDGET };
    assert_int_equal(loop_new(&loop), 0);
    echo_start(&echo);
    asker_open(&a, loop, &echo, 0);
    for (int i = 0; i < a.wanted; i++)
        assert_int_equal(zmq_send(a.socket, "x", 1, 0), 1);
    pump_touch(a.pump);
    work(200); /* all are back by now, or as many as fit */
    int64_t deadline = mono_ms() + 5000;
    int most = 0;
    for (int before = 0; a.received < a.wanted && mono_ms() < deadline; before = a.received) {
        uv_run(loop_uv(loop), UV_RUN_NOWAIT);
        most = MAX(most, a.received - before);
    }
    assert_int_equal(a.received, a.wanted);
    assert_int_equal(most, PUMP_BUDGET);
    pump_free(a.pump);
    zmq_close(a.socket);
    echo_stop(&echo);
    loop_free(loop);
}

static void test_writable_is_told_once(void **state UNUSED)
{
    struct loop *loop;
    struct echo echo;
    struct asker a = { .wanted = 1 };
    assert_int_equal(loop_new(&loop), 0);
    echo_start(&echo);
    asker_open(&a, loop, &echo, 1); /* IMMEDIATE: takes nothing before the connection stands */
    pump_want_write(a.pump);
    assert_true(rig_until(loop, asker_may_write, &a, 5000));
    assert_int_equal(zmq_send(a.socket, "x", 1, ZMQ_DONTWAIT), 1);
    pump_touch(a.pump);
    assert_true(rig_until(loop, asker_done, &a, 5000));
    rig_turn(loop, 20);
    assert_int_equal(a.writable, 1);

    a.free_in_callback = true;
    a.wanted = 2;
    for (int i = 0; i < 3; i++)
        assert_int_equal(zmq_send(a.socket, "x", 1, 0), 1);
    pump_touch(a.pump);
    assert_true(rig_until(loop, asker_done, &a, 5000));
    rig_turn(loop, 20);
    assert_int_equal(a.received, 2);
    zmq_close(a.socket);
    echo_stop(&echo);
    loop_free(loop);
}

static void count_turn(uv_prepare_t *prepare)
{
    ++*(int *)prepare->data;
}

static void test_idle_loop_sleeps(void **state UNUSED)
{
    struct loop *loop;
    struct echo echo;
    struct asker a = { 0 };
    int turns = 0;
    uv_prepare_t prepare = { .data = &turns };
    assert_int_equal(loop_new(&loop), 0);
    echo_start(&echo);
    asker_open(&a, loop, &echo, 0);
    uv_prepare_init(loop_uv(loop), &prepare);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(zmq_send(a.socket, "x", 1, 0), 1);
        pump_want_write(a.pump);
        a.wanted++;
        assert_true(rig_until(loop, asker_done, &a, 5000));
        rig_turn(loop, 20);
        turns = 0;
        uv_prepare_start(&prepare, count_turn);
        rig_turn(loop, 100); /* its own tick is every 2 ms */
        uv_prepare_stop(&prepare);
        assert_true(turns <= 60);
    }
    uv_close((uv_handle_t *)&prepare, NULL);
    pump_free(a.pump);
    zmq_close(a.socket);
    echo_stop(&echo);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missed_edge_never_stalls),
        cmocka_unit_test(test_budget_leaves_turns_to_others),
        cmocka_unit_test(test_writable_is_told_once),
        cmocka_unit_test(test_idle_loop_sleeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

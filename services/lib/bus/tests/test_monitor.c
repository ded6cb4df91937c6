/* Monitors come and go as peers do; the name of one that went is not there to stumble over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <zmq.h>

#include "bus/monitor.h"

static void on_event(void *ctx, int event, int value)
{
    (void)ctx, (void)event, (void)value;
}

static void test_many_in_a_row(void **state)
{
    (void)state;
    struct loop *loop;
    void *context = zmq_ctx_new();
    assert_int_equal(loop_new(&loop), 0);
    for (int i = 0; i < 500; i++) {
        struct monitor *monitor;
        void *socket = zmq_socket(context, ZMQ_DEALER);
        assert_non_null(socket);
        assert_int_equal(
            monitor_new(&monitor, loop, context, socket, ZMQ_EVENT_DISCONNECTED, on_event, NULL),
            0);
        monitor_free(monitor);
        zmq_close(socket);
    }
    loop_free(loop);
    zmq_ctx_term(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_many_in_a_row) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

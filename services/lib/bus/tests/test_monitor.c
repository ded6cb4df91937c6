/* Monitors come and go as peers do; the name of one that went is not there to stumble over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <zmq.h>

#include "bus/monitor.h"

#define PEERS 80

static void on_event(void *ctx, int event, int value)
{
    (void)ctx, (void)event, (void)value;
}

/* All at once: what the first generation held in memory is there to be given to the second, while
 * libzmq's own thread is still busy with its endpoints. A context ends when its sockets are truly
 * gone, so that a machine that is slow at this fills no table.
 */
static void test_generations(void **state)
{
    (void)state;
    struct loop *loop;
    assert_int_equal(loop_new(&loop), 0);
    for (int round = 0; round < 5; round++) {
        void *context = zmq_ctx_new();
        for (int generation = 0; generation < 2; generation++) {
            void *sockets[PEERS];
            struct monitor *monitors[PEERS];
            for (int i = 0; i < PEERS; i++) {
                sockets[i] = zmq_socket(context, ZMQ_DEALER);
                assert_non_null(sockets[i]);
                assert_int_equal(monitor_new(&monitors[i], loop, context, sockets[i],
                                             ZMQ_EVENT_DISCONNECTED, on_event, NULL),
                                 0);
            }
            for (int i = 0; i < PEERS; i++) {
                monitor_free(monitors[i]);
                zmq_close(sockets[i]);
            }
        }
        zmq_ctx_term(context);
    }
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_generations) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

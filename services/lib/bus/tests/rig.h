/* What the tests of the bus share: running a loop until something is true, and plain ZeroMQ clients
 * of a door. */
#ifndef LUJIAN_BUS_TESTS_RIG_H
#define LUJIAN_BUS_TESTS_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zmq.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "bus/curve.h"
#include "bus/door.h"
#include "loop/loop.h"

UNUSED static void rig_tick(void *arg)
{
    (void)arg;
}

/* Turns the loop until done(ctx); false when the time is up first. */
UNUSED static bool rig_until(struct loop *loop, bool (*done)(void *ctx), void *ctx, int timeout_ms)
{
    struct loop_timer *tick = loop_timer_new(loop, rig_tick, NULL);
    loop_timer_start(tick, 2, 2);
    int64_t deadline = mono_ms() + timeout_ms;
    bool good = done(ctx);
    while (!good && mono_ms() < deadline) {
        uv_run(loop_uv(loop), UV_RUN_ONCE);
        good = done(ctx);
    }
    loop_timer_free(tick);
    return good;
}

UNUSED static bool rig_never(void *ctx)
{
    (void)ctx;
    return false;
}

UNUSED static void rig_turn(struct loop *loop, int ms)
{
    rig_until(loop, rig_never, NULL, ms);
}

UNUSED static void rig_set_int(void *socket, int option, int value)
{
    assert_int_equal(zmq_setsockopt(socket, option, &value, sizeof(value)), 0);
}

/* A client's socket; `keys` NULL = no CURVE. */
UNUSED static void *rig_client(void *context, int type, const char *endpoint,
                               const struct curve_keys *keys, const char *server_key,
                               const void *routing_id, size_t routing_id_size)
{
    void *socket = zmq_socket(context, type);
    assert_non_null(socket);
    rig_set_int(socket, ZMQ_LINGER, 0);
    rig_set_int(socket, ZMQ_RECONNECT_IVL, 50);
    if (keys) {
        assert_int_equal(zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->public_key, 41), 0);
        assert_int_equal(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret_key, 41), 0);
        assert_int_equal(zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_key, 41), 0);
    }
    if (routing_id)
        assert_int_equal(zmq_setsockopt(socket, ZMQ_ROUTING_ID, routing_id, routing_id_size), 0);
    if (type == ZMQ_SUB)
        assert_int_equal(zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0), 0);
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    return socket;
}

UNUSED static void rig_send(void *socket, const char *head, const char *body)
{
    assert_true(zmq_send(socket, head, strlen(head), ZMQ_SNDMORE) >= 0);
    assert_true(zmq_send(socket, body, strlen(body), 0) >= 0);
}

/* One frame as text; false when none is there. */
UNUSED static bool rig_receive(void *socket, char *out, size_t size)
{
    int length = zmq_recv(socket, out, size - 1, ZMQ_DONTWAIT);
    if (length < 0)
        return false;
    out[MIN((size_t)length, size - 1)] = 0;
    return true;
}

#endif

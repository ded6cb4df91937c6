/* A socket monitor: a PAIR socket that libzmq writes events to. */
#include "bus/monitor.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/err.h"
#include "bus/pump.h"

#define EVENT_BYTES 6 /* 16 bits of event, 32 of value, in the machine's order */

static atomic_uint monitors_made;

struct monitor {
    void *watched, *pair;
    struct pump *pump;
    void (*fn)(void *ctx, int event, int value);
    void *ctx;
};

static bool monitor_receive(void *ctx)
{
    struct monitor *monitor = ctx;
    uint8_t event[EVENT_BYTES];
    int size = zmq_recv(monitor->pair, event, sizeof(event), ZMQ_DONTWAIT);
    if (size < 0)
        return false;
    int more = 1;
    size_t more_size = sizeof(more);
    while (zmq_getsockopt(monitor->pair, ZMQ_RCVMORE, &more, &more_size) == 0 && more)
        if (zmq_recv(monitor->pair, NULL, 0, ZMQ_DONTWAIT) < 0) /* the endpoint's text */
            break;
    if (size != EVENT_BYTES)
        return true;
    uint16_t number;
    int32_t value;
    memcpy(&number, event, sizeof(number));
    memcpy(&value, event + sizeof(number), sizeof(value));
    monitor->fn(monitor->ctx, number, value);
    return true;
}

void monitor_drain(struct monitor *monitor)
{
    while (monitor_receive(monitor))
        ;
}

int monitor_new(struct monitor **ret, struct loop *loop, void *context, void *socket, int events,
                void (*fn)(void *ctx, int event, int value), void *ctx)
{
    struct monitor *monitor = calloc(1, sizeof(*monitor));
    assert_always(monitor);
    *monitor = (struct monitor){ .watched = socket, .fn = fn, .ctx = ctx };
    char endpoint[64]; /* unique in its context, which is all that inproc knows */
    /* Never the name of one before: libzmq gives an endpoint up some time after its socket is
     * closed.
     */
    snprintf(endpoint, sizeof(endpoint), "inproc://monitor-%u",
             atomic_fetch_add(&monitors_made, 1));
    const int linger = 0;
    /* No limit: a full pipe would block libzmq's own thread, and us when we stop it. */
    const int hwm = 0;
    int r = 0;
    if (zmq_socket_monitor(socket, endpoint, events) < 0 ||
        !(monitor->pair = zmq_socket(context, ZMQ_PAIR)) ||
        zmq_setsockopt(monitor->pair, ZMQ_LINGER, &linger, sizeof(linger)) < 0 ||
        zmq_setsockopt(monitor->pair, ZMQ_RCVHWM, &hwm, sizeof(hwm)) < 0 ||
        zmq_connect(monitor->pair, endpoint) < 0)
        r = err_errno(ERR_INTERNAL, zmq_errno(), "socket monitor");
    if (r >= 0)
        r = pump_new(&monitor->pump, loop, monitor->pair,
                     &(struct pump_handler){ .receive = monitor_receive, .ctx = monitor });
    if (r < 0) {
        monitor_free(monitor);
        return r;
    }
    *ret = monitor;
    return 0;
}

void monitor_free(struct monitor *monitor)
{
    if (!monitor)
        return;
    zmq_socket_monitor(monitor->watched, NULL, 0);
    pump_free(monitor->pump);
    if (monitor->pair)
        zmq_close(monitor->pair);
    free(monitor);
}

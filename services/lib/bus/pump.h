/* A ZeroMQ socket on the loop.
 *
 * ZeroMQ's descriptor tells edges, and any call on the socket may consume one: it can stay silent
 * although a message waits. So the descriptor only wakes the loop; what there is to do is asked of
 * ZMQ_EVENTS before the loop sleeps, each time the descriptor woke it or the socket was used.
 * Whoever uses the socket outside of `receive` says so with pump_touch. */
#ifndef LUJIAN_BUS_PUMP_H
#define LUJIAN_BUS_PUMP_H

#include <stdbool.h>

#include "loop/loop.h"

#define PUMP_BUDGET                                                                                \
    128 /* calls of `receive` in one turn of the loop: other sockets and timers have their turn    \
           too */

struct pump;

struct pump_handler {
    /* Takes one message without waiting; false when none is there. */
    bool (*receive)(void *ctx);
    /* The socket takes messages again, once after each pump_want_write; may be NULL. */
    void (*writable)(void *ctx);
    void *ctx;
};

int pump_new(struct pump **ret, struct loop *loop, void *socket,
             const struct pump_handler *handler);
void pump_touch(struct pump *pump);
void pump_want_write(struct pump *pump);
/* Before the socket is closed; allowed within `receive` and `writable`. No callback comes after it.
 * NULL is fine. */
void pump_free(struct pump *pump);

#endif

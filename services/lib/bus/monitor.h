/* What a ZeroMQ socket's connections live through, told on the loop: some of it shows nowhere else.
 */
#ifndef LUJIAN_BUS_MONITOR_H
#define LUJIAN_BUS_MONITOR_H

#include "loop/loop.h"

struct monitor;

/* `events` is a mask of ZMQ_EVENT_*; `value` is the event's: a descriptor, an errno. */
int monitor_new(struct monitor **ret, struct loop *loop, void *context, void *socket, int events,
                void (*fn)(void *ctx, int event, int value), void *ctx);
/* Calls `fn` for all that has been told so far. Not within `fn`. */
void monitor_drain(struct monitor *monitor);
/* Before the socket is closed; not within `fn`. NULL is fine. */
void monitor_free(struct monitor *monitor);

#endif

/* An event as it is handed out, with the memory that it needs beside its frame. */
#ifndef LUJIAN_SDK_EVENT_H
#define LUJIAN_SDK_EVENT_H

#include "inside.h"
#include "lujian/bus/v1/log.lj.h"

struct event {
    struct lujian_event view;
    struct lujian_escalation escalation;
    ProtobufCMessage *data; /* what the escalation's texts live in */
    char cursor[LUJIAN_CURSOR_SIZE];
};

void event_clear(struct event *event);
/* `from` must live as long; `through` is its frame's, of whose epoch it is. */
void event_take(struct event *event, const Event *from, const char *through);

#endif

/* An event of the bus as CloudEvents 1.0 JSON: one form for HTTP, server-sent events and the CLI.
 */
#ifndef LUJIAN_CLIENT_CLOUDEVENT_H
#define LUJIAN_CLIENT_CLOUDEVENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "lujian/bus/v1/log.lj.h"

/* Adds one object to `out`. Data of a type that this release does not know are left out but for the
 * division: its address is still worth telling. */
void cloudevent_json(struct arena *arena, struct buf *out, const char *stream, const Event *event);

#endif

/* Private to service/: figures as Prometheus text (exposition format 0.0.4). */
#ifndef LUJIAN_SERVICE_METRICS_H
#define LUJIAN_SERVICE_METRICS_H

#include "base/buf.h"
#include "lujian/bus/v1/node.lj.h"
#include "service/replica.h"

/* `status` is the replica's, NULL where it could not be had. On the loop thread. */
void metrics_write(struct buf *out, struct service *s, const StatusResponse *status);
/* The head of a family; its samples follow. */
void metrics_family(struct buf *out, const char *name, const char *type, const char *help);
/* One family of one sample. */
void metrics_gauge(struct buf *out, const char *name, const char *help, double value);
void metrics_counter(struct buf *out, const char *name, const char *help, double value);

#endif

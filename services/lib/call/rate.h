/* Rate limits: a token bucket a name, in this process alone. */
#ifndef LUJIAN_CALL_RATE_H
#define LUJIAN_CALL_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"

#define RATE_BUCKETS_KEPT                                                                          \
    4096 /* from here on full buckets are forgotten: they remember nothing                         \
          */

struct rate {
    int64_t per_second, burst; /* per_second 0 = no limit */
    struct map buckets;
    size_t sweep_at; /* so many buckets: look for full ones */
};

void rate_init(struct rate *r, int64_t per_second, int64_t burst);
void rate_clear(struct rate *r);
/* Takes one token; false = none is left, and ret_wait_ms says when there will be one. */
bool rate_take(struct rate *r, const char *name, int64_t now_us, uint32_t *ret_wait_ms);

#endif

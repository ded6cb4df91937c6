/* The envelope on the client's side, and what it must know of a feed's frames. */
#ifndef LUJIAN_BUS_ENVELOPE_H
#define LUJIAN_BUS_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct envelope_request {
    uint64_t id;
    const char *method, *key, *on_behalf, *traceparent; /* NULL = "" */
    int64_t if_version;
    uint32_t budget_ms;
};
void envelope_request_pack(struct arena *arena, const struct envelope_request *request,
                           uint8_t **ret_data, size_t *ret_size);

struct envelope_answer {
    uint64_t id;
    int code; /* 0 or enum err */
    uint32_t retry_after_ms;
    bool draining; /* refused because the replica ends */
};
/* Unpacks a ResponseHead; the arena is for its scraps. */
int envelope_answer_read(struct arena *arena, const uint8_t *data, size_t size,
                         struct envelope_answer *ret);

/* Counts the events of an encoded FollowResponse and finds its `through`, without unpacking: the
 * consumer does that. */
int envelope_frame_skim(const uint8_t *data, size_t size, uint32_t *ret_events,
                        const char **ret_through, size_t *ret_through_size);

#endif

/* Token buckets, filled by elapsed time when they are looked at. */
#include "call/rate.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/util.h"

#define SECOND_US INT64_C(1000000)

struct rate_bucket {
    int64_t level; /* tokens, in millionths */
    int64_t filled_at_us;
    char name[];
};

void rate_init(struct rate *r, int64_t per_second, int64_t burst)
{
    *r = (struct rate){ .per_second = per_second,
                        .burst = MAX(burst, INT64_C(1)),
                        .sweep_at = RATE_BUCKETS_KEPT };
    map_init(&r->buckets);
}

void rate_clear(struct rate *r)
{
    MAP_EACH (&r->buckets, slot) {
        free(slot->value);
    }
    map_clear(&r->buckets);
}

static void bucket_fill(const struct rate *r, struct rate_bucket *b, int64_t now_us)
{
    int64_t full = r->burst * SECOND_US;
    int64_t elapsed_us = MIN(MAX(now_us - b->filled_at_us, INT64_C(0)), full / r->per_second + 1);
    b->level = MIN(full, b->level + elapsed_us * r->per_second);
    b->filled_at_us = now_us;
}

/* Keys are borrowed from the buckets, so the map is built anew without the full ones. */
static void forget_full(struct rate *r, int64_t now_us)
{
    struct map kept;
    map_init(&kept);
    MAP_EACH (&r->buckets, slot) {
        struct rate_bucket *b = slot->value;
        bucket_fill(r, b, now_us);
        if (b->level < r->burst * SECOND_US)
            map_put(&kept, b->name, b);
        else
            free(b);
    }
    map_clear(&r->buckets);
    r->buckets = kept;
    /* Where few were full the next look waits, so that looking stays cheap whoever comes. */
    r->sweep_at = MAX(kept.count * 2, (size_t)RATE_BUCKETS_KEPT);
}

static struct rate_bucket *bucket_of(struct rate *r, const char *name, int64_t now_us)
{
    struct rate_bucket *b = map_get(&r->buckets, name);
    if (b)
        return b;
    if (r->buckets.count >= r->sweep_at)
        forget_full(r, now_us);
    size_t size = strlen(name) + 1;
    b = malloc(sizeof(*b) + size);
    assert_always(b);
    b->level = r->burst * SECOND_US;
    b->filled_at_us = now_us;
    memcpy(b->name, name, size);
    map_put(&r->buckets, b->name, b);
    return b;
}

bool rate_take(struct rate *r, const char *name, int64_t now_us, uint32_t *ret_wait_ms)
{
    if (r->per_second == 0)
        return true;
    struct rate_bucket *b = bucket_of(r, name, now_us);
    bucket_fill(r, b, now_us);
    if (b->level >= SECOND_US) {
        b->level -= SECOND_US;
        return true;
    }
    *ret_wait_ms = (uint32_t)((SECOND_US - b->level) / r->per_second / 1000 + 1);
    return false;
}

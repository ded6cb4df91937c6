/* The replica's cache in Redis: its keys' prefix, its limits, its figures. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "service/metrics.h"
#include "service/replica.h"

#define CACHE_FORMAT          "lj1" /* of keys and values; a change of either is a new one */
#define CACHE_VALUE_BYTES_MAX ((size_t)256 * 1024)
#define CACHE_FAILURES        3

int caches_open(struct service *s)
{
    const struct conf *conf = &s->conf;
    const char *uri = conf_text(conf, "redis");
    char prefix[CACHE_KEY_MAX / 2];
    if (!*uri || (!conf_bool(conf, "cache-rows") && !conf_bool(conf, "cache-pages")))
        return 0;
    /* Databases that share a Redis share no key: a page of another would look like one of ours. */
    snprintf(prefix, sizeof(prefix), CACHE_FORMAT ":%s:%s:", s->place, s->definition->name);
    struct cache_options options = {
        .uri = uri,
        .prefix = prefix,
        .timeout_ms = (int)conf_int(conf, "cache-timeout-ms"),
        .ttl_ms = conf_int(conf, "cache-ttl-s") * 1000,
        .value_bytes_max = CACHE_VALUE_BYTES_MAX,
        .breaker_failures = CACHE_FAILURES,
        .breaker_open_ms = (int)conf_int(conf, "cache-breaker-ms"),
        .unused = { [CACHE_ROW] = !conf_bool(conf, "cache-rows"),
                    [CACHE_PAGE] = !conf_bool(conf, "cache-pages") },
    };
    return cache_open(&s->cache, &options);
}

static const char *const kinds[CACHE_KINDS] = { [CACHE_ROW] = "row", [CACHE_PAGE] = "page" };

static void sample(struct buf *out, const char *name, const char *kind, const char *result,
                   uint64_t value)
{
    buf_printf(out, "%s{kind=\"%s\",result=\"%s\"} %" PRIu64 "\n", name, kind, result, value);
}

static void write_reads(struct buf *out, const struct cache_figures *f)
{
    const char *name = "lujian_cache_reads_total";
    metrics_family(out, name, "counter",
                   "Reads by what the cache gave: a hit was found and stood, an outdated one not.");
    for (int k = 0; k < CACHE_KINDS; k++) {
        sample(out, name, kinds[k], "hit", f->kinds[k].hits);
        sample(out, name, kinds[k], "outdated", f->kinds[k].outdated);
        sample(out, name, kinds[k], "miss", f->kinds[k].misses);
        sample(out, name, kinds[k], "unavailable", f->kinds[k].unavailable);
    }
}

static void write_fills(struct buf *out, const struct cache_figures *f)
{
    static const char *const results[CACHE_KEPT_RESULTS] = {
        [CACHE_KEPT] = "kept",
        [CACHE_OLDER] = "stale_refused",
        [CACHE_TOO_LARGE] = "too_large",
        [CACHE_NOT_KEPT] = "unavailable",
    };
    const char *name = "lujian_cache_fills_total";
    metrics_family(out, name, "counter",
                   "Values offered to the cache; a stale one came after a newer.");
    for (int k = 0; k < CACHE_KINDS; k++)
        for (int i = 0; i < CACHE_KEPT_RESULTS; i++)
            sample(out, name, kinds[k], results[i], f->kinds[k].kept[i]);
}

void caches_metrics(struct buf *out, const struct service *s)
{
    static const char *const states[] = {
        [BREAKER_CLOSED] = "closed", [BREAKER_OPEN] = "open", [BREAKER_HALF_OPEN] = "half_open"
    };
    struct cache_figures f;
    cache_figures_read(s->cache, &f);
    write_reads(out, &f);
    write_fills(out, &f);
    metrics_family(out, "lujian_cache_seconds", "summary", "Calls to Redis, failed ones included.");
    buf_printf(out, "lujian_cache_seconds_sum %.6f\nlujian_cache_seconds_count %" PRIu64 "\n",
               (double)f.call_us / 1e6, f.calls);
    metrics_counter(out, "lujian_cache_failures_total", "Calls that Redis did not answer in time.",
                    (double)f.failures);
    metrics_counter(out, "lujian_cache_breaker_opened_total",
                    "Times that Redis was left alone after failures in a row.",
                    (double)f.breaker_opened);
    metrics_family(out, "lujian_cache_breaker", "gauge", "1 at the state that the breaker is in.");
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        buf_printf(out, "lujian_cache_breaker{state=\"%s\"} %d\n", states[i],
                   f.breaker == (enum cache_breaker)i);
}

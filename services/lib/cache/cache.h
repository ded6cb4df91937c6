/* Redis as a cache that may be wrong about nothing but time: values under a version, of which an
 * older never replaces a newer, and a breaker for when Redis is slow or gone.
 *
 * Invariants: whatever Redis does, a call returns within its timeout and never fails: it finds
 * nothing, or keeps nothing. A value is only a candidate: who found it asks the database whether
 * its version still stands, and says so here (cache_judge), before anything of it is believed. */
#ifndef LUJIAN_CACHE_CACHE_H
#define LUJIAN_CACHE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct cache;      /* of a process */
struct cache_conn; /* of a thread */

enum cache_kind { CACHE_ROW, CACHE_PAGE, CACHE_KINDS };

/* Versions are compared by epoch first: after a lost commit numbers may be given twice. Both stay
 * below 2^53, for Lua counts in doubles. */
struct cache_version {
    int64_t epoch, number;
};

#define CACHE_KEY_MAX 160

struct cache_options {
    const char *uri;          /* redis://[:password@]host[:port][/database], or unix:///path */
    const char *prefix;       /* of all keys */
    int timeout_ms;           /* of a call, connecting included */
    int64_t ttl_ms;           /* of a value since it was last kept or moved */
    size_t value_bytes_max;   /* larger ones are not kept */
    int breaker_failures;     /* so many in a row open the breaker */
    int breaker_open_ms;      /* until one call may try again */
    bool unused[CACHE_KINDS]; /* kinds that are not to be cached */
};

/* Connects to nobody yet. ERR_INVALID_ARGUMENT where the URI is none. */
int cache_open(struct cache **ret, const struct cache_options *options);
void cache_close(struct cache *cache); /* after its connections; NULL is fine */

struct cache_conn *cache_conn_new(struct cache *cache); /* NULL of a NULL cache */
void cache_conn_free(struct cache_conn *conn);          /* NULL is fine */

/* Is this kind to be cached? A NULL connection caches nothing. */
bool cache_used(const struct cache_conn *conn, enum cache_kind kind);

/* False: nothing there, or Redis was not to be had. The value lives in the arena. */
bool cache_get(struct cache_conn *conn, enum cache_kind kind, const char *key, struct arena *arena,
               struct cache_version *ret_version, const uint8_t **ret_value, size_t *ret_size);
/* What became of a value that was found: did its version still stand? */
void cache_judge(struct cache_conn *conn, enum cache_kind kind, bool stands);

enum cache_kept { CACHE_KEPT, CACHE_OLDER, CACHE_TOO_LARGE, CACHE_NOT_KEPT, CACHE_KEPT_RESULTS };
/* CACHE_OLDER: a newer version stands there, and goes on standing. */
enum cache_kept cache_put(struct cache_conn *conn, enum cache_kind kind, const char *key,
                          struct cache_version version, const uint8_t *value, size_t size);
/* The value of version `from` was found to stand at `number` too; nothing where another is there
 * by now. */
void cache_move(struct cache_conn *conn, const char *key, struct cache_version from,
                int64_t number);

enum cache_breaker { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct cache_figures {
    struct cache_kind_figures {
        uint64_t hits;        /* found, and it stood */
        uint64_t outdated;    /* found, and it did not */
        uint64_t misses;      /* not found */
        uint64_t unavailable; /* Redis was not asked, or did not answer */
        uint64_t kept[CACHE_KEPT_RESULTS];
    } kinds[CACHE_KINDS];
    uint64_t calls, call_us; /* to Redis, failed ones included */
    uint64_t failures, breaker_opened;
    enum cache_breaker breaker;
};
void cache_figures_read(struct cache *cache, struct cache_figures *ret);

#endif

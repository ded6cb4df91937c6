/* Values under versions, the compare-and-set that keeps them in order, the breaker, the figures. */
#include "cache/cache.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "cache/cache_inside.h"

#define NUMBER_SIZE 24

/* A value is a hash: e and v its version, d its bytes. ARGV: epoch, number, life, bytes. */
static const char put_script[] =
    "local old = redis.call('HMGET', KEYS[1], 'e', 'v') "
    "local e, v = tonumber(ARGV[1]), tonumber(ARGV[2]) "
    "local oe, ov = tonumber(old[1] or -1), tonumber(old[2] or -1) "
    "if oe > e or (oe == e and ov > v) then return 0 end "
    "redis.call('HSET', KEYS[1], 'e', ARGV[1], 'v', ARGV[2], 'd', ARGV[4]) "
    "redis.call('PEXPIRE', KEYS[1], ARGV[3]) "
    "return 1";

/* ARGV: epoch, number, life, the number that it is to have. */
static const char move_script[] = "local old = redis.call('HMGET', KEYS[1], 'e', 'v') "
                                  "if old[1] ~= ARGV[1] or old[2] ~= ARGV[2] then return 0 end "
                                  "redis.call('HSET', KEYS[1], 'v', ARGV[4]) "
                                  "redis.call('PEXPIRE', KEYS[1], ARGV[3]) "
                                  "return 1";

int cache_open(struct cache **ret, const struct cache_options *options)
{
    struct cache *c = calloc(1, sizeof(*c));
    assert_always(c && options->timeout_ms > 0 && options->ttl_ms > 0);
    int r = cache_address_parse(options->uri, &c->address);
    if (r < 0) {
        free(c);
        return r;
    }
    c->options = *options;
    snprintf(c->prefix, sizeof(c->prefix), "%s", options->prefix);
    pthread_mutex_init(&c->mutex, NULL);
    *ret = c;
    return 0;
}

void cache_close(struct cache *c)
{
    if (!c)
        return;
    pthread_mutex_destroy(&c->mutex);
    free(c);
}

struct cache_conn *cache_conn_new(struct cache *c)
{
    if (!c)
        return NULL;
    struct cache_conn *conn = calloc(1, sizeof(*conn));
    assert_always(conn);
    conn->cache = c;
    return conn;
}

void cache_conn_free(struct cache_conn *conn)
{
    if (!conn)
        return;
    conn_close(&conn->conn);
    free(conn);
}

bool cache_used(const struct cache_conn *conn, enum cache_kind kind)
{
    return conn && !conn->cache->options.unused[kind];
}

/* ---- the breaker: closed; open for a while after failures in a row; then one call tries ---- */

static bool breaker_admits(struct cache *c)
{
    pthread_mutex_lock(&c->mutex);
    bool admitted = !c->open;
    if (c->open && !c->probing && mono_ms() >= c->open_until_ms)
        c->probing = admitted = true;
    pthread_mutex_unlock(&c->mutex);
    return admitted;
}

static void breaker_hears(struct cache *c, bool answered, int64_t took_us)
{
    pthread_mutex_lock(&c->mutex);
    c->figures.calls++;
    c->figures.call_us += (uint64_t)took_us;
    c->failures = answered ? 0 : c->failures + 1;
    if (answered) {
        c->open = false;
    } else {
        c->figures.failures++;
        if (c->open || c->failures >= c->options.breaker_failures) {
            c->figures.breaker_opened += !c->open;
            c->open = true;
            c->open_until_ms = mono_ms() + c->options.breaker_open_ms;
        }
    }
    c->probing = false;
    pthread_mutex_unlock(&c->mutex);
}

/* NULL where Redis was not asked, did not answer in time, or answered with an error. */
static redisReply *call(struct cache_conn *conn, int count, const char **words, const size_t *sizes)
{
    struct cache *c = conn->cache;
    if (!breaker_admits(c))
        return NULL;
    int64_t began_us = mono_us();
    int64_t deadline_ms = began_us / 1000 + c->options.timeout_ms;
    redisReply *reply = conn_command(&conn->conn, &c->address, deadline_ms, count, words, sizes);
    if (reply && reply->type == REDIS_REPLY_ERROR) {
        freeReplyObject(reply);
        reply = NULL;
    }
    breaker_hears(c, reply != NULL, mono_us() - began_us);
    return reply;
}

/* ---- values ---- */

static void count(struct cache *c, uint64_t *figure)
{
    pthread_mutex_lock(&c->mutex);
    (*figure)++;
    pthread_mutex_unlock(&c->mutex);
}

static void key_of(const struct cache *c, const char *key, char out[CACHE_KEY_MAX])
{
    int length = snprintf(out, CACHE_KEY_MAX, "%s%s", c->prefix, key);
    assert_always(length < CACHE_KEY_MAX);
}

/* Also a hash that a hand or another program left there is read without harm. */
static bool parse(const redisReply *reply, struct cache_version *ret)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3)
        return false;
    for (size_t i = 0; i < 3; i++)
        if (reply->element[i]->type != REDIS_REPLY_STRING)
            return false;
    char *end_epoch, *end_number;
    ret->epoch = strtoll(reply->element[0]->str, &end_epoch, 10);
    ret->number = strtoll(reply->element[1]->str, &end_number, 10);
    return !*end_epoch && !*end_number;
}

bool cache_get(struct cache_conn *conn, enum cache_kind kind, const char *key, struct arena *arena,
               struct cache_version *ret_version, const uint8_t **ret_value, size_t *ret_size)
{
    struct cache *c = conn->cache;
    struct cache_kind_figures *f = &c->figures.kinds[kind];
    char full[CACHE_KEY_MAX];
    key_of(c, key, full);
    redisReply *reply = call(conn, 5, (const char *[]){ "HMGET", full, "e", "v", "d" },
                             (const size_t[]){ 5, strlen(full), 1, 1, 1 });
    if (!reply) {
        count(c, &f->unavailable);
        return false;
    }
    bool found = parse(reply, ret_version);
    if (found) {
        *ret_size = (size_t)reply->element[2]->len;
        *ret_value = arena_memdup(arena, reply->element[2]->str, *ret_size);
    } else {
        count(c, &f->misses);
    }
    freeReplyObject(reply);
    return found;
}

void cache_judge(struct cache_conn *conn, enum cache_kind kind, bool stands)
{
    struct cache_kind_figures *f = &conn->cache->figures.kinds[kind];
    count(conn->cache, stands ? &f->hits : &f->outdated);
}

/* Runs a script of ours: its answer, or -1. By its text: no restart of Redis can forget it. */
static int run_script(struct cache_conn *conn, const char *script, size_t script_size,
                      const char *key, struct cache_version version, const void *last,
                      size_t last_size)
{
    char full[CACHE_KEY_MAX], epoch[NUMBER_SIZE], number[NUMBER_SIZE], life[NUMBER_SIZE];
    key_of(conn->cache, key, full);
    snprintf(epoch, sizeof(epoch), "%" PRId64, version.epoch);
    snprintf(number, sizeof(number), "%" PRId64, version.number);
    snprintf(life, sizeof(life), "%" PRId64, conn->cache->options.ttl_ms);
    const char *words[] = { "EVAL", script, "1", full, epoch, number, life, last };
    const size_t sizes[] = {
        4, script_size, 1, strlen(full), strlen(epoch), strlen(number), strlen(life), last_size
    };
    redisReply *reply = call(conn, (int)ARRAY_LEN(words), words, sizes);
    int answer = reply && reply->type == REDIS_REPLY_INTEGER ? (int)reply->integer : -1;
    if (reply)
        freeReplyObject(reply);
    return answer;
}

enum cache_kept cache_put(struct cache_conn *conn, enum cache_kind kind, const char *key,
                          struct cache_version version, const uint8_t *value, size_t size)
{
    struct cache *c = conn->cache;
    enum cache_kept kept = CACHE_TOO_LARGE;
    if (size <= c->options.value_bytes_max) {
        int answer =
            run_script(conn, put_script, sizeof(put_script) - 1, key, version, value, size);
        kept = answer < 0 ? CACHE_NOT_KEPT : answer ? CACHE_KEPT : CACHE_OLDER;
    }
    count(c, &c->figures.kinds[kind].kept[kept]);
    return kept;
}

void cache_move(struct cache_conn *conn, const char *key, struct cache_version from, int64_t number)
{
    char text[NUMBER_SIZE];
    snprintf(text, sizeof(text), "%" PRId64, number);
    run_script(conn, move_script, sizeof(move_script) - 1, key, from, text, strlen(text));
}

void cache_figures_read(struct cache *c, struct cache_figures *ret)
{
    pthread_mutex_lock(&c->mutex);
    *ret = c->figures;
    if (c->open)
        ret->breaker =
            c->probing || mono_ms() >= c->open_until_ms ? BREAKER_HALF_OPEN : BREAKER_OPEN;
    pthread_mutex_unlock(&c->mutex);
}

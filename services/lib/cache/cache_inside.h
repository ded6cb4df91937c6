/* Private to cache/: the process's cache, and a thread's connection. */
#ifndef LUJIAN_CACHE_CACHE_INSIDE_H
#define LUJIAN_CACHE_CACHE_INSIDE_H

#include <hiredis/hiredis.h>
#include <pthread.h>

#include "cache/cache.h"

struct cache_address {
    char host[256]; /* or the path of a Unix socket */
    int port;       /* 0 = a Unix socket */
    char password[256];
    int database;
};

struct cache {
    struct cache_options options;
    struct cache_address address;
    char prefix[CACHE_KEY_MAX];
    pthread_mutex_t mutex; /* of what follows */
    int failures;          /* in a row */
    bool open, probing;
    int64_t open_until_ms;
    struct cache_figures figures;
};

/* uri.c */
int cache_address_parse(const char *uri, struct cache_address *ret);

/* conn.c: one connection, opened when it is needed. */
#define CONN_READ_BYTES ((size_t)64 * 1024)
struct conn {
    redisContext *redis; /* NULL = none is open */
    char *read_buffer;
};
/* NULL: not answered in time, or not at all; the connection is gone with it, for what it would
 * answer next belongs to this command. */
redisReply *conn_command(struct conn *conn, const struct cache_address *address,
                         int64_t deadline_ms, int count, const char **words, const size_t *sizes);
void conn_close(struct conn *conn);

struct cache_conn {
    struct cache *cache;
    struct conn conn;
};

#endif

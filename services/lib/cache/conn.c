/* One connection to Redis under a deadline: hiredis packs and parses, the waiting is ours, for its
 * own timeout starts anew with each read and lets a trickle go on for ever. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "cache/cache_inside.h"

void conn_close(struct conn *conn)
{
    if (conn->redis)
        redisFree(conn->redis);
    conn->redis = NULL;
    free(conn->read_buffer);
    conn->read_buffer = NULL;
}

static bool wait_for(const redisContext *redis, short events, int64_t deadline_ms)
{
    for (;;) {
        int64_t left_ms = deadline_ms - mono_ms();
        struct pollfd p = { .fd = redis->fd, .events = events };
        int n = poll(&p, 1, (int)MAX(left_ms, 0));
        if (n > 0)
            return true;
        if (n == 0 || errno != EINTR)
            return false;
    }
}

static bool send_all(redisContext *redis, int64_t deadline_ms)
{
    int done = 0;
    for (;;) {
        if (redisBufferWrite(redis, &done) != REDIS_OK)
            return false;
        if (done)
            return true;
        if (!wait_for(redis, POLLOUT, deadline_ms))
            return false;
    }
}

static redisReply *receive(struct conn *conn, int64_t deadline_ms)
{
    redisContext *redis = conn->redis;
    for (;;) {
        void *reply = NULL;
        if (redisGetReplyFromReader(redis, &reply) != REDIS_OK)
            return NULL;
        if (reply)
            return reply;
        if (!wait_for(redis, POLLIN, deadline_ms))
            return NULL;
        ssize_t size = recv(redis->fd, conn->read_buffer, CONN_READ_BYTES, 0);
        if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR))
            return NULL;
        if (size > 0 && redisReaderFeed(redis->reader, conn->read_buffer, (size_t)size) != REDIS_OK)
            return NULL;
    }
}

static redisReply *ask(struct conn *conn, int64_t deadline_ms, int count, const char **words,
                       const size_t *sizes)
{
    if (redisAppendCommandArgv(conn->redis, count, words, sizes) != REDIS_OK ||
        !send_all(conn->redis, deadline_ms))
        return NULL;
    return receive(conn, deadline_ms);
}

static bool greet(struct conn *conn, int64_t deadline_ms, const char *word, const char *value)
{
    redisReply *reply = ask(conn, deadline_ms, 2, (const char *[]){ word, value },
                            (const size_t[]){ strlen(word), strlen(value) });
    bool ok = reply && reply->type == REDIS_REPLY_STATUS;
    if (reply)
        freeReplyObject(reply);
    return ok;
}

static bool conn_open(struct conn *conn, const struct cache_address *a, int64_t deadline_ms)
{
    int64_t left_ms = MAX(deadline_ms - mono_ms(), 1);
    struct timeval left = { .tv_sec = left_ms / 1000,
                            .tv_usec = (suseconds_t)(left_ms % 1000 * 1000) };
    conn->redis = a->port ? redisConnectWithTimeout(a->host, a->port, left)
                          : redisConnectUnixWithTimeout(a->host, left);
    if (!conn->redis || conn->redis->err)
        return false;
    /* From here on nothing of hiredis may block: deadlines are kept by poll. */
    if (fcntl(conn->redis->fd, F_SETFL, fcntl(conn->redis->fd, F_GETFL) | O_NONBLOCK) < 0)
        return false;
    conn->redis->flags &= ~REDIS_BLOCK;
    conn->read_buffer = malloc(CONN_READ_BYTES);
    assert_always(conn->read_buffer);
    char database[16];
    snprintf(database, sizeof(database), "%d", a->database);
    return (!a->password[0] || greet(conn, deadline_ms, "AUTH", a->password)) &&
           (!a->database || greet(conn, deadline_ms, "SELECT", database));
}

redisReply *conn_command(struct conn *conn, const struct cache_address *address,
                         int64_t deadline_ms, int count, const char **words, const size_t *sizes)
{
    redisReply *reply = NULL;
    if (conn->redis || conn_open(conn, address, deadline_ms))
        reply = ask(conn, deadline_ms, count, words, sizes);
    if (!reply)
        conn_close(conn);
    return reply;
}

/* A call ends in its time, whatever keeps it: an answer that trickles, each byte of it in time, or
 * a connection that nobody takes. On sockets behind which is no Redis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "base/util.h"
#include "cache/cache.h"

#define TIMEOUT_MS   20
#define LATE_MS      (5 * TIMEOUT_MS)
#define GAP_NS       2000000 /* between two bytes, a tenth of the time */
#define BYTES_MAX    1000    /* two seconds of them */
#define BYTES_ENOUGH 3
#define CALLS        5 /* of which the quickest counts: the machine may be busy */
#define TRIES_MAX    50

struct slow {
    int listener;
    char directory[64], uri[128];
    pthread_t thread;
    atomic_int sent; /* bytes, to all */
};

static struct slow slow;
static struct arena arena;

static void listen_unix(void)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    strcpy(slow.directory, "/tmp/lujian-slow-XXXXXX");
    assert_non_null(mkdtemp(slow.directory));
    snprintf(at.sun_path, sizeof(at.sun_path), "%s/socket", slow.directory);
    snprintf(slow.uri, sizeof(slow.uri), "unix://%s", at.sun_path);
    slow.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(slow.listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(slow.listener, CALLS), 0);
}

static struct sockaddr_in listen_tcp(const char *user, int backlog)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(at);
    slow.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(slow.listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(slow.listener, backlog), 0);
    assert_int_equal(getsockname(slow.listener, (struct sockaddr *)&at, &size), 0);
    snprintf(slow.uri, sizeof(slow.uri), "redis://%s127.0.0.1:%d", user, ntohs(at.sin_port));
    return at;
}

/* To each who comes a line of one byte at a time, which ends with the connection. */
static void *trickle(void *arg UNUSED)
{
    int fd;
    while ((fd = accept(slow.listener, NULL, NULL)) >= 0) {
        for (int i = 0; i < BYTES_MAX && send(fd, i ? "x" : "+", 1, MSG_NOSIGNAL) == 1; i++) {
            slow.sent++;
            nanosleep(&(struct timespec){ .tv_nsec = GAP_NS }, NULL);
        }
        close(fd);
    }
    return NULL;
}

static int setup(void **state UNUSED)
{
    slow = (struct slow){ 0 };
    arena_init(&arena, 0);
    return 0;
}

static int teardown(void **state UNUSED)
{
    shutdown(slow.listener, SHUT_RDWR); /* ends accept() */
    if (slow.thread)
        pthread_join(slow.thread, NULL);
    close(slow.listener);
    if (*slow.directory) {
        unlink(slow.uri + strlen("unix://"));
        rmdir(slow.directory);
    }
    arena_clear(&arena);
    return 0;
}

/* The quickest of some calls, each of which found `bytes` come before it gave up. */
static int64_t quickest_ms(int bytes)
{
    struct cache *cache;
    const struct cache_options options = { .uri = slow.uri,
                                           .prefix = "",
                                           .timeout_ms = TIMEOUT_MS,
                                           .ttl_ms = 1000,
                                           .breaker_failures = TRIES_MAX + 1,
                                           .breaker_open_ms = 1 };
    assert_int_equal(cache_open(&cache, &options), 0);
    struct cache_conn *conn = cache_conn_new(cache);
    int64_t quickest = INT64_MAX;
    int calls = 0;
    for (int tries = 0; tries < TRIES_MAX && calls < CALLS; tries++) {
        struct cache_version version;
        const uint8_t *value;
        size_t size;
        int before = slow.sent;
        int64_t began = mono_ms();
        assert_false(cache_get(conn, CACHE_ROW, "a", &arena, &version, &value, &size));
        int64_t took = mono_ms() - began;
        assert_true(took >= TIMEOUT_MS); /* it was not turned away */
        if (slow.sent - before < bytes)
            continue;
        quickest = MIN(quickest, took);
        calls++;
    }
    assert_int_equal(calls, CALLS);
    cache_conn_free(conn);
    cache_close(cache);
    return quickest;
}

static void test_an_answer_that_trickles(void **state UNUSED)
{
    listen_unix();
    assert_int_equal(pthread_create(&slow.thread, NULL, trickle, NULL), 0);
    assert_true(quickest_ms(BYTES_ENOUGH) < LATE_MS);
}

static void test_a_greeting_that_trickles(void **state UNUSED)
{
    listen_tcp(":password@", CALLS);
    assert_int_equal(pthread_create(&slow.thread, NULL, trickle, NULL), 0);
    assert_true(quickest_ms(BYTES_ENOUGH) < LATE_MS);
}

/* Where the queue of those who wait to be taken is full, the kernel lets further ones wait. */
static void test_a_connection_that_nobody_takes(void **state UNUSED)
{
    struct sockaddr_in at = listen_tcp("", 0);
    int before[3];
    for (size_t i = 0; i < ARRAY_LEN(before); i++) {
        before[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(connect(before[i], (struct sockaddr *)&at, sizeof(at)) == 0 ||
                    errno == EINPROGRESS);
    }
    assert_true(quickest_ms(0) < LATE_MS);
    for (size_t i = 0; i < ARRAY_LEN(before); i++)
        close(before[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_answer_that_trickles, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_greeting_that_trickles, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_connection_that_nobody_takes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The HTTP face over real sockets: answers now and later, refusals while reading, streams and their
 * back-pressure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/util.h"
#include "http/http.h"
#include "loop/thread.h"

#define BODY_MAX 4096

static struct loop *loop;
static struct http_server *server;
static pthread_t server_thread;
static int port;
static sem_t quiesced;

/* Counted by the server's thread, read after it was joined or under the stream's own events. */
static _Atomic int closed_contexts;

static void answer_text(struct http_exchange *x, int status, const char *text)
{
    struct http_answer answer = {
        .status = status, .content_type = "text/plain", .body = text, .size = strlen(text)
    };
    http_respond(x, &answer);
}

struct delayed {
    struct http_exchange *x;
    struct loop_timer *timer;
};

static void answer_later(void *arg)
{
    struct delayed *d = arg;
    loop_timer_free(d->timer);
    answer_text(d->x, 200, "later");
}

static void count_close(void *context)
{
    (void)context;
    closed_contexts++;
}

/* Writes until the server refuses more, then goes on as the connection drains: FLOOD_BYTES in all.
 */
#define FLOOD_BYTES (4 * 1024 * 1024)
struct flood {
    struct http_exchange *x;
    size_t sent;
    int refusals;
};

static void flood_on(void *context)
{
    struct flood *f = context;
    char chunk[8192];
    memset(chunk, 'x', sizeof(chunk));
    while (f->sent < FLOOD_BYTES) {
        if (!http_stream_write(f->x, chunk, sizeof(chunk))) {
            f->refusals++;
            return;
        }
        f->sent += sizeof(chunk);
    }
    http_stream_end(f->x);
}

static void on_request(void *ctx, struct http_exchange *x)
{
    (void)ctx;
    const char *path = http_path(x);
    size_t size;
    if (http_body_too_large(x)) {
        answer_text(x, 413, "too large");
    } else if (http_fault(x)) {
        answer_text(x, 400, http_fault(x));
    } else if (strcmp(path, "/later") == 0) {
        struct delayed *d = arena_new(http_arena(x), struct delayed);
        d->x = x;
        d->timer = loop_timer_new(loop, answer_later, d);
        loop_timer_start(d->timer, 5, 0);
    } else if (strcmp(path, "/echo") == 0) {
        const uint8_t *body = http_body(x, &size);
        answer_text(x, 200, arena_strndup(http_arena(x), size ? (const char *)body : "", size));
    } else if (strcmp(path, "/flood") == 0) {
        struct flood *f = arena_new(http_arena(x), struct flood);
        f->x = x;
        http_set_context(x, f, count_close);
        http_stream_start(x, "text/event-stream", flood_on);
        flood_on(f);
    } else {
        int count;
        const struct http_parameter *q = http_query(x, &count);
        answer_text(x, 200,
                    arena_printf(http_arena(x), "%s|%s=%s", path, count ? q[0].name : "",
                                 count ? q[0].value : ""));
    }
}

static void *serve(void *arg)
{
    loop_run(loop);
    return arg;
}

static int start_server(void **state)
{
    (void)state;
    assert_int_equal(loop_new(&loop), 0);
    struct http_options options = {
        .loop = loop,
        .address = "127.0.0.1:0",
        .body_bytes_max = BODY_MAX,
        .connections_max = 256,
        .on_request = on_request,
    };
    assert_int_equal(http_open(&server, &options), 0);
    port = http_port(server);
    return thread_start(&server_thread, "server", serve, NULL);
}

static void close_server(void *arg)
{
    (void)arg;
    http_close(server);
    loop_stop(loop);
}

static int stop_server(void **state)
{
    (void)state;
    loop_post(loop, close_server, NULL);
    pthread_join(server_thread, NULL);
    loop_free(loop);
    return 0;
}

static int connect_server(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval timeout = { .tv_sec = 10 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void send_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, text, size, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the server has cut a body that it refused */
        text += n;
        size -= (size_t)n;
    }
}

/* One whole exchange on its own connection; the response as text. */
static const char *exchange(const char *request, size_t size)
{
    static char response[65536];
    int fd = connect_server();
    send_all(fd, request, size);
    shutdown(fd, SHUT_WR);
    size_t at = 0;
    ssize_t n;
    while (at < sizeof(response) - 1 &&
           (n = recv(fd, response + at, sizeof(response) - 1 - at, 0)) > 0)
        at += (size_t)n;
    response[at] = '\0';
    close(fd);
    return response;
}

static const char *get(const char *target)
{
    char request[1024];
    int n = snprintf(request, sizeof(request),
                     "GET %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n", target);
    return exchange(request, (size_t)n);
}

static void assert_answer(const char *response, const char *status, const char *body)
{
    if (strncmp(response + 9, status, 3) != 0 || !strstr(response, body))
        fail_msg("wanted %s ... %s, got: %.300s", status, body, response);
}

static void answers_now_and_later(void **state)
{
    (void)state;
    assert_answer(get("/a"), "200", "/a|=");
    assert_answer(get("/later"), "200", "later");
}

static void decodes_strictly(void **state)
{
    (void)state;
    assert_answer(get("/a%20b?q=%E5%8E%86%E4%B8%8B"), "200", "/a b|q=历下");
    assert_answer(get("/x?q=a+b"), "200", "|q=a b");
    assert_answer(get("/x?q=a%2Bb"), "200", "|q=a+b");
    assert_answer(get("/x?&&q=1&"), "200", "|q=1");
    static const char *const bad[] = { "/x%00y", "/x%zz",   "/x?q=%00",
                                       "/x?q=%", "/x?q=%f", "/x?q=%ff%fe" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_answer(get(bad[i]), "400", "bad_escape");
}

static void refuses_headers_that_come_twice(void **state)
{
    (void)state;
    static const char *const repeated[] = {
        "Host: a\r\nHost: b",
        "Host: a\r\nAuthorization: Bearer x\r\nauthorization: Bearer y",
        "Host: a\r\nIdempotency-Key: x\r\nIdempotency-Key: y",
        "Host: a\r\nContent-Length: 0\r\nContent-Length: 0",
    };
    for (size_t i = 0; i < ARRAY_LEN(repeated); i++) {
        char request[512];
        int n =
            snprintf(request, sizeof(request), "POST /echo HTTP/1.1\r\n%s\r\n\r\n", repeated[i]);
        const char *response = exchange(request, (size_t)n);
        assert_answer(response, "400", "repeated_header");
        assert_non_null(strstr(response, "Connection: close"));
    }
}

/* Whoever sends far too much can finish, and then reads why it was not taken. */
static void hears_out_a_large_body_before_it_refuses(void **state)
{
    (void)state;
    static const char chunk[65536];
    const size_t size = 12 * 1024 * 1024;
    char request[256];
    int n = snprintf(request, sizeof(request),
                     "POST /echo HTTP/1.1\r\nHost: t\r\nConnection: close\r\n"
                     "Content-Length: %zu\r\n\r\n",
                     size);
    int fd = connect_server();
    assert_int_equal(send(fd, request, (size_t)n, MSG_NOSIGNAL), n);
    for (size_t sent = 0; sent < size;) {
        ssize_t more = send(fd, chunk, MIN(sizeof(chunk), size - sent), MSG_NOSIGNAL);
        assert_true(more > 0);
        sent += (size_t)more;
    }
    char response[4096] = { 0 };
    assert_true(recv(fd, response, sizeof(response) - 1, 0) > 0);
    assert_answer(response, "413", "");
    close(fd);
}

static void limits_bodies(void **state)
{
    (void)state;
    static char request[BODY_MAX + 1024];
    char body[BODY_MAX + 1];
    memset(body, 'b', sizeof(body));
    for (int over = 0; over <= 1; over++) {
        int n = snprintf(
            request, sizeof(request),
            "POST /echo HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: %d\r\n\r\n",
            BODY_MAX + over);
        memcpy(request + n, body, (size_t)(BODY_MAX + over));
        assert_answer(exchange(request, (size_t)(n + BODY_MAX + over)), over ? "413" : "200",
                      over ? "too large" : "bbbb");
    }
}

static void limits_chunked_bodies(void **state)
{
    (void)state;
    static char request[3 * BODY_MAX];
    int n = snprintf(request, sizeof(request),
                     "POST /echo HTTP/1.1\r\nHost: t\r\nConnection: close\r\nTransfer-Encoding: "
                     "chunked\r\n\r\n");
    for (int i = 0; i < 5; i++) {
        n += snprintf(request + n, sizeof(request) - (size_t)n, "400\r\n");
        memset(request + n, 'c', 1024);
        n += 1024;
        n += snprintf(request + n, sizeof(request) - (size_t)n, "\r\n");
    }
    n += snprintf(request + n, sizeof(request) - (size_t)n, "0\r\n\r\n");
    assert_answer(exchange(request, (size_t)n), "413", "too large");
}

static void keeps_connections_alive(void **state)
{
    (void)state;
    int fd = connect_server();
    char response[4096];
    for (int i = 0; i < 200; i++) {
        const char *request =
            i % 2 ? "GET /later HTTP/1.1\r\nHost: t\r\n\r\n" : "GET /k HTTP/1.1\r\nHost: t\r\n\r\n";
        send_all(fd, request, strlen(request));
        size_t at = 0;
        const char *wanted = i % 2 ? "\r\n\r\nlater" : "\r\n\r\n/k|=";
        do {
            ssize_t n = recv(fd, response + at, sizeof(response) - 1 - at, 0);
            assert_true(n > 0);
            at += (size_t)n;
            response[at] = '\0';
        } while (!strstr(response, wanted));
    }
    close(fd);
}

/* Connects before the server has a turn to take it, as a client does in the moment of a drain. */
static void connect_and_quiesce(void *arg)
{
    *(int *)arg = connect_server();
    http_quiesce(server);
    assert_int_equal(sem_post(&quiesced), 0);
}

/* The last of the tests: nobody comes in after it. */
static void quiesce_answers_those_it_has_and_refuses_newcomers(void **state)
{
    (void)state;
    int waiting = -1;
    char response[4096];
    size_t at = 0;
    assert_int_equal(sem_init(&quiesced, 0, 0), 0);
    loop_post(loop, connect_and_quiesce, &waiting);
    assert_int_equal(sem_wait(&quiesced), 0);

    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int newcomer = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(newcomer, (struct sockaddr *)&address, sizeof(address)), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(newcomer);

    const char *request = "GET /k HTTP/1.1\r\nHost: t\r\n\r\n";
    send_all(waiting, request, strlen(request));
    do {
        ssize_t n = recv(waiting, response + at, sizeof(response) - 1 - at, 0);
        assert_true(n > 0);
        at += (size_t)n;
        response[at] = '\0';
    } while (!strstr(response, "\r\n\r\n/k|="));
    close(waiting);
    sem_destroy(&quiesced);
}

static void streams_wait_for_slow_readers(void **state)
{
    (void)state;
    int before = closed_contexts;
    int fd = connect_server();
    const char *request = "GET /flood HTTP/1.1\r\nHost: t\r\n\r\n";
    send_all(fd, request, strlen(request));
    static char chunk[65536];
    size_t payload = 0;
    ssize_t n;
    while ((n = recv(fd, chunk, sizeof(chunk), 0)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            payload += chunk[i] == 'x';
        if (memmem(chunk, (size_t)n, "\r\n0\r\n\r\n", 7))
            break;
    }
    /* "text/event-stream" has an x of its own among the header fields */
    assert_true(payload >= FLOOD_BYTES && payload < FLOOD_BYTES + 16);
    close(fd);
    for (int i = 0; i < 1000 && closed_contexts == before; i++)
        get("/a"); /* turns of the loop */
    assert_int_equal(closed_contexts, before + 1);
}

static void a_reader_that_leaves_is_noticed(void **state)
{
    (void)state;
    int before = closed_contexts;
    int fd = connect_server();
    const char *request = "GET /flood HTTP/1.1\r\nHost: t\r\n\r\n";
    char some[1024];
    send_all(fd, request, strlen(request));
    assert_true(recv(fd, some, sizeof(some), 0) > 0);
    struct linger reset = { .l_onoff = 1 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
    for (int i = 0; i < 1000 && closed_contexts == before; i++)
        get("/a");
    assert_int_equal(closed_contexts, before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_now_and_later),
        cmocka_unit_test(decodes_strictly),
        cmocka_unit_test(refuses_headers_that_come_twice),
        cmocka_unit_test(hears_out_a_large_body_before_it_refuses),
        cmocka_unit_test(limits_bodies),
        cmocka_unit_test(limits_chunked_bodies),
        cmocka_unit_test(keeps_connections_alive),
        cmocka_unit_test(streams_wait_for_slow_readers),
        cmocka_unit_test(a_reader_that_leaves_is_noticed),
        cmocka_unit_test(quiesce_answers_those_it_has_and_refuses_newcomers),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}

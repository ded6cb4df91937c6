/* The server: the library's daemon under our loop, and the life of an exchange. */
#include "http/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/util.h"
#include "http/exchange.h"

#define HTTP_CONNECTION_POOL_BYTES                                                                 \
    (32 * 1024)                      /* headers; at 4 KiB a 5,000-byte header would be 431 */
#define HTTP_CONNECTION_TIMEOUT_S 75 /* idle keep-alive; suspended exchanges do not time out */

struct http_server {
    struct http_options options;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    struct loop_timer *timer;
    struct http_exchange *exchanges; /* open ones, doubly linked */
    int exchange_count;
    int port;
    bool running; /* inside MHD_run: a resume then needs another turn */
    bool again;
    bool quiesced; /* its listening socket is closed */
};

static void http_turn(void *arg);

/* Runs the library until it has nothing to do at once, and sets the timer for what it wants later.
 */
static void http_run(struct http_server *server)
{
    if (server->running) {
        server->again = true;
        return;
    }
    server->running = true;
    do {
        server->again = false;
        MHD_run(server->daemon);
    } while (server->again);
    server->running = false;

    MHD_UNSIGNED_LONG_LONG timeout_ms;
    if (MHD_get_timeout(server->daemon, &timeout_ms) == MHD_YES)
        loop_timer_start(server->timer, timeout_ms, 0);
    else
        loop_timer_stop(server->timer);
}

static void http_turn(void *arg)
{
    http_run(arg);
}

void http_kick(struct http_server *server)
{
    if (server->running)
        server->again = true;
    else
        loop_timer_start(server->timer, 0, 0);
}

static void http_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    http_run(poll->data);
}

static enum MHD_Result http_access(void *ctx, struct MHD_Connection *connection, const char *url,
                                   const char *method, const char *version, const char *upload,
                                   size_t *upload_size, void **slot)
{
    struct http_server *server = ctx;
    struct http_exchange *x = *slot;
    (void)version;

    if (!x) {
        x = exchange_new(server, connection, method, url, server->options.body_bytes_max);
        *slot = x;
        x->next = server->exchanges;
        if (x->next)
            x->next->previous = x;
        server->exchanges = x;
        server->exchange_count++;
        /* A body that announces itself far too large is answered before it is read. */
        return exchange_refuse_early(x) ? exchange_hand_over(x) : MHD_YES;
    }
    if (*upload_size > 0) {
        bool go_on = exchange_add_body(x, upload, *upload_size);
        *upload_size = 0;
        return go_on ? MHD_YES : MHD_NO;
    }
    return exchange_hand_over(x);
}

static void http_completed(void *ctx, struct MHD_Connection *connection, void **slot,
                           enum MHD_RequestTerminationCode code)
{
    struct http_server *server = ctx;
    struct http_exchange *x = *slot;
    (void)connection;
    (void)code;

    if (!x)
        return;
    *slot = NULL;
    if (x->previous)
        x->previous->next = x->next;
    else
        server->exchanges = x->next;
    if (x->next)
        x->next->previous = x->previous;
    server->exchange_count--;
    exchange_free(x);
}

void http_deliver(struct http_server *server, struct http_exchange *x)
{
    server->options.on_request(server->options.ctx, x);
}

/* Escapes stay as they came: we decode, strictly. */
static size_t http_keep_escapes(void *ctx, struct MHD_Connection *connection, char *text)
{
    (void)ctx;
    (void)connection;
    return strlen(text);
}

static int parse_address(const char *text, struct sockaddr_in *ret)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof(host))
        return err_set(ERR_INVALID_ARGUMENT, "address %s is not host:port", text);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';

    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    *ret = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    if (*end || end == colon + 1 || port > 65535 || inet_pton(AF_INET, host, &ret->sin_addr) != 1)
        return err_set(ERR_INVALID_ARGUMENT, "address %s is not host:port", text);
    return 0;
}

int http_open(struct http_server **ret, const struct http_options *options)
{
    struct sockaddr_in address;
    int r = parse_address(options->address, &address);
    if (r < 0)
        return r;

    struct http_server *server = calloc(1, sizeof(*server));
    assert_always(server);
    server->options = *options;
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, http_access, server,
        MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HTTP_CONNECTION_POOL_BYTES, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned int)options->connections_max, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned int)HTTP_CONNECTION_TIMEOUT_S, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u,
        MHD_OPTION_NOTIFY_COMPLETED, http_completed, server, MHD_OPTION_UNESCAPE_CALLBACK,
        http_keep_escapes, NULL, MHD_OPTION_END);
    if (!server->daemon) {
        r = err_errno(ERR_INTERNAL, errno, "listen on %s", options->address);
        free(server);
        return r;
    }

    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
    server->port = info ? info->port : 0;
    info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    assert_always(info && info->epoll_fd >= 0);
    uv_poll_init(loop_uv(options->loop), &server->poll, info->epoll_fd);
    server->poll.data = server;
    uv_poll_start(&server->poll, UV_READABLE, http_readable);
    server->timer = loop_timer_new(options->loop, http_turn, server);
    http_run(server);
    *ret = server;
    return 0;
}

int http_port(const struct http_server *server)
{
    return server->port;
}

int http_open_exchanges(const struct http_server *server)
{
    return server->exchange_count;
}

/* Connections that the kernel has taken for us are ours to answer; then the socket closes, so that
 * whoever comes is refused and turns elsewhere, instead of waiting for a reset. */
void http_quiesce(struct http_server *server)
{
    if (server->quiesced)
        return;
    server->quiesced = true;
    int listen_fd = MHD_quiesce_daemon(server->daemon);
    struct sockaddr_in from;
    socklen_t size = sizeof(from);
    int fd;
    while ((fd = accept4(listen_fd, (struct sockaddr *)&from, &size,
                         SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        MHD_add_connection(server->daemon, fd, (struct sockaddr *)&from, size);
        size = sizeof(from);
    }
    close(listen_fd);
    http_kick(server);
}

static void http_poll_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void http_close(struct http_server *server)
{
    /* The library forbids stopping with suspended connections. */
    for (struct http_exchange *x = server->exchanges; x; x = x->next)
        exchange_abandon(x);
    server->running = true; /* handlers that answer meanwhile only mark work */
    MHD_run(server->daemon);
    uv_poll_stop(&server->poll);
    loop_timer_free(server->timer);
    MHD_stop_daemon(server->daemon);
    uv_close((uv_handle_t *)&server->poll, http_poll_closed);
}

/* A thin face on the HTTP library: whole requests in, answers or streams out, on the loop thread.
 *
 * The library's epoll descriptor is polled from the loop; a request whose answer takes time is
 * suspended and resumed when it is there. Paths and queries are decoded strictly: a bad escape, a
 * NUL or bad UTF-8 never reaches a handler. */
#ifndef LUJIAN_HTTP_HTTP_H
#define LUJIAN_HTTP_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "loop/loop.h"

#define HTTP_QUERY_MAX 64 /* parameters of one request */
#define HTTP_STREAM_BYTES_MAX                                                                      \
    (256 * 1024) /* what may wait for a slow reader before writes are refused */

struct http_server;
struct http_exchange;

struct http_options {
    struct loop *loop;
    const char *address; /* "127.0.0.1:8080"; port 0 = any, see http_port */
    size_t body_bytes_max;
    int connections_max;
    /* The whole request is there. Answer now or later, exactly once: http_respond or
     * http_stream_start. */
    void (*on_request)(void *ctx, struct http_exchange *x);
    void *ctx;
};

int http_open(struct http_server **ret, const struct http_options *options);
int http_port(const struct http_server *server);
/* New connections are refused from here on; open exchanges and connections go on. */
void http_quiesce(struct http_server *server);
int http_open_exchanges(const struct http_server *server);
/* Ends every stream and exchange. */
void http_close(struct http_server *server);

struct arena *http_arena(struct http_exchange *x); /* lives as long as the exchange */
const char *http_method(const struct http_exchange *x);
const char *http_path(const struct http_exchange *x);                     /* decoded */
const char *http_header(const struct http_exchange *x, const char *name); /* NULL = absent */
const uint8_t *http_body(const struct http_exchange *x, size_t *ret_size);
/* The fault found while the request was read (a name for the log and the answer), or NULL. */
const char *http_fault(const struct http_exchange *x);
bool http_body_too_large(const struct http_exchange *x);

struct http_parameter {
    const char *name, *value; /* decoded */
};
const struct http_parameter *http_query(const struct http_exchange *x, int *ret_count);

void *http_context(const struct http_exchange *x);
/* `on_close` is called once when the exchange is over, however it ends. */
void http_set_context(struct http_exchange *x, void *context, void (*on_close)(void *context));

struct http_field {
    const char *name, *value;
};

struct http_answer {
    int status;
    const char *content_type; /* NULL where there is no body */
    const void *body;         /* copied */
    size_t size;
    const struct http_field *fields; /* more header fields; ends with a NULL name; or NULL */
};
void http_respond(struct http_exchange *x, const struct http_answer *answer);

/* A response without end (SSE). `on_drain` tells that what waited has been taken by the connection.
 */
void http_stream_start(struct http_exchange *x, const char *content_type,
                       void (*on_drain)(void *context));
/* False = too much waits already: the caller stops until on_drain. */
bool http_stream_write(struct http_exchange *x, const void *data, size_t size);
size_t http_stream_waiting(const struct http_exchange *x);
void http_stream_end(struct http_exchange *x);

#endif

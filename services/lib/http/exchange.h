/* One request and its answer, inside http/. */
#ifndef LUJIAN_HTTP_EXCHANGE_H
#define LUJIAN_HTTP_EXCHANGE_H

#include <microhttpd.h>

#include "base/buf.h"
#include "http/http.h"

enum exchange_state {
    EXCHANGE_READING,  /* the request is coming in */
    EXCHANGE_HANDED,   /* the handler has it; suspended once the library was told to wait */
    EXCHANGE_ANSWERED, /* the answer is there, not queued yet */
    EXCHANGE_QUEUED,   /* the library sends it */
};

struct http_exchange {
    struct http_server *server;
    struct MHD_Connection *connection;
    struct http_exchange *next, *previous;
    struct arena arena;
    enum exchange_state state;
    bool suspended;
    const char *method, *path;
    struct http_parameter query[HTTP_QUERY_MAX];
    int query_count;
    const char *fault;
    struct buf body;
    bool body_too_large;
    size_t dropped_bytes;
    struct MHD_Response *response;
    int status;

    bool streaming, stream_ended, stream_suspended;
    struct buf waiting; /* bytes of a stream that the connection has not taken */
    size_t waiting_at;
    void (*on_drain)(void *context);

    void *context;
    void (*on_close)(void *context);
};

struct http_exchange *exchange_new(struct http_server *server, struct MHD_Connection *connection,
                                   const char *method, const char *url, size_t body_bytes_max);
bool exchange_refuse_early(struct http_exchange *x);
/* False cuts the connection: the peer goes on sending what was refused. */
bool exchange_add_body(struct http_exchange *x, const char *data, size_t size);
enum MHD_Result exchange_hand_over(struct http_exchange *x);
void exchange_abandon(struct http_exchange *x);
void exchange_free(struct http_exchange *x);

/* http.c */
void http_kick(struct http_server *server);
void http_deliver(struct http_server *server, struct http_exchange *x);

#endif

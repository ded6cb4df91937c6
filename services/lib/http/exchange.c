/* The life of an exchange: read, handed over (and suspended), answered, sent; or streamed until it
 * ends. */
#include "http/exchange.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/utf8.h"
#include "base/util.h"

/* Of an oversized body, before the peer is cut: an answer that comes while he still sends is lost
 * on him more often than not, so what most people would try is read to its end. */
#define EXCHANGE_DROP_BYTES_MAX (64 * 1024 * 1024)

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decodes %XX; NULL on a bad escape, a NUL or bad UTF-8. */
static const char *decode(struct arena *arena, const char *text)
{
    size_t length = strlen(text);
    char *out = arena_alloc(arena, length + 1);
    size_t at = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] != '%') {
            out[at++] = text[i];
            continue;
        }
        int high = i + 2 < length + 1 && text[i + 1] ? hex_value(text[i + 1]) : -1;
        int low = high >= 0 ? hex_value(text[i + 2]) : -1;
        if (low < 0 || (high == 0 && low == 0))
            return NULL;
        out[at++] = (char)(high * 16 + low);
        i += 2;
    }
    out[at] = '\0';
    return utf8_check(out, at) ? out : NULL;
}

static enum MHD_Result add_parameter(void *ctx, enum MHD_ValueKind kind, const char *name,
                                     const char *value)
{
    struct http_exchange *x = ctx;
    (void)kind;
    if (!*name && !value)
        return MHD_YES; /* nothing stands between two &, or before the first */
    if (x->query_count == HTTP_QUERY_MAX) {
        x->fault = "too_many_parameters";
        return MHD_NO;
    }
    struct http_parameter *p = &x->query[x->query_count++];
    p->name = decode(&x->arena, name);
    p->value = decode(&x->arena, value ? value : "");
    if (!p->name || !p->value) {
        x->fault = "bad_escape";
        return MHD_NO;
    }
    return MHD_YES;
}

/* Of these the first would count here and the last, perhaps, for whoever stands in front of us. */
static const char *const single_headers[] = { "Host",          "Content-Length",  "Content-Type",
                                              "Authorization", "Idempotency-Key", "Last-Event-ID" };

struct header_count {
    const char *name;
    int count;
};

static enum MHD_Result count_header(void *ctx, enum MHD_ValueKind kind, const char *name,
                                    const char *value)
{
    struct header_count *counted = ctx;
    (void)kind;
    (void)value;
    counted->count += strcasecmp(name, counted->name) == 0;
    return MHD_YES;
}

static void check_headers(struct http_exchange *x)
{
    for (size_t i = 0; i < ARRAY_LEN(single_headers); i++) {
        struct header_count counted = { .name = single_headers[i] };
        MHD_get_connection_values(x->connection, MHD_HEADER_KIND, count_header, &counted);
        if (counted.count > 1)
            x->fault = "repeated_header";
    }
}

struct http_exchange *exchange_new(struct http_server *server, struct MHD_Connection *connection,
                                   const char *method, const char *url, size_t body_bytes_max)
{
    struct http_exchange *x = calloc(1, sizeof(*x));
    assert_always(x);
    x->server = server;
    x->connection = connection;
    arena_init(&x->arena, 0);
    buf_init(&x->body, body_bytes_max);
    buf_init(&x->waiting, 0);
    x->method = arena_strdup(&x->arena, method);
    x->path = decode(&x->arena, url);
    if (!x->path) {
        x->path = "";
        x->fault = "bad_escape";
    }
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_parameter, x);
    check_headers(x);
    return x;
}

bool exchange_refuse_early(struct http_exchange *x)
{
    const char *length = http_header(x, "Content-Length");
    unsigned long long size = length ? strtoull(length, NULL, 10) : 0;
    if (size > x->body.size_max)
        x->body_too_large = true;
    return size > EXCHANGE_DROP_BYTES_MAX;
}

bool exchange_add_body(struct http_exchange *x, const char *data, size_t size)
{
    if (!x->body_too_large) {
        buf_add(&x->body, data, size);
        if (!x->body.overflow)
            return true;
        x->body_too_large = true;
        buf_reset(&x->body);
    }
    x->dropped_bytes += size;
    return x->dropped_bytes <= EXCHANGE_DROP_BYTES_MAX;
}

static enum MHD_Result exchange_queue(struct http_exchange *x)
{
    x->state = EXCHANGE_QUEUED;
    enum MHD_Result r = MHD_queue_response(x->connection, (unsigned int)x->status, x->response);
    MHD_destroy_response(x->response);
    x->response = NULL;
    return r;
}

enum MHD_Result exchange_hand_over(struct http_exchange *x)
{
    if (x->state == EXCHANGE_READING) {
        x->state = EXCHANGE_HANDED;
        http_deliver(x->server, x);
    }
    if (x->state == EXCHANGE_ANSWERED)
        return exchange_queue(x);
    if (x->state == EXCHANGE_HANDED && !x->suspended) {
        x->suspended = true;
        MHD_suspend_connection(x->connection);
    }
    return MHD_YES;
}

static void exchange_resume(struct http_exchange *x)
{
    if (x->suspended) {
        x->suspended = false;
        MHD_resume_connection(x->connection);
        http_kick(x->server);
    }
}

static void exchange_answered(struct http_exchange *x, struct MHD_Response *response, int status)
{
    assert_always(x->state == EXCHANGE_HANDED);
    assert_always(response);
    x->response = response;
    x->status = status;
    x->state = EXCHANGE_ANSWERED;
    exchange_resume(x);
}

void http_respond(struct http_exchange *x, const struct http_answer *answer)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        answer->size, (void *)(uintptr_t)answer->body, MHD_RESPMEM_MUST_COPY);
    if (answer->content_type)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
    for (const struct http_field *f = answer->fields; f && f->name; f++)
        MHD_add_response_header(response, f->name, f->value);
    if (x->fault) /* where a request was not understood, nobody knows where the next one begins */
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    exchange_answered(x, response, answer->status);
}

static ssize_t stream_read(void *ctx, uint64_t position, char *out, size_t max)
{
    struct http_exchange *x = ctx;
    (void)position;
    size_t left = x->waiting.size - x->waiting_at;
    if (left == 0) {
        if (x->stream_ended)
            return MHD_CONTENT_READER_END_OF_STREAM;
        x->suspended = true;
        MHD_suspend_connection(x->connection);
        return 0;
    }
    size_t size = MIN(left, max);
    memcpy(out, x->waiting.data + x->waiting_at, size);
    x->waiting_at += size;
    if (x->waiting_at == x->waiting.size) {
        buf_reset(&x->waiting);
        x->waiting_at = 0;
        if (x->on_drain && !x->stream_ended)
            x->on_drain(x->context);
    }
    return (ssize_t)size;
}

void http_stream_start(struct http_exchange *x, const char *content_type,
                       void (*on_drain)(void *context))
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16 * 1024, stream_read, x, NULL);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Accel-Buffering", "no");
    x->streaming = true;
    x->on_drain = on_drain;
    exchange_answered(x, response, MHD_HTTP_OK);
}

size_t http_stream_waiting(const struct http_exchange *x)
{
    return x->waiting.size - x->waiting_at;
}

bool http_stream_write(struct http_exchange *x, const void *data, size_t size)
{
    if (x->stream_ended)
        return true;
    if (http_stream_waiting(x) > HTTP_STREAM_BYTES_MAX)
        return false;
    buf_add(&x->waiting, data, size);
    exchange_resume(x);
    return true;
}

void http_stream_end(struct http_exchange *x)
{
    x->stream_ended = true;
    exchange_resume(x);
}

void exchange_abandon(struct http_exchange *x)
{
    x->stream_ended = true;
    if (x->state == EXCHANGE_HANDED) {
        struct http_answer unavailable = { .status = MHD_HTTP_SERVICE_UNAVAILABLE };
        http_respond(x, &unavailable);
    }
    exchange_resume(x);
}

void exchange_free(struct http_exchange *x)
{
    if (x->on_close)
        x->on_close(x->context);
    if (x->response)
        MHD_destroy_response(x->response);
    buf_clear(&x->body);
    buf_clear(&x->waiting);
    arena_clear(&x->arena);
    free(x);
}

struct arena *http_arena(struct http_exchange *x)
{
    return &x->arena;
}

const char *http_method(const struct http_exchange *x)
{
    return x->method;
}

const char *http_path(const struct http_exchange *x)
{
    return x->path;
}

const char *http_header(const struct http_exchange *x, const char *name)
{
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

const uint8_t *http_body(const struct http_exchange *x, size_t *ret_size)
{
    *ret_size = x->body.size;
    return x->body.data;
}

const char *http_fault(const struct http_exchange *x)
{
    return x->fault;
}

bool http_body_too_large(const struct http_exchange *x)
{
    return x->body_too_large;
}

const struct http_parameter *http_query(const struct http_exchange *x, int *ret_count)
{
    *ret_count = x->query_count;
    return x->query;
}

void *http_context(const struct http_exchange *x)
{
    return x->context;
}

void http_set_context(struct http_exchange *x, void *context, void (*on_close)(void *context))
{
    x->context = context;
    x->on_close = on_close;
}

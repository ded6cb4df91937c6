/* Requests are cut as libmicrohttpd cuts them: a target at its `?`, a query at `&` and `=` with `+`
 * for a space and escapes left alone, header names without regard to case. */
#include "http_mock.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/util.h"
#include "http/exchange.h"

#define HEADERS_MAX 64
#define CHUNK_BYTES 1000
#define READS_MAX   1000

struct pair {
    char *name, *value;
};

struct MHD_Response {
    struct buf body;
    MHD_ContentReaderCallback reader;
    void *reader_ctx;
};

struct MHD_Connection {
    struct pair headers[HEADERS_MAX], query[2 * HTTP_QUERY_MAX];
    int header_count, query_count;
    bool suspended;
    struct mock_answer answer;
};

struct mock {
    struct arena arena;
    struct MHD_Connection connection;
    struct http_exchange *exchange;
    void (*on_request)(void *ctx, struct http_exchange *x);
};

static struct mock *current;

/* ---- what an exchange asks of the library and of http.c ---- */

void __wrap_http_kick(struct http_server *server);
void __wrap_http_deliver(struct http_server *server, struct http_exchange *x);

void __wrap_http_kick(struct http_server *server UNUSED)
{
}

void __wrap_http_deliver(struct http_server *server UNUSED, struct http_exchange *x)
{
    current->on_request(NULL, x);
}

int MHD_get_connection_values(struct MHD_Connection *connection, enum MHD_ValueKind kind,
                              MHD_KeyValueIterator iterator, void *ctx)
{
    bool query = kind == MHD_GET_ARGUMENT_KIND;
    const struct pair *pairs = query ? connection->query : connection->headers;
    int count = query ? connection->query_count : connection->header_count, at = 0;
    while (at < count && iterator(ctx, kind, pairs[at].name, pairs[at].value) == MHD_YES)
        at++;
    return at;
}

const char *MHD_lookup_connection_value(struct MHD_Connection *connection,
                                        enum MHD_ValueKind kind UNUSED, const char *name)
{
    for (int i = 0; i < connection->header_count; i++)
        if (strcasecmp(connection->headers[i].name, name) == 0)
            return connection->headers[i].value;
    return NULL;
}

struct MHD_Response *MHD_create_response_from_buffer(size_t size, void *data,
                                                     enum MHD_ResponseMemoryMode mode)
{
    struct MHD_Response *response = calloc(1, sizeof(*response));
    assert_always(response && mode == MHD_RESPMEM_MUST_COPY);
    buf_add(&response->body, data ? data : "", size);
    return response;
}

struct MHD_Response *MHD_create_response_from_callback(uint64_t size, size_t block UNUSED,
                                                       MHD_ContentReaderCallback reader, void *ctx,
                                                       MHD_ContentReaderFreeCallback done)
{
    struct MHD_Response *response = calloc(1, sizeof(*response));
    assert_always(response && size == MHD_SIZE_UNKNOWN && !done);
    response->reader = reader;
    response->reader_ctx = ctx;
    return response;
}

/* As the library takes it: no line end in a value, no empty value. */
enum MHD_Result MHD_add_response_header(struct MHD_Response *response UNUSED, const char *name,
                                        const char *value)
{
    assert_always(*name && *value && !strpbrk(name, "\r\n\t ") && !strpbrk(value, "\r\n"));
    return MHD_YES;
}

static void read_stream(struct MHD_Connection *connection, struct MHD_Response *response)
{
    char part[CHUNK_BYTES];
    ssize_t size = 0;
    for (int i = 0; i < READS_MAX && size >= 0 && !connection->suspended; i++) {
        size = response->reader(response->reader_ctx, response->body.size, part, sizeof(part));
        if (size > 0)
            buf_add(&response->body, part, (size_t)size);
    }
}

enum MHD_Result MHD_queue_response(struct MHD_Connection *connection, unsigned int status,
                                   struct MHD_Response *response)
{
    struct mock_answer *answer = &connection->answer;
    answer->count++;
    answer->status = (int)status;
    answer->stream = response->reader != NULL;
    if (response->reader)
        read_stream(connection, response);
    answer->size = response->body.size;
    answer->body = malloc(answer->size + 1);
    assert_always(answer->body);
    if (answer->size > 0)
        memcpy(answer->body, response->body.data, answer->size);
    return MHD_YES;
}

void MHD_destroy_response(struct MHD_Response *response)
{
    buf_clear(&response->body);
    free(response);
}

void MHD_suspend_connection(struct MHD_Connection *connection)
{
    assert_always(!connection->suspended);
    connection->suspended = true;
}

void MHD_resume_connection(struct MHD_Connection *connection)
{
    assert_always(connection->suspended);
    connection->suspended = false;
}

/* ---- the request ---- */

/* Cuts the text at the first of that character; what follows, or NULL. */
static char *cut(char *text, char at)
{
    char *found = text ? strchr(text, at) : NULL;
    if (found)
        *found++ = '\0';
    return found;
}

static void read_query(struct MHD_Connection *connection, char *query)
{
    while (query && connection->query_count < (int)ARRAY_LEN(connection->query)) {
        char *next = cut(query, '&');
        char *value = cut(query, '=');
        for (char *c = query; *c; c++)
            *c = *c == '+' ? ' ' : *c;
        for (char *c = value; c && *c; c++)
            *c = *c == '+' ? ' ' : *c;
        connection->query[connection->query_count++] = (struct pair){ query, value };
        query = next;
    }
}

static bool read_headers(struct MHD_Connection *connection, char *text)
{
    while (text && *text) {
        char *next = cut(text, '\n');
        char *value = cut(text, ':');
        if (!value || !*text || connection->header_count == HEADERS_MAX)
            return false;
        value += strspn(value, " \t");
        connection->headers[connection->header_count++] = (struct pair){ text, value };
        text = next;
    }
    return true;
}

/* Line ends are \n alone; a head with a NUL or \r in it never comes through the library. */
static bool read_head(struct mock *mock, char *head, char **ret_method, char **ret_path)
{
    char *headers = cut(head, '\n');
    char *target = cut(head, ' ');
    if (!target || !*head || *target != '/' || strpbrk(target, " \t"))
        return false;
    read_query(&mock->connection, cut(target, '?'));
    *ret_method = head;
    *ret_path = target;
    return read_headers(&mock->connection, headers);
}

static void hand_over(struct http_exchange *x, const uint8_t *body, size_t size)
{
    for (size_t at = 0; at < size; at += CHUNK_BYTES)
        if (!exchange_add_body(x, (const char *)body + at, MIN(size - at, (size_t)CHUNK_BYTES)))
            break;
    assert_always(exchange_hand_over(x) == MHD_YES);
}

struct mock *mock_begin(const uint8_t *data, size_t size, size_t body_bytes_max,
                        void (*on_request)(void *ctx, struct http_exchange *x))
{
    const uint8_t *end = size ? memmem(data, size, "\n\n", 2) : NULL;
    size_t head_size = end ? (size_t)(end - data) : size;
    size_t body_at = MIN(head_size + 2, size);
    char *method, *path;
    if (memchr(data, 0, head_size) || memchr(data, '\r', head_size))
        return NULL;
    struct mock *mock = calloc(1, sizeof(*mock));
    assert_always(mock);
    arena_init(&mock->arena, 0);
    mock->on_request = on_request;
    current = mock;
    char *head = arena_strndup(&mock->arena, (const char *)data, head_size);
    if (!read_head(mock, head, &method, &path)) {
        arena_clear(&mock->arena);
        free(mock);
        return NULL;
    }
    mock->exchange = exchange_new(NULL, &mock->connection, method, path, body_bytes_max);
    if (exchange_refuse_early(mock->exchange))
        assert_always(exchange_hand_over(mock->exchange) == MHD_YES);
    else
        hand_over(mock->exchange, data + body_at, size - body_at);
    return mock;
}

struct mock_answer mock_end(struct mock *mock)
{
    if (mock->exchange->state == EXCHANGE_ANSWERED)
        assert_always(exchange_hand_over(mock->exchange) == MHD_YES);
    exchange_free(mock->exchange);
    struct mock_answer answer = mock->connection.answer;
    arena_clear(&mock->arena);
    free(mock);
    return answer;
}

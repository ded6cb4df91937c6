/* The HTTP library below an exchange, in memory: one connection, one request, one answer. */
#ifndef LUJIAN_TESTS_FUZZ_HTTP_MOCK_H
#define LUJIAN_TESTS_FUZZ_HTTP_MOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_exchange;
struct mock;

struct mock_answer {
    int count; /* of answers that were queued */
    int status;
    bool stream;
    uint8_t *body; /* free() */
    size_t size;
};

/* Hands the request over; NULL where the library itself would have refused its bytes. */
struct mock *mock_begin(const uint8_t *data, size_t size, size_t body_bytes_max,
                        void (*on_request)(void *ctx, struct http_exchange *x));
/* Takes the answer, which must be there, and ends the exchange. */
struct mock_answer mock_end(struct mock *mock);

#endif

/* Growing byte buffer with a limit. */
#ifndef LUJIAN_BASE_BUF_H
#define LUJIAN_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    uint8_t *data; /* always NUL-terminated behind `size` once anything was added */
    size_t size;
    size_t capacity;
    size_t size_max; /* 0 = none */
    bool overflow;   /* an addition was refused; sticky */
};

void buf_init(struct buf *b, size_t size_max);
void buf_clear(struct buf *b);
void buf_reset(struct buf *b);
void buf_add(struct buf *b, const void *data, size_t size);
void buf_add_text(struct buf *b, const char *text);
void buf_add_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The contents as a C string; "" when empty. */
const char *buf_text(const struct buf *b);

#endif

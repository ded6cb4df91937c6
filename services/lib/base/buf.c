/* Growing byte buffer with a limit: an addition that would pass it is refused whole, and that is
 * remembered. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/util.h"

#define BUF_CAPACITY_FIRST ((size_t)256)

void buf_init(struct buf *b, size_t size_max)
{
    *b = (struct buf){ .size_max = size_max };
}

void buf_clear(struct buf *b)
{
    free(b->data);
    buf_init(b, b->size_max);
}

void buf_reset(struct buf *b)
{
    b->size = 0;
    b->overflow = false;
    if (b->data)
        b->data[0] = '\0';
}

/* Room for `size` more bytes and the NUL behind them; false when the limit forbids it. */
static bool reserve(struct buf *b, size_t size)
{
    assert_always(size < PTRDIFF_MAX / 2 && b->size < PTRDIFF_MAX / 2);
    if (b->overflow || (b->size_max && size > b->size_max - b->size)) {
        b->overflow = true;
        return false;
    }
    size_t wanted = b->size + size + 1;
    if (wanted <= b->capacity)
        return true;
    size_t capacity = MAX(b->capacity * 2, BUF_CAPACITY_FIRST);
    capacity = MAX(capacity, wanted);
    if (b->size_max)
        capacity = MIN(capacity, b->size_max + 1);
    b->data = realloc(b->data, capacity);
    assert_always(b->data);
    b->capacity = capacity;
    return true;
}

void buf_add(struct buf *b, const void *data, size_t size)
{
    if (!reserve(b, size))
        return;
    if (size)
        memcpy(b->data + b->size, data, size);
    b->size += size;
    b->data[b->size] = '\0';
}

void buf_add_text(struct buf *b, const char *text)
{
    buf_add(b, text, strlen(text));
}

void buf_add_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    assert_always(length >= 0);
    if (reserve(b, (size_t)length)) {
        vsnprintf((char *)b->data + b->size, (size_t)length + 1, format, args);
        b->size += (size_t)length;
    }
    va_end(args);
}

const char *buf_text(const struct buf *b)
{
    return b->data ? (const char *)b->data : "";
}

/* Protobuf bytes by hand, for tests: also what no encoder would write. */
#ifndef LUJIAN_WIRE_TESTS_BYTES_H
#define LUJIAN_WIRE_TESTS_BYTES_H

#include <string.h>

#include "base/buf.h"

static inline void put_varint(struct buf *b, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        buf_add_char(b, (char)((value & 0x7f) | 0x80));
    buf_add_char(b, (char)value);
}

static inline void put_tag(struct buf *b, uint32_t number, uint32_t wire_type)
{
    put_varint(b, (uint64_t)number << 3 | wire_type);
}

static inline void put_number(struct buf *b, uint32_t number, uint64_t value)
{
    put_tag(b, number, 0);
    put_varint(b, value);
}

static inline void put_bytes(struct buf *b, uint32_t number, const void *data, size_t size)
{
    put_tag(b, number, 2);
    put_varint(b, size);
    buf_add(b, data, size);
}

static inline void put_text(struct buf *b, uint32_t number, const char *text)
{
    put_bytes(b, number, text, strlen(text));
}

#endif

/* Arrays in the binary form of array_recv: a header, then each element's length and bytes, in the
 * order of the network. The server takes them as they are, where it would read a literal character
 * by character, twice. */
#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>

#include "pg/pg_inside.h"

#include "base/sha.h"
#include "base/util.h"

/* Object ids of pg_type, which never change. */
enum {
    TYPE_BOOL = 16,
    TYPE_BYTEA = 17,
    TYPE_INT8 = 20,
    TYPE_INT2 = 21,
    TYPE_INT4 = 23,
    TYPE_TEXT = 25,
    TYPE_UUID = 2950,
};

struct header {
    uint32_t dimensions, has_null, type, count, lower_bound;
};

unsigned pg_column_type(const struct pg_query *query, int k)
{
    static const struct {
        const char *name;
        unsigned type;
    } types[] = {
        { "boolean[]", TYPE_BOOL },  { "bytea[]", TYPE_BYTEA },  { "bigint[]", TYPE_INT8 },
        { "smallint[]", TYPE_INT2 }, { "integer[]", TYPE_INT4 }, { "int[]", TYPE_INT4 },
        { "text[]", TYPE_TEXT },     { "uuid[]", TYPE_UUID },
    };
    char cast[16];
    snprintf(cast, sizeof(cast), "$%d::", k + 1);
    const char *at = strstr(query->sql, cast);
    at = at ? at + strlen(cast) : "";
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (strncmp(at, types[i].name, strlen(types[i].name)) == 0)
            return types[i].type;
    }
    assert_always(!"a gathered statement says what each of its arrays holds");
}

void pg_column_init(struct pg_column *c, unsigned type)
{
    *c = (struct pg_column){ .type = type };
    buf_init(&c->bytes, 0);
    buf_add(&c->bytes, &(struct header){ 0 }, sizeof(struct header)); /* written at the end */
}

void pg_column_clear(struct pg_column *c)
{
    buf_clear(&c->bytes);
}

static void add(struct pg_column *c, const void *data, size_t size)
{
    uint32_t length = htonl((uint32_t)size);
    buf_add(&c->bytes, &length, sizeof(length));
    buf_add(&c->bytes, data, size);
}

static bool add_int(struct pg_column *c, int64_t value)
{
    uint16_t two = htobe16((uint16_t)value);
    uint32_t four = htobe32((uint32_t)value);
    uint64_t eight = htobe64((uint64_t)value);
    switch (c->type) {
    case TYPE_INT2:
        add(c, &two, sizeof(two));
        return value == (int16_t)value;
    case TYPE_INT4:
        add(c, &four, sizeof(four));
        return value == (int32_t)value;
    case TYPE_INT8:
        add(c, &eight, sizeof(eight));
        return true;
    default:
        return false;
    }
}

static bool add_uuid(struct pg_column *c, const char *text)
{
    enum { BYTES = 16, TEXT = 36 };
    uint8_t bytes[BYTES];
    char digits[2 * BYTES + 1];
    int count = 0;
    for (int i = 0; i < TEXT; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (!text[i] || dash != (text[i] == '-'))
            return false;
        if (!dash)
            digits[count++] = text[i];
    }
    digits[count] = '\0';
    if (text[TEXT] || !hex_decode(digits, bytes, BYTES))
        return false;
    add(c, bytes, BYTES);
    return true;
}

static bool add_value(struct pg_column *c, const struct pg_param *p)
{
    uint32_t null = htonl(UINT32_MAX);
    uint8_t truth = p->integer != 0;
    switch (p->kind) {
    case PG_KIND_NULL:
        c->has_null = true;
        buf_add(&c->bytes, &null, sizeof(null));
        return true;
    case PG_KIND_INT:
        return add_int(c, p->integer);
    case PG_KIND_BOOL:
        add(c, &truth, sizeof(truth));
        return c->type == TYPE_BOOL;
    case PG_KIND_BINARY:
        add(c, p->data, (size_t)p->length);
        return c->type == TYPE_BYTEA;
    case PG_KIND_TEXT:
        if (c->type == TYPE_UUID)
            return add_uuid(c, p->data);
        add(c, p->data, (size_t)p->length);
        return c->type == TYPE_TEXT;
    }
    return false;
}

int pg_column_add(struct pg_column *c, const struct pg_param *p)
{
    c->count++;
    return add_value(c, p) ? 0 : ERR_INTERNAL;
}

struct pg_param pg_column_param(struct pg_column *c)
{
    const struct header header = {
        .dimensions = htonl(1),
        .has_null = htonl(c->has_null),
        .type = htonl(c->type),
        .count = htonl(c->count),
        .lower_bound = htonl(1),
    };
    memcpy(c->bytes.data, &header, sizeof(header));
    return pg_bytes(c->bytes.data, c->bytes.size);
}

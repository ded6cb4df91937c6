/* Parameters and array literals. Most go in text form, so that the server's own input functions
 * check them. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pg/pg_inside.h"

#include "base/sha.h"

struct pg_param pg_text(const char *text)
{
    if (!text)
        return pg_null();
    return (struct pg_param){ .kind = PG_KIND_TEXT, .data = text, .length = (int)strlen(text) };
}

struct pg_param pg_code(const char *text)
{
    return text && *text ? pg_text(text) : pg_null();
}

struct pg_param pg_int(int64_t value)
{
    return (struct pg_param){ .kind = PG_KIND_INT, .integer = value };
}

struct pg_param pg_bool(bool value)
{
    return (struct pg_param){ .kind = PG_KIND_BOOL, .integer = value };
}

struct pg_param pg_bytes(const void *data, size_t size)
{
    assert_always(size <= INT32_MAX);
    return (
        struct pg_param){ .kind = PG_KIND_BINARY, .data = data ? data : "", .length = (int)size };
}

struct pg_param pg_null(void)
{
    return (struct pg_param){ .kind = PG_KIND_NULL };
}

const char *pg_param_value(const struct pg_param *p, char room[PG_PARAM_TEXT_SIZE], int *ret_length)
{
    *ret_length = p->length;
    switch (p->kind) {
    case PG_KIND_TEXT:
    case PG_KIND_BINARY:
        return p->data;
    case PG_KIND_INT:
        *ret_length = snprintf(room, PG_PARAM_TEXT_SIZE, "%" PRId64, p->integer);
        return room;
    case PG_KIND_BOOL:
        *ret_length = 1;
        return p->integer ? "t" : "f";
    case PG_KIND_NULL:
        break;
    }
    return NULL;
}

struct pg_param pg_instant(int64_t instant_ms)
{
    return instant_ms ? pg_int(instant_ms) : pg_null();
}

static void add_hex(struct buf *out, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    char text[2 * 256 + 1];
    for (size_t done = 0; done < size;) {
        size_t n = size - done < 256 ? size - done : 256;
        hex_encode(bytes + done, n, text);
        buf_add(out, text, 2 * n);
        done += n;
    }
}

void pg_param_literal(const struct pg_param *p, struct buf *out)
{
    char room[PG_PARAM_TEXT_SIZE];
    int length;
    const char *value = pg_param_value(p, room, &length);
    if (!value) {
        buf_add_text(out, "NULL");
        return;
    }
    /* standard_conforming_strings is pinned on: in '...' only the quote itself is special. */
    buf_add_char(out, '\'');
    if (p->kind == PG_KIND_BINARY) {
        buf_add_text(out, "\\x");
        add_hex(out, value, (size_t)length);
    } else {
        for (const char *quote; (quote = strchr(value, '\'')); value = quote + 1) {
            buf_add(out, value, (size_t)(quote - value));
            buf_add_text(out, "''");
        }
        buf_add_text(out, value);
    }
    buf_add_char(out, '\'');
}

void pg_array_init(struct pg_array *a)
{
    buf_init(&a->text, 0);
    a->count = 0;
}

void pg_array_clear(struct pg_array *a)
{
    buf_clear(&a->text);
    a->count = 0;
}

/* Invariant: a literal with elements is always closed by its '}', which the next element takes the
 * place of. */
static void element_begin(struct pg_array *a)
{
    if (a->count++ == 0) {
        buf_add_char(&a->text, '{');
        return;
    }
    assert_always(a->text.size && a->text.data[a->text.size - 1] == '}');
    a->text.data[a->text.size - 1] = ',';
}

static void element_end(struct pg_array *a)
{
    buf_add_char(&a->text, '}');
}

void pg_array_add_text(struct pg_array *a, const char *text)
{
    element_begin(a);
    if (text) {
        buf_add_char(&a->text, '"');
        for (;;) {
            size_t plain = strcspn(text, "\"\\");
            buf_add(&a->text, text, plain);
            text += plain;
            if (!*text)
                break;
            buf_add_char(&a->text, '\\');
            buf_add_char(&a->text, *text++);
        }
        buf_add_char(&a->text, '"');
    } else {
        buf_add_text(&a->text, "NULL");
    }
    element_end(a);
}

void pg_array_add_int(struct pg_array *a, int64_t value)
{
    element_begin(a);
    buf_printf(&a->text, "%" PRId64, value);
    element_end(a);
}

void pg_array_add_bool(struct pg_array *a, bool value)
{
    element_begin(a);
    buf_add_char(&a->text, value ? 't' : 'f');
    element_end(a);
}

void pg_array_add_bytes(struct pg_array *a, const void *data, size_t size)
{
    element_begin(a);
    buf_add_text(&a->text, "\"\\\\x"); /* "\\x..." in the literal is \x... in the element */
    add_hex(&a->text, data, size);
    buf_add_char(&a->text, '"');
    element_end(a);
}

struct pg_param pg_array_param(struct pg_array *a)
{
    return pg_text(a->count ? buf_text(&a->text) : "{}");
}

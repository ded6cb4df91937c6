/* A message written as JSON: every field, in the order of its descriptor. */
#include "json/json.h"

#include <inttypes.h>
#include <string.h>

#include "base/time.h"
#include "base/utf8.h"
#include "wire/walk.h"
#include "json/base64.h"
#include "json/lex.h"

static void add_escaped(struct buf *out, unsigned char c)
{
    switch (c) {
    case '"':
        buf_add_text(out, "\\\"");
        return;
    case '\\':
        buf_add_text(out, "\\\\");
        return;
    case '\n':
        buf_add_text(out, "\\n");
        return;
    case '\r':
        buf_add_text(out, "\\r");
        return;
    case '\t':
        buf_add_text(out, "\\t");
        return;
    default:
        buf_printf(out, "\\u%04x", c);
        return;
    }
}

/* Text that is UTF-8. */
static void add_text(struct buf *out, const char *text, size_t length)
{
    const char *end = text + length;
    while (text < end) {
        const char *p = text;
        while (p < end && !lex_special[(unsigned char)*p])
            p++;
        buf_add(out, text, (size_t)(p - text));
        if (p < end)
            add_escaped(out, (unsigned char)*p++);
        text = p;
    }
}

void json_add_string(struct buf *out, const char *text)
{
    size_t length = text ? strlen(text) : 0;
    buf_add_char(out, '"');
    if (utf8_check(text, length)) {
        add_text(out, text, length);
    } else {
        for (size_t i = 0; i < length;) {
            uint32_t code;
            size_t used = utf8_decode(text + i, length - i, &code);
            if (used)
                add_text(out, text + i, used);
            else
                buf_add_text(out, "\xef\xbf\xbd");
            i += used ? used : 1;
        }
    }
    buf_add_char(out, '"');
}

/* Text that needs no escapes, between quotes. */
static void add_plain(struct buf *out, const char *text)
{
    buf_add_char(out, '"');
    buf_add_text(out, text);
    buf_add_char(out, '"');
}

static void add_instant(struct buf *out, int64_t instant)
{
    char text[TIME_TEXT_SIZE];
    if (instant == 0) {
        buf_add_text(out, "null");
        return;
    }
    instant_format(instant, text);
    add_plain(out, text);
}

/* A value that no name was given to is not the caller's: it shows as none. */
static void add_enum(struct buf *out, const struct field_rule *rule, int value)
{
    const char *name = rule->enum_names[0];
    for (int i = 0; rule->enum_names[i]; i++) {
        if (i == value && *rule->enum_names[i])
            name = rule->enum_names[i];
    }
    add_plain(out, name);
}

static void add_value(struct buf *out, const ProtobufCFieldDescriptor *field,
                      const struct field_rule *rule, const void *at)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_MESSAGE: {
        const ProtobufCMessage *inner = *(const ProtobufCMessage *const *)at;
        if (inner)
            json_from_message(rule->message, inner, out);
        else
            buf_add_text(out, "null");
        return;
    }
    case PROTOBUF_C_TYPE_STRING:
        json_add_string(out, *(const char *const *)at);
        return;
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *bytes = at;
        buf_add_char(out, '"');
        base64_add(out, bytes->data, bytes->len);
        buf_add_char(out, '"');
        return;
    }
    case PROTOBUF_C_TYPE_BOOL:
        buf_add_text(out, *(const protobuf_c_boolean *)at ? "true" : "false");
        return;
    case PROTOBUF_C_TYPE_ENUM:
        add_enum(out, rule, *(const int *)at);
        return;
    case PROTOBUF_C_TYPE_UINT32:
        buf_printf(out, "%" PRIu32, *(const uint32_t *)at);
        return;
    case PROTOBUF_C_TYPE_INT32:
        buf_printf(out, "%" PRId32, *(const int32_t *)at);
        return;
    case PROTOBUF_C_TYPE_UINT64:
        buf_printf(out, "\"%" PRIu64 "\"", *(const uint64_t *)at);
        return;
    default:
        if (rule->instant)
            add_instant(out, *(const int64_t *)at);
        else
            buf_printf(out, "\"%" PRId64 "\"", *(const int64_t *)at);
        return;
    }
}

static void add_array(struct buf *out, const ProtobufCFieldDescriptor *field,
                      const struct field_rule *rule, const char *items, size_t count)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_add_char(out, ',');
        add_value(out, field, rule, items + i * walk_item_size(field));
    }
    buf_add_char(out, ']');
}

void json_from_message(const struct message_rules *rules, const ProtobufCMessage *message,
                       struct buf *out)
{
    const char *base = (const char *)message;
    const ProtobufCMessageDescriptor *descriptor = rules->descriptor;
    buf_add_char(out, '{');
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const void *at = base + field->offset;
        const void *quantifier = base + field->quantifier_offset;
        buf_add_text(out, i > 0 ? ",\"" : "\"");
        buf_add_text(out, field->name);
        buf_add_text(out, "\":");
        if (walk_is_repeated(field))
            add_array(out, field, &rules->fields[i], *(const char *const *)at,
                      *(const size_t *)quantifier);
        else if (walk_is_oneof(field) && *(const uint32_t *)quantifier != field->id)
            buf_add_text(out, "null");
        else
            add_value(out, field, &rules->fields[i], at);
    }
    buf_add_char(out, '}');
}

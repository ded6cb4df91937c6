/* JSON read straight into a message: the descriptor says what may come next, so nothing unknown is
 * ever entered and recursion goes no deeper than the contract's types. */
#include "json/json.h"

#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "base/utf8.h"
#include "base/util.h"
#include "wire/walk.h"
#include "json/base64.h"
#include "json/lex.h"

#define NAME_MAX_SIZE 64 /* of a field or an enum value, with its NUL */
#define ITEMS_FIRST   8

struct reader {
    struct lex lex;
    struct arena *arena;
    struct walk walk;
};

static int read_object(struct reader *rd, const struct message_rules *rules,
                       ProtobufCMessage *message);

/* Where a value is: for faults. */
struct place {
    const ProtobufCFieldDescriptor *field;
    const struct field_rule *rule;
    size_t index;
};

static int refuse(struct reader *rd, const struct place *p, const char *reason)
{
    return walk_fault(&rd->walk, p->field, p->index, reason);
}

static int refuse_here(struct reader *rd, const char *reason)
{
    return walk_fault(&rd->walk, NULL, WALK_NO_INDEX, reason);
}

/* An unknown key is named to the caller when it looks like a name; anything else might be data. */
static int refuse_unknown(struct reader *rd, const char *name)
{
    if (!*name || strspn(name, "abcdefghijklmnopqrstuvwxyz_") != strlen(name))
        return refuse_here(rd, "unknown_field");
    ProtobufCFieldDescriptor named = { .name = name };
    return walk_fault(&rd->walk, &named, WALK_NO_INDEX, "unknown_field");
}

/* Digits only, in their shortest form; `negative` and `magnitude` because the target's range is not
 * known here. */
static const char *parse_integer(const char *text, size_t length, bool *negative,
                                 uint64_t *magnitude)
{
    *negative = length > 0 && *text == '-';
    const char *digits = text + *negative;
    size_t count = length - *negative;
    if (count == 0 || (count > 1 && *digits == '0'))
        return "bad_type";
    uint64_t value = 0;
    bool overflow = false;
    for (size_t i = 0; i < count; i++) {
        if (digits[i] < '0' || digits[i] > '9')
            return "bad_type";
        overflow = overflow || __builtin_mul_overflow(value, UINT64_C(10), &value) ||
                   __builtin_add_overflow(value, (uint64_t)(digits[i] - '0'), &value);
    }
    *magnitude = value;
    return overflow ? "out_of_range" : NULL;
}

/* The number's characters: of a string where the type is so wide that a JSON number would lose
 * digits. */
static const char *number_text(struct reader *rd, bool wide, const char **ret_text,
                               size_t *ret_length)
{
    char next = lex_peek(&rd->lex);
    if (next == '"' && wide) {
        char *text;
        const char *reason = lex_string(&rd->lex, rd->arena, &text, ret_length);
        *ret_text = reason ? NULL : text;
        return reason;
    }
    if (next != '-' && (next < '0' || next > '9'))
        return "bad_type";
    return lex_number(&rd->lex, ret_text, ret_length);
}

static const char *read_integer(struct reader *rd, const ProtobufCFieldDescriptor *field, void *at)
{
    bool is_64 = field->type == PROTOBUF_C_TYPE_INT64 || field->type == PROTOBUF_C_TYPE_UINT64;
    bool is_signed = field->type == PROTOBUF_C_TYPE_INT64 || field->type == PROTOBUF_C_TYPE_INT32;
    const char *text;
    size_t length;
    bool negative;
    uint64_t magnitude;
    const char *reason = number_text(rd, is_64, &text, &length);
    if (!reason)
        reason = parse_integer(text, length, &negative, &magnitude);
    if (reason)
        return reason;

    uint64_t max = is_64 ? UINT64_MAX : UINT32_MAX;
    if (is_signed)
        max = (max >> 1) + negative;
    else if (negative)
        max = 0;
    if (magnitude > max)
        return "out_of_range";
    uint64_t bits = negative ? -magnitude : magnitude;
    if (is_64)
        *(uint64_t *)at = bits;
    else
        *(uint32_t *)at = (uint32_t)bits;
    return NULL;
}

static const char *read_instant(struct reader *rd, int64_t *ret)
{
    char text[NAME_MAX_SIZE];
    bool fits;
    if (lex_peek(&rd->lex) != '"')
        return "bad_type";
    const char *reason = lex_short_string(&rd->lex, text, sizeof(text), &fits);
    if (reason)
        return reason;
    return fits && instant_parse(text, ret) == 0 ? NULL : "bad_pattern";
}

static const char *read_enum(struct reader *rd, const struct field_rule *rule, int *ret)
{
    char name[NAME_MAX_SIZE];
    bool fits;
    if (lex_peek(&rd->lex) != '"')
        return "bad_type";
    const char *reason = lex_short_string(&rd->lex, name, sizeof(name), &fits);
    if (reason)
        return reason;
    for (int value = 0; *name && rule->enum_names[value]; value++) {
        if (!strcmp(rule->enum_names[value], name)) {
            *ret = value;
            return NULL;
        }
    }
    return "unknown_enum";
}

static const char *read_bool(struct reader *rd, protobuf_c_boolean *ret)
{
    bool yes = lex_word(&rd->lex, "true");
    if (!yes && !lex_word(&rd->lex, "false"))
        return "bad_type";
    *ret = yes;
    return NULL;
}

static const char *read_bytes(struct reader *rd, ProtobufCBinaryData *ret)
{
    char *text;
    size_t length;
    const char *reason = lex_string(&rd->lex, rd->arena, &text, &length);
    if (reason)
        return reason;
    /* Decoded in place: it never grows. */
    if (!base64_decode(text, length, (uint8_t *)text, &ret->len))
        return "bad_pattern";
    ret->data = (uint8_t *)text;
    return NULL;
}

static const char *read_scalar(struct reader *rd, const struct place *p, void *at)
{
    size_t length;
    switch (p->field->type) {
    case PROTOBUF_C_TYPE_STRING:
        return lex_string(&rd->lex, rd->arena, at, &length);
    case PROTOBUF_C_TYPE_BYTES:
        return read_bytes(rd, at);
    case PROTOBUF_C_TYPE_BOOL:
        return read_bool(rd, at);
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(rd, p->rule, at);
    default:
        return p->rule->instant ? read_instant(rd, at) : read_integer(rd, p->field, at);
    }
}

/* One value that is not null into its member. */
static int read_value(struct reader *rd, const struct place *p, void *at)
{
    if (!lex_peek(&rd->lex))
        return refuse(rd, p, "malformed");
    if (p->field->type != PROTOBUF_C_TYPE_MESSAGE) {
        const char *reason = read_scalar(rd, p, at);
        return reason ? refuse(rd, p, reason) : 0;
    }
    if (lex_peek(&rd->lex) != '{')
        return refuse(rd, p, "bad_type");
    ProtobufCMessage *inner =
        arena_try_alloc(rd->arena, p->rule->message->descriptor->sizeof_message);
    if (!inner)
        return refuse(rd, p, "too_long");
    protobuf_c_message_init(p->rule->message->descriptor, inner);
    int r = walk_enter(&rd->walk, p->field, p->index);
    if (r < 0)
        return r;
    r = read_object(rd, p->rule->message, inner);
    if (r < 0)
        return r;
    walk_leave(&rd->walk);
    *(ProtobufCMessage **)at = inner;
    return 0;
}

/* Room for one more item; the old room is left to the arena. */
static bool items_grow(struct reader *rd, size_t item_size, size_t count, size_t *capacity,
                       char **items)
{
    if (count < *capacity)
        return true;
    size_t wanted = *capacity ? *capacity * 2 : ITEMS_FIRST;
    char *grown = arena_try_alloc(rd->arena, wanted * item_size);
    if (!grown)
        return false;
    if (count)
        memcpy(grown, *items, count * item_size);
    *items = grown;
    *capacity = wanted;
    return true;
}

static int read_array(struct reader *rd, struct place p, void *at, size_t *ret_count)
{
    size_t item_size = walk_item_size(p.field);
    size_t count = 0, capacity = 0;
    char *items = NULL;
    if (!lex_take(&rd->lex, '['))
        return refuse(rd, &p, "bad_type");
    if (!lex_take(&rd->lex, ']')) {
        do {
            if (count == p.rule->items_max)
                return refuse(rd, &p, "too_many");
            if (!items_grow(rd, item_size, count, &capacity, &items))
                return refuse(rd, &p, "too_long");
            struct place item = { p.field, p.rule, count };
            int r = read_value(rd, &item, items + count * item_size);
            if (r < 0)
                return r;
            count++;
        } while (lex_take(&rd->lex, ','));
        if (!lex_take(&rd->lex, ']'))
            return refuse(rd, &p, "malformed");
    }
    *(char **)at = items;
    *ret_count = count;
    return 0;
}

/* Behind a key's colon. */
static int read_member(struct reader *rd, const struct place *p, ProtobufCMessage *message)
{
    char *at = (char *)message + p->field->offset;
    void *quantifier = (char *)message + p->field->quantifier_offset;
    if (lex_word(&rd->lex, "null"))
        return 0;
    if (walk_is_repeated(p->field))
        return read_array(rd, *p, at, quantifier);
    if (walk_is_oneof(p->field)) {
        uint32_t *which = quantifier;
        if (*which)
            return refuse(rd, p, "malformed");
        *which = p->field->id;
    }
    return read_value(rd, p, at);
}

static int read_object(struct reader *rd, const struct message_rules *rules,
                       ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = rules->descriptor;
    uint64_t seen = 0;
    if (!lex_take(&rd->lex, '{'))
        return refuse_here(rd, lex_peek(&rd->lex) ? "bad_type" : "malformed");
    if (lex_take(&rd->lex, '}'))
        return 0;
    do {
        char name[NAME_MAX_SIZE];
        bool fits;
        const char *reason = lex_short_string(&rd->lex, name, sizeof(name), &fits);
        if (reason)
            return refuse_here(rd, reason);
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field_by_name(descriptor, name);
        if (!field)
            return refuse_unknown(rd, name);
        size_t number = (size_t)(field - descriptor->fields);
        struct place p = { field, &rules->fields[number], WALK_NO_INDEX };
        if (seen & UINT64_C(1) << number)
            return refuse(rd, &p, "duplicate_key");
        seen |= UINT64_C(1) << number;
        if (!lex_take(&rd->lex, ':'))
            return refuse(rd, &p, "malformed");
        int r = read_member(rd, &p, message);
        if (r < 0)
            return r;
    } while (lex_take(&rd->lex, ','));
    return lex_take(&rd->lex, '}') ? 0 : refuse_here(rd, "malformed");
}

int json_to_message(const struct message_rules *rules, struct arena *arena, const char *text,
                    size_t size, ProtobufCMessage **ret_message, struct wire_fault *ret_fault)
{
    struct reader rd = { .lex = { text, text + size },
                         .arena = arena,
                         .walk = { .fault = ret_fault } };
    if (size > JSON_BYTES_MAX)
        return refuse_here(&rd, "too_long");
    if (!utf8_check(text, size))
        return refuse_here(&rd, "bad_utf8");

    ProtobufCMessage *message = wire_new(arena, rules);
    int r = read_object(&rd, rules, message);
    if (r == 0 && (lex_peek(&rd.lex) || rd.lex.at != rd.lex.end))
        r = refuse_here(&rd, "malformed");
    if (r < 0)
        return err_wrap(r, "JSON, byte %zu", (size_t)(rd.lex.at - text));
    *ret_message = message;
    return 0;
}

/* The check: the rules on a message in memory, for what did not come as bytes. */
#include "wire/walk.h"

#include <string.h>

#include "base/err.h"

static const void *member(const ProtobufCMessage *message, size_t offset)
{
    return (const char *)message + offset;
}

static size_t items_of(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return *(const size_t *)member(message, field->quantifier_offset);
}

static bool is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return *(const uint32_t *)member(message, field->quantifier_offset) == field->id;
}

/* A number as the walk wants it: 64 bits, the sign extended. */
static uint64_t number_at(const ProtobufCFieldDescriptor *field, const void *value)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        return *(const protobuf_c_boolean *)value != 0;
    case PROTOBUF_C_TYPE_UINT32:
        return *(const uint32_t *)value;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
        return (uint64_t)(int64_t) * (const int32_t *)value;
    default:
        return *(const uint64_t *)value;
    }
}

/* What the field adds to the count of fields: what packing would write. */
static size_t fields_of(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const void *value = member(message, field->offset);
    if (walk_is_repeated(field))
        return items_of(message, field);
    if (walk_is_oneof(field))
        return is_set(message, field);
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(const char *const *)value;
        return text && *text;
    }
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)value)->len > 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(const void *const *)value != NULL;
    default:
        return number_at(field, value) != 0;
    }
}

static int check_message(struct walk *w, const struct message_rules *rules,
                         const ProtobufCMessage *message);

static int check_value(struct walk *w, const ProtobufCFieldDescriptor *field,
                       const struct field_rule *rule, size_t index, const void *value)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_MESSAGE: {
        const ProtobufCMessage *inner = *(const ProtobufCMessage *const *)value;
        if (!inner)
            return rule->required ? walk_fault(w, field, index, "required") : 0;
        int r = walk_enter(w, field, index);
        if (r < 0)
            return r;
        r = check_message(w, rule->message, inner);
        if (r < 0)
            return r;
        walk_leave(w);
        return 0;
    }
    case PROTOBUF_C_TYPE_STRING: {
        const char *text = *(const char *const *)value;
        return walk_bytes(w, field, rule, index, text, text ? strlen(text) : 0);
    }
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *bytes = value;
        return walk_bytes(w, field, rule, index, bytes->data, bytes->len);
    }
    default:
        return walk_number(w, field, rule, index, number_at(field, value));
    }
}

static int check_repeated(struct walk *w, const ProtobufCFieldDescriptor *field,
                          const struct field_rule *rule, const ProtobufCMessage *message)
{
    size_t count = items_of(message, field);
    int r = walk_items(w, field, rule, count);
    if (r < 0)
        return r;
    const char *items = *(const char *const *)member(message, field->offset);
    for (size_t i = 0; i < count; i++) {
        r = check_value(w, field, rule, i, items + i * walk_item_size(field));
        if (r < 0)
            return r;
    }
    return 0;
}

static int check_message(struct walk *w, const struct message_rules *rules,
                         const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = rules->descriptor;
    assert_always(message->descriptor == descriptor);
    size_t count = 0;
    for (unsigned i = 0; i < descriptor->n_fields; i++)
        count += fields_of(message, &descriptor->fields[i]);

    int r = walk_count(w, count);
    for (unsigned i = 0; i < descriptor->n_fields && r == 0; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        const struct field_rule *rule = &rules->fields[i];
        if (walk_is_repeated(field))
            r = check_repeated(w, field, rule, message);
        else if (!walk_is_oneof(field) || is_set(message, field))
            r = check_value(w, field, rule, WALK_NO_INDEX, member(message, field->offset));
    }
    return r;
}

int wire_check(const struct message_rules *rules, const ProtobufCMessage *message,
               struct wire_fault *ret_fault)
{
    struct walk w = { .fault = ret_fault };
    return check_message(&w, rules, message);
}

/* Messages in memory: unpacked into an arena, made, packed, digested. */
#include "wire/wire.h"

#include <string.h>

#include "base/err.h"
#include "base/sha.h"

static void *arena_for_protobuf(void *arena, size_t size)
{
    return arena_try_alloc(arena, size);
}

/* The arena frees all at once. */
static void free_nothing(void *arena, void *pointer)
{
    (void)arena;
    (void)pointer;
}

/* protobuf-c keeps unknown fields and would pack them again: what an unknown version meant must not
 * travel on. */
static void drop_unknown(ProtobufCMessage *message)
{
    message->n_unknown_fields = 0;
    message->unknown_fields = NULL;
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        void *at = (char *)message + field->offset;
        const void *quantifier = (const char *)message + field->quantifier_offset;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            ProtobufCMessage **items = *(ProtobufCMessage ***)at;
            for (size_t j = 0; j < *(const size_t *)quantifier; j++)
                drop_unknown(items[j]);
        } else if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) ||
                   *(const uint32_t *)quantifier == field->id) {
            ProtobufCMessage *inner = *(ProtobufCMessage **)at;
            if (inner)
                drop_unknown(inner);
        }
    }
}

int wire_unpack(const struct message_rules *rules, struct arena *arena, const uint8_t *data,
                size_t size, ProtobufCMessage **ret_message, struct wire_fault *ret_fault)
{
    int r = wire_scan(rules, data, size, ret_fault);
    if (r < 0)
        return r;
    ProtobufCAllocator allocator = { arena_for_protobuf, free_nothing, arena };
    ProtobufCMessage *message =
        protobuf_c_message_unpack(rules->descriptor, &allocator, size, data);
    if (!message) {
        /* The scan let the bytes pass, so only memory can have been refused. */
        *ret_fault = (struct wire_fault){ .reason = "too_long" };
        return err_set(ERR_TOO_LARGE, "%s does not fit into its arena", rules->name);
    }
    drop_unknown(message);
    *ret_message = message;
    return 0;
}

void *wire_new(struct arena *arena, const struct message_rules *rules)
{
    ProtobufCMessage *message = arena_alloc(arena, rules->descriptor->sizeof_message);
    protobuf_c_message_init(rules->descriptor, message);
    return message;
}

void wire_pack(struct arena *arena, const ProtobufCMessage *message, uint8_t **ret_data,
               size_t *ret_size)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *data = arena_alloc(arena, size);
    size_t written = protobuf_c_message_pack(message, data);
    assert_always(written == size);
    *ret_data = data;
    *ret_size = size;
}

struct digest_buffer {
    ProtobufCBuffer base; /* first: protobuf-c hands it back */
    struct sha256 sha;
};

static void digest_append(ProtobufCBuffer *buffer, size_t size, const uint8_t *data)
{
    sha256_add(&((struct digest_buffer *)(void *)buffer)->sha, data, size);
}

void wire_digest(const char *method, const ProtobufCMessage *message, uint8_t out[32])
{
    struct digest_buffer buffer = { .base = { digest_append } };
    sha256_init(&buffer.sha);
    /* With its NUL, so that name and message cannot run into each other. */
    sha256_add(&buffer.sha, method, strlen(method) + 1);
    protobuf_c_message_pack_to_buffer(message, &buffer.base);
    sha256_end(&buffer.sha, out);
}

const char *wire_string(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    assert_always(field >= descriptor->fields && field < descriptor->fields + descriptor->n_fields);
    assert_always(field->type == PROTOBUF_C_TYPE_STRING &&
                  field->label != PROTOBUF_C_LABEL_REPEATED);
    const char *base = (const char *)message;
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
        *(const uint32_t *)(const void *)(base + field->quantifier_offset) != field->id)
        return "";
    const char *text = *(const char *const *)(const void *)(base + field->offset);
    return text ? text : "";
}

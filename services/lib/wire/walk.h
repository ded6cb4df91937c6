/* What scan and check share: where in a message they are, what they have counted, and the rules of
 * single values.
 *
 * Both ask the same functions about every value, in the same order, so that the two doors cannot
 * disagree. */
#ifndef LUJIAN_WIRE_WALK_H
#define LUJIAN_WIRE_WALK_H

#include "wire/wire.h"

#define WALK_NO_INDEX SIZE_MAX

struct walk_step {
    const ProtobufCFieldDescriptor *field;
    size_t index; /* of a repeated field's item; WALK_NO_INDEX for a single one */
};

struct walk {
    struct wire_fault *fault;
    struct walk_step trail[WIRE_DEPTH_MAX];
    uint32_t depth;
    uint32_t fields, unknown; /* counted so far, in all depth */
};

/* Writes the fault at that field of the message the walk is in (NULL = the message itself) and
 * returns its code. */
int walk_fault(struct walk *w, const ProtobufCFieldDescriptor *field, size_t index,
               const char *reason);
/* Into a message field and out again. */
int walk_enter(struct walk *w, const ProtobufCFieldDescriptor *field, size_t index);
void walk_leave(struct walk *w);
/* Counts `count` more fields of this message. */
int walk_count(struct walk *w, size_t count);
/* Repeated fields: their number of items. */
int walk_items(struct walk *w, const ProtobufCFieldDescriptor *field, const struct field_rule *rule,
               size_t count);
/* Strings and bytes. */
int walk_bytes(struct walk *w, const ProtobufCFieldDescriptor *field, const struct field_rule *rule,
               size_t index, const void *bytes, size_t length);
/* Numbers, enums and booleans; `bits` is the value as a 64-bit two's complement. */
int walk_number(struct walk *w, const ProtobufCFieldDescriptor *field,
                const struct field_rule *rule, size_t index, uint64_t bits);

/* The bytes that an item of a repeated field takes in memory. */
size_t walk_item_size(const ProtobufCFieldDescriptor *field);

static inline bool walk_is_repeated(const ProtobufCFieldDescriptor *field)
{
    return field->label == PROTOBUF_C_LABEL_REPEATED;
}

static inline bool walk_is_oneof(const ProtobufCFieldDescriptor *field)
{
    return field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
}

#endif

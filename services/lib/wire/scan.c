/* The scan: protobuf bytes against descriptor and rules, before anything is allocated.
 *
 * A message is read twice. The first pass knows only structure: tags, lengths, wire types, counts;
 * it notes where each single field stands last. The second judges the values in the order of the
 * descriptor, as wire_check does, so both report the same fault. Recursion goes as deep as the
 * contract's types nest, and never deeper than WIRE_DEPTH_MAX.
 *
 * Stricter than protobuf's own rules where leniency would make two readings of one message
 * possible: a singular message field or two members of a oneof may not occur twice, numbers that do
 * not fit their type are malformed. */
#include <string.h>

#include "base/err.h"
#include "wire/walk.h"

#define FIELDS_PER_MESSAGE_MAX 64
#define FIELD_NUMBER_MAX       ((1u << 29) - 1)
#define LENGTH_BYTES_MAX       5

/* One field as it stands in the bytes. */
struct raw {
    uint32_t number;
    uint8_t wire_type;
    uint64_t bits;       /* of a varint */
    const uint8_t *data; /* of what has a length */
    size_t size;
};

/* What the first pass noted of a field. */
struct seen {
    struct raw last;
    size_t count; /* occurrences; items where the field is repeated */
};

struct reader {
    const uint8_t *at, *end;
};

static bool read_varint(struct reader *rd, size_t bytes_max, uint64_t *ret)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes_max && rd->at < rd->end; i++) {
        uint8_t byte = *rd->at++;
        if (i == 9 && byte > 1)
            return false; /* more than 64 bits */
        value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (!(byte & 0x80)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static bool skip_bytes(struct reader *rd, uint64_t size)
{
    if (size > (size_t)(rd->end - rd->at))
        return false;
    rd->at += size;
    return true;
}

/* The next field; false = malformed. Groups are not read: nothing of ours has them. */
static bool read_field(struct reader *rd, struct raw *ret)
{
    uint64_t tag, size;
    *ret = (struct raw){ 0 };
    if (!read_varint(rd, LENGTH_BYTES_MAX, &tag) || tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX)
        return false;
    ret->number = (uint32_t)(tag >> 3);
    ret->wire_type = tag & 7;
    switch (ret->wire_type) {
    case PROTOBUF_C_WIRE_TYPE_VARINT:
        return read_varint(rd, 10, &ret->bits);
    case PROTOBUF_C_WIRE_TYPE_64BIT:
        return skip_bytes(rd, 8);
    case PROTOBUF_C_WIRE_TYPE_32BIT:
        return skip_bytes(rd, 4);
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
        if (!read_varint(rd, LENGTH_BYTES_MAX, &size))
            return false;
        ret->data = rd->at;
        ret->size = (size_t)size;
        return skip_bytes(rd, size);
    default:
        return false;
    }
}

static bool has_length(const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_BYTES ||
           field->type == PROTOBUF_C_TYPE_MESSAGE;
}

/* Does the number fit the field's type? protobuf-c would cut it silently. */
static bool fits(const ProtobufCFieldDescriptor *field, uint64_t bits)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_UINT32:
        return bits <= UINT32_MAX;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
        return (int64_t)bits >= INT32_MIN && (int64_t)bits <= INT32_MAX;
    default:
        return true;
    }
}

/* Counts a packed run's numbers; false = malformed. */
static bool count_packed(const ProtobufCFieldDescriptor *field, const struct raw *raw,
                         size_t *count)
{
    struct reader rd = { raw->data, raw->data + raw->size };
    while (rd.at < rd.end) {
        uint64_t bits;
        if (!read_varint(&rd, 10, &bits) || !fits(field, bits))
            return false;
        ++*count;
    }
    return true;
}

/* Is another member of the field's oneof among what was seen? */
static bool oneof_taken(const ProtobufCMessageDescriptor *descriptor, const struct seen *seen,
                        const ProtobufCFieldDescriptor *field)
{
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *other = &descriptor->fields[i];
        if (other != field && walk_is_oneof(other) &&
            other->quantifier_offset == field->quantifier_offset && seen[i].count > 0)
            return true;
    }
    return false;
}

/* Notes a known field; false = malformed. `ret_count` is what it adds to the message's fields. */
static bool note_field(const ProtobufCMessageDescriptor *descriptor, struct seen *seen,
                       const ProtobufCFieldDescriptor *field, const struct raw *raw,
                       size_t *ret_count)
{
    struct seen *s = &seen[field - descriptor->fields];
    bool length_prefixed = raw->wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    *ret_count = 1;
    if (walk_is_repeated(field) && length_prefixed && !has_length(field)) {
        *ret_count = 0;
        if (!count_packed(field, raw, ret_count))
            return false;
    } else if (has_length(field)
                   ? !length_prefixed
                   : raw->wire_type != PROTOBUF_C_WIRE_TYPE_VARINT || !fits(field, raw->bits)) {
        return false;
    }
    if (!walk_is_repeated(field) && s->count > 0 && field->type == PROTOBUF_C_TYPE_MESSAGE)
        return false;
    if (walk_is_oneof(field) && oneof_taken(descriptor, seen, field))
        return false;
    s->last = *raw;
    s->count += *ret_count;
    return true;
}

/* The first pass over one message. */
static int read_structure(struct walk *w, const ProtobufCMessageDescriptor *descriptor,
                          const uint8_t *data, size_t size, struct seen *seen)
{
    struct reader rd = { data, data + size };
    size_t known = 0;
    while (rd.at < rd.end) {
        struct raw raw;
        if (!read_field(&rd, &raw))
            return walk_fault(w, NULL, WALK_NO_INDEX, "malformed");
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(descriptor, raw.number);
        if (!field) {
            if (++w->unknown > WIRE_UNKNOWN_MAX)
                return walk_fault(w, NULL, WALK_NO_INDEX, "too_many");
            continue;
        }
        size_t count;
        if (!note_field(descriptor, seen, field, &raw, &count))
            return walk_fault(w, field, WALK_NO_INDEX, "malformed");
        known += count;
    }
    return walk_count(w, known);
}

static int scan_message(struct walk *w, const struct message_rules *rules, const uint8_t *data,
                        size_t size);

static int scan_value(struct walk *w, const ProtobufCFieldDescriptor *field,
                      const struct field_rule *rule, size_t index, const struct raw *raw)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        int r = walk_enter(w, field, index);
        if (r < 0)
            return r;
        r = scan_message(w, rule->message, raw->data, raw->size);
        if (r < 0)
            return r;
        walk_leave(w);
        return 0;
    }
    if (has_length(field))
        return walk_bytes(w, field, rule, index, raw->data, raw->size);
    uint64_t bits = field->type == PROTOBUF_C_TYPE_BOOL ? raw->bits != 0 : raw->bits;
    return walk_number(w, field, rule, index, bits);
}

static int scan_packed(struct walk *w, const ProtobufCFieldDescriptor *field,
                       const struct field_rule *rule, size_t *index, const struct raw *raw)
{
    struct reader rd = { raw->data, raw->data + raw->size };
    struct raw item = { .wire_type = PROTOBUF_C_WIRE_TYPE_VARINT };
    while (rd.at < rd.end && read_varint(&rd, 10, &item.bits)) {
        int r = scan_value(w, field, rule, (*index)++, &item);
        if (r < 0)
            return r;
    }
    return 0;
}

/* All items of a repeated field, in a pass of its own over the message. */
static int scan_repeated(struct walk *w, const ProtobufCFieldDescriptor *field,
                         const struct field_rule *rule, size_t count, const uint8_t *data,
                         size_t size)
{
    int r = walk_items(w, field, rule, count);
    if (r < 0)
        return r;
    struct reader rd = { data, data + size };
    struct raw raw;
    for (size_t index = 0; index < count && read_field(&rd, &raw);) {
        if (raw.number != field->id)
            continue;
        if (raw.wire_type == PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED && !has_length(field))
            r = scan_packed(w, field, rule, &index, &raw);
        else
            r = scan_value(w, field, rule, index++, &raw);
        if (r < 0)
            return r;
    }
    return 0;
}

/* A single field as it stands last, or its default where it does not occur. */
static int scan_single(struct walk *w, const ProtobufCFieldDescriptor *field,
                       const struct field_rule *rule, const struct seen *seen)
{
    if (seen->count == 0) {
        if (walk_is_oneof(field))
            return 0;
        if (field->type == PROTOBUF_C_TYPE_MESSAGE)
            return rule->required ? walk_fault(w, field, WALK_NO_INDEX, "required") : 0;
    }
    return scan_value(w, field, rule, WALK_NO_INDEX, &seen->last);
}

static int scan_message(struct walk *w, const struct message_rules *rules, const uint8_t *data,
                        size_t size)
{
    const ProtobufCMessageDescriptor *descriptor = rules->descriptor;
    struct seen seen[FIELDS_PER_MESSAGE_MAX] = { 0 };
    assert_always(descriptor->n_fields <= FIELDS_PER_MESSAGE_MAX);

    int r = read_structure(w, descriptor, data, size, seen);
    for (unsigned i = 0; i < descriptor->n_fields && r == 0; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        if (walk_is_repeated(field))
            r = scan_repeated(w, field, &rules->fields[i], seen[i].count, data, size);
        else
            r = scan_single(w, field, &rules->fields[i], &seen[i]);
    }
    return r;
}

int wire_scan(const struct message_rules *rules, const uint8_t *data, size_t size,
              struct wire_fault *ret_fault)
{
    struct walk w = { .fault = ret_fault };
    return scan_message(&w, rules, data, size);
}

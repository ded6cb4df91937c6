/* The rules of single values, and the path that a fault is reported with. */
#include "wire/walk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"

/* The instants that instant_parse and instant_format know: 1900-01-01 to 2199-12-31, +08:00. */
#define INSTANT_MIN INT64_C(-2209017600000)
#define INSTANT_MAX INT64_C(7258089599999)

static void path_add(struct wire_fault *f, const struct walk_step *step)
{
    size_t used = strlen(f->path);
    size_t room = sizeof(f->path) - used;
    const char *dot = used > 0 ? "." : "";
    if (step->index == WALK_NO_INDEX)
        snprintf(f->path + used, room, "%s%s", dot, step->field->name);
    else
        snprintf(f->path + used, room, "%s%s[%zu]", dot, step->field->name, step->index);
}

int walk_fault(struct walk *w, const ProtobufCFieldDescriptor *field, size_t index,
               const char *reason)
{
    struct wire_fault *f = w->fault;
    f->path[0] = '\0';
    f->reason = reason;
    for (uint32_t i = 0; i < w->depth; i++)
        path_add(f, &w->trail[i]);
    if (field)
        path_add(f, &(struct walk_step){ field, index });

    /* A field over its limit is a matter of shape; too large is said of a whole message. */
    bool large = !field && (!strcmp(reason, "too_many") || !strcmp(reason, "too_long"));
    return err_set(large ? ERR_TOO_LARGE : ERR_INVALID_ARGUMENT, "%s%s%s", f->path,
                   f->path[0] ? ": " : "", reason);
}

int walk_enter(struct walk *w, const ProtobufCFieldDescriptor *field, size_t index)
{
    if (w->depth == WIRE_DEPTH_MAX)
        return walk_fault(w, field, index, "too_deep");
    w->trail[w->depth++] = (struct walk_step){ field, index };
    return 0;
}

void walk_leave(struct walk *w)
{
    w->depth--;
}

int walk_count(struct walk *w, size_t count)
{
    if (count > WIRE_FIELDS_MAX - w->fields)
        return walk_fault(w, NULL, WALK_NO_INDEX, "too_many");
    w->fields += (uint32_t)count;
    return 0;
}

int walk_items(struct walk *w, const ProtobufCFieldDescriptor *field, const struct field_rule *rule,
               size_t count)
{
    if (count > rule->items_max)
        return walk_fault(w, field, WALK_NO_INDEX, "too_many");
    if (count == 0 && rule->required)
        return walk_fault(w, field, WALK_NO_INDEX, "required");
    return 0;
}

/* By first byte: what may be a control character. C1 is two bytes in UTF-8, 0xc2 the first. */
static const bool MAY_BE_CONTROL[256] = { [0 ... 0x1f] = true, [0x7f] = true, [0xc2] = true };

/* C0, DEL and C1, but for tab and line ends where several lines are meant. The text is well-formed.
 */
static bool has_control_character(const uint8_t *text, size_t length, bool multiline)
{
    for (size_t i = 0; i < length; i++) {
        uint8_t c = text[i];
        if (!MAY_BE_CONTROL[c])
            continue;
        bool fine =
            c == 0xc2 ? text[i + 1] >= 0xa0 : multiline && (c == '\n' || c == '\t' || c == '\r');
        if (!fine)
            return true;
    }
    return false;
}

int walk_bytes(struct walk *w, const ProtobufCFieldDescriptor *field, const struct field_rule *rule,
               size_t index, const void *bytes, size_t length)
{
    if (length == 0)
        return rule->required ? walk_fault(w, field, index, "required") : 0;
    bool text = field->type == PROTOBUF_C_TYPE_STRING;
    /* First, because in memory a NUL would hide what stands behind it. */
    if (text && utf8_has_nul(bytes, length))
        return walk_fault(w, field, index, "nul");
    if (length > rule->bytes_max)
        /* An identifier of the wrong length has the wrong shape; a text that is too long is too
         * large. */
        return walk_fault(w, field, index, rule->pattern ? "bad_pattern" : "too_long");
    if (!text)
        return 0;
    if (!utf8_check(bytes, length))
        return walk_fault(w, field, index, "bad_utf8");
    if (has_control_character(bytes, length, rule->multiline))
        return walk_fault(w, field, index, "control_character");
    if (!wire_pattern_matches(rule->pattern, bytes, length))
        return walk_fault(w, field, index, "bad_pattern");
    return 0;
}

static bool in_range(const ProtobufCFieldDescriptor *field, uint64_t bits, int64_t min, int64_t max)
{
    if (field->type == PROTOBUF_C_TYPE_UINT64 && bits > INT64_MAX)
        return false;
    return (int64_t)bits >= min && (int64_t)bits <= max;
}

int walk_number(struct walk *w, const ProtobufCFieldDescriptor *field,
                const struct field_rule *rule, size_t index, uint64_t bits)
{
    if (rule->required && bits == 0)
        return walk_fault(w, field, index, "required");
    if (field->type == PROTOBUF_C_TYPE_ENUM) {
        /* Names are listed up to the greatest value, a gap as "". */
        for (uint64_t i = 0; rule->enum_names[i]; i++) {
            if (i == bits)
                return *rule->enum_names[i] ? 0 : walk_fault(w, field, index, "unknown_enum");
        }
        return walk_fault(w, field, index, "unknown_enum");
    }
    if ((rule->min != 0 || rule->max != 0) && !in_range(field, bits, rule->min, rule->max))
        return walk_fault(w, field, index, "out_of_range");
    if (rule->instant && !in_range(field, bits, INSTANT_MIN, INSTANT_MAX))
        return walk_fault(w, field, index, "out_of_range");
    return 0;
}

size_t walk_item_size(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM:
        return 4;
    default:
        return 8;
    }
}

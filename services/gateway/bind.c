/* Path and query parameters become message fields, by the contract's types. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "gateway.h"

#define REPEATED_MAX 64

static int fault(struct wire_fault *f, const char *name, const char *reason)
{
    snprintf(f->path, sizeof(f->path), "%s", name);
    f->reason = reason;
    return err_set_reason(ERR_INVALID_ARGUMENT, "invalid_argument", "%s: %s", name, reason);
}

/* Digits only: no sign but '-', no space, no overflow. */
static bool parse_int(const char *text, int64_t *ret)
{
    const char *digits = *text == '-' ? text + 1 : text;
    if (!*digits || strspn(digits, "0123456789") != strlen(digits))
        return false;
    errno = 0;
    *ret = strtoll(text, NULL, 10);
    return errno == 0;
}

static bool parse_enum(const struct field_rule *rule, const ProtobufCFieldDescriptor *field,
                       const char *text, int *ret)
{
    const ProtobufCEnumDescriptor *e = field->descriptor;
    for (unsigned int i = 0; i < e->n_values; i++) {
        int value = e->values[i].value;
        if (value != 0 && strcmp(rule->enum_names[value], text) == 0) {
            *ret = value;
            return true;
        }
    }
    return false;
}

static int set_scalar(struct arena *arena, const struct field_rule *rule,
                      const ProtobufCFieldDescriptor *field, void *member, const char *value,
                      struct wire_fault *f)
{
    int64_t number = 0;
    int enumerator = 0;
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        *(char **)member = arena_strdup(arena, value);
        return 0;
    case PROTOBUF_C_TYPE_BOOL:
        if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            return fault(f, field->name, "bad_type");
        *(protobuf_c_boolean *)member = value[0] == 't';
        return 0;
    case PROTOBUF_C_TYPE_UINT32:
        if (!parse_int(value, &number))
            return fault(f, field->name, "bad_type");
        if (number < 0 || number > UINT32_MAX)
            return fault(f, field->name, "out_of_range");
        *(uint32_t *)member = (uint32_t)number;
        return 0;
    case PROTOBUF_C_TYPE_INT64:
        if (rule->instant ? instant_parse(value, &number) < 0 : !parse_int(value, &number))
            return fault(f, field->name, "bad_type");
        *(int64_t *)member = number;
        return 0;
    case PROTOBUF_C_TYPE_ENUM:
        if (!*value)
            return 0; /* state= is as good as none */
        if (!parse_enum(rule, field, value, &enumerator))
            return fault(f, field->name, "unknown_enum");
        *(int *)member = enumerator;
        return 0;
    default:
        return fault(f, field->name, "not_a_parameter");
    }
}

int bind_text(struct arena *arena, const struct message_rules *rules, ProtobufCMessage *message,
              const char *name, const char *value, struct wire_fault *ret_fault)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(rules->descriptor, name);
    if (!field)
        return fault(ret_fault, "query", "unknown_field");
    const struct field_rule *rule = &rules->fields[field - rules->descriptor->fields];
    char *base = (char *)message;

    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t *count = (size_t *)(void *)(base + field->quantifier_offset);
        if (field->type != PROTOBUF_C_TYPE_STRING || *count == REPEATED_MAX)
            return fault(ret_fault, name, "too_many");
        char **items = arena_array(arena, char *, REPEATED_MAX);
        char ***member = (char ***)(void *)(base + field->offset);
        if (*count > 0)
            memcpy(items, *member, *count * sizeof(char *));
        items[(*count)++] = arena_strdup(arena, value);
        *member = items;
        return 0;
    }
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        *(uint32_t *)(void *)(base + field->quantifier_offset) = field->id;
    return set_scalar(arena, rule, field, base + field->offset, value, ret_fault);
}

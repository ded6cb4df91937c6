/* Columns of a file are fields of its message, by name: the contract is the format. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "load.h"
#include "wire/wire.h"

#define LIST_ITEMS_MAX 256

static bool cell_refuse(struct cell_fault *fault, const char *column, const char *reason)
{
    snprintf(fault->column, sizeof(fault->column), "%.63s", column);
    fault->reason = reason;
    return false;
}

static const struct field_rule *rule_of(const struct message_rules *rules,
                                        const ProtobufCFieldDescriptor *field)
{
    return &rules->fields[field - rules->descriptor->fields];
}

static bool has_column(const struct columns *c, const ProtobufCFieldDescriptor *field)
{
    for (int i = 0; i < c->count; i++) {
        if (c->fields[i] == field)
            return true;
    }
    return false;
}

bool columns_read_header(struct columns *c, const struct message_rules *rules,
                         const struct csv_fields *header, struct cell_fault *ret_fault)
{
    *c = (struct columns){ .rules = rules };
    for (int i = 0; i < header->count; i++) {
        const char *name = header->texts[i];
        if (!wire_pattern_matches(WIRE_PATTERN_CODE, name, header->sizes[i])) {
            snprintf(ret_fault->column, sizeof(ret_fault->column), "the %d. of its columns", i + 1);
            ret_fault->reason = "unknown_column"; /* told by number: the name may be anything */
            return false;
        }
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field_by_name(rules->descriptor, name);
        if (!field || field->type == PROTOBUF_C_TYPE_MESSAGE)
            return cell_refuse(ret_fault, name, "unknown_column");
        if (has_column(c, field))
            return cell_refuse(ret_fault, name, "column_twice");
        c->fields[c->count++] = field;
    }
    for (unsigned i = 0; i < rules->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &rules->descriptor->fields[i];
        bool needed = rules->fields[i].required || rules->fields[i].min > 0;
        if (needed && !has_column(c, field))
            return cell_refuse(ret_fault, field->name, "column_missing");
    }
    return true;
}

static bool read_number(const char *text, uint32_t *ret)
{
    size_t length = strlen(text);
    if (length > 9 || strspn(text, "0123456789") != length)
        return false;
    *ret = (uint32_t)strtoul(text, NULL, 10); /* "" = 0 */
    return true;
}

/* "" is the value 0, which no name stands for. */
static bool read_enum(const struct field_rule *rule, const ProtobufCFieldDescriptor *field,
                      const char *text, int *ret)
{
    const ProtobufCEnumDescriptor *e = field->descriptor;
    for (unsigned i = 0; i < e->n_values; i++) {
        int value = e->values[i].value;
        if (value != 0 && strcmp(rule->enum_names[value], text) == 0) {
            *ret = value;
            return true;
        }
    }
    *ret = 0;
    return !*text;
}

static const char *set_scalar(struct arena *arena, const struct field_rule *rule,
                              const ProtobufCFieldDescriptor *field, void *member, const char *text)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        *(char **)member = arena_strdup(arena, text);
        return NULL;
    case PROTOBUF_C_TYPE_UINT32:
        return read_number(text, member) ? NULL : "bad_type";
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(rule, field, text, member) ? NULL : "unknown_enum";
    case PROTOBUF_C_TYPE_BOOL:
        if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0 && *text)
            return "bad_type";
        *(protobuf_c_boolean *)member = *text == '1';
        return NULL;
    default:
        return "bad_type";
    }
}

static const char *set_list(struct arena *arena, const struct field_rule *rule,
                            const ProtobufCFieldDescriptor *field, char *message, const char *text)
{
    size_t *count = (size_t *)(void *)(message + field->quantifier_offset);
    size_t size = field->type == PROTOBUF_C_TYPE_STRING ? sizeof(char *) : sizeof(int);
    char *rest = arena_strdup(arena, text), *item;
    char *items = arena_alloc(arena, size * LIST_ITEMS_MAX);
    while (*text && (item = strsep(&rest, "|"))) {
        if (*count == LIST_ITEMS_MAX)
            return "too_many";
        if (!*item)
            return "empty_item";
        const char *reason = set_scalar(arena, rule, field, items + size * *count, item);
        if (reason)
            return reason;
        (*count)++;
    }
    *(void **)(void *)(message + field->offset) = items;
    return NULL;
}

static const char *check_text(const char *text, size_t size)
{
    if (strlen(text) != size)
        return "nul";
    if (size && (strchr(" \t\r\n", text[0]) || strchr(" \t\r\n", text[size - 1])))
        return "space"; /* around a value: it would be another value, and nobody would see it */
    return NULL;
}

ProtobufCMessage *columns_read_row(const struct columns *c, struct arena *arena,
                                   const struct csv_fields *row, struct cell_fault *ret_fault)
{
    ProtobufCMessage *message = wire_new(arena, c->rules);
    struct wire_fault fault = { 0 };
    if (row->count != c->count) {
        cell_refuse(ret_fault, "", "fields");
        return NULL;
    }
    for (int i = 0; i < c->count; i++) {
        const ProtobufCFieldDescriptor *field = c->fields[i];
        const struct field_rule *rule = rule_of(c->rules, field);
        char *base = (char *)message;
        const char *reason = check_text(row->texts[i], row->sizes[i]);
        if (!reason && field->label == PROTOBUF_C_LABEL_REPEATED)
            reason = set_list(arena, rule, field, base, row->texts[i]);
        else if (!reason)
            reason = set_scalar(arena, rule, field, base + field->offset, row->texts[i]);
        if (reason) {
            cell_refuse(ret_fault, field->name, reason);
            return NULL;
        }
    }
    if (wire_check(c->rules, message, &fault) < 0) {
        cell_refuse(ret_fault, fault.path, fault.reason);
        return NULL;
    }
    return message;
}

/* What the contract says beyond types, as generated tables: field rules, methods, events.
 *
 * The plugin (proto/plugin) writes one table a message; they stand beside protobuf-c's own
 * descriptors and are indexed like them. Nothing here is written by hand. */
#ifndef LUJIAN_WIRE_RULES_H
#define LUJIAN_WIRE_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

enum role_bit {
    ROLE_BIT_HOTLINE = 1 << 1,
    ROLE_BIT_UNIT = 1 << 2,
    ROLE_BIT_SUPERVISOR = 1 << 3,
    ROLE_BIT_OPERATOR = 1 << 4,
    ROLE_BIT_IMPORTER = 1 << 5,
    ROLE_BIT_EDGE = 1 << 6,
    ROLE_BIT_SERVICE = 1 << 7,
};

enum wire_pattern {
    WIRE_PATTERN_NONE,
    WIRE_PATTERN_UUID,
    WIRE_PATTERN_CODE,
    WIRE_PATTERN_DIVISION,
    WIRE_PATTERN_DATE,
    WIRE_PATTERN_CURSOR,
    WIRE_PATTERN_EVENT_TYPE,
    WIRE_PATTERN_HEX,
    WIRE_PATTERN_KEY,
};

struct message_rules;

struct field_rule {
    uint32_t bytes_max;
    uint32_t items_max;
    int64_t min, max; /* apply when either is not 0 */
    enum wire_pattern pattern;
    bool required, personal, instant, multiline;
    const struct message_rules *message; /* of a message field */
    const char *const
        *enum_names; /* of an enum field: JSON names by value, "" = a gap, NULL-terminated */
};

struct message_rules {
    const char *name; /* "FileRequest" */
    const ProtobufCMessageDescriptor *descriptor;
    const struct field_rule *fields; /* in the order of descriptor->fields */
    bool any_personal;               /* this message or one in it may hold personal data */
};

enum method_kind { METHOD_QUERY = 1, METHOD_COMMAND = 2 };

struct method_info {
    const char *name;    /* "complaints.file": what the envelope carries */
    const char *service; /* "complaints" */
    enum method_kind kind;
    uint32_t roles; /* role_bit mask; 0 = any known principal */
    const struct message_rules *request, *response;
    const char *http_get, *http_post; /* templates or NULL */
    bool creates, internal;
    const ProtobufCFieldDescriptor *subject;            /* NULL = none */
    const ProtobufCFieldDescriptor *const *natural_key; /* NULL-terminated, or NULL */
    const char *summary;                                /* the proto comment's first line */
};

struct event_info {
    const char *type; /* "complaint.filed.v1" */
    const struct message_rules *data;
};

#endif

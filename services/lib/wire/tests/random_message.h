/* Random messages of any type of the contract, for property tests: mostly good, as bad as asked
 * for. */
#ifndef LUJIAN_WIRE_TESTS_RANDOM_MESSAGE_H
#define LUJIAN_WIRE_TESTS_RANDOM_MESSAGE_H

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "wire/wire.h"

struct gen {
    struct arena arena;
    uint64_t seed, state;
    uint32_t bad_in_1000; /* how many values break a rule */
};

/* Seeded by LUJIAN_SEED where it is set, so that a failure can be run again and a long test varied.
 */
static void gen_init(struct gen *g, size_t arena_bytes_max)
{
    const char *text = getenv("LUJIAN_SEED");
    g->seed = text ? strtoull(text, NULL, 10) : 20261124;
    g->state = g->seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    arena_init(&g->arena, arena_bytes_max);
}

static uint32_t roll(struct gen *g, uint32_t below)
{
    g->state ^= g->state << 13;
    g->state ^= g->state >> 7;
    g->state ^= g->state << 17;
    return (uint32_t)(g->state >> 16) % below;
}

static bool bad(struct gen *g)
{
    return roll(g, 1000) < g->bad_in_1000;
}

static const char *const GOOD[] = {
    [WIRE_PATTERN_NONE] = "济南市历下区",
    [WIRE_PATTERN_UUID] = "018f3a3e-7c2b-7def-8a11-0123456789ab",
    [WIRE_PATTERN_CODE] = "jinan-12345",
    [WIRE_PATTERN_DIVISION] = "370102",
    [WIRE_PATTERN_DATE] = "2026-11-24",
    [WIRE_PATTERN_CURSOR] = "complaints:3:12345",
    [WIRE_PATTERN_EVENT_TYPE] = "complaint.filed.v1",
    [WIRE_PATTERN_HEX] = "00ff",
    [WIRE_PATTERN_KEY] = "K~1",
};

static const char *const ODD[] = { "",     " ",          "a\tb", "a\nb",     "\x01",
                                   "\x7f", "\xc2\x80",   "\xff", "\xe4\xb8", "370",
                                   "-",    "2026-02-30", "::",   "x.v1",     "é" };

static char *random_text(struct gen *g, const struct field_rule *rule)
{
    if (!bad(g)) {
        const char *text = roll(g, 4) || rule->required ? GOOD[rule->pattern] : "";
        return arena_strdup(&g->arena, strlen(text) <= rule->bytes_max ? text : "1");
    }
    if (roll(g, 4) == 0) {
        size_t size = rule->bytes_max + 1;
        char *text = memset(arena_alloc(&g->arena, size + 1), '7', size);
        text[size] = '\0';
        return text;
    }
    return arena_strdup(&g->arena, ODD[roll(g, ARRAY_LEN(ODD))]);
}

static int64_t random_number(struct gen *g, const ProtobufCFieldDescriptor *field,
                             const struct field_rule *rule)
{
    if (field->type == PROTOBUF_C_TYPE_BOOL)
        return roll(g, 2);
    if (bad(g)) {
        static const int64_t odd[] = {
            0, 1, -1, 15, 300, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN
        };
        return odd[roll(g, ARRAY_LEN(odd))];
    }
    if (field->type == PROTOBUF_C_TYPE_ENUM) {
        int64_t count = 0;
        while (rule->enum_names[count])
            count++;
        int64_t value =
            rule->required ? 1 + roll(g, (uint32_t)count - 1) : roll(g, (uint32_t)count);
        return *rule->enum_names[value] ? value : 1;
    }
    if (rule->min || rule->max) {
        uint64_t span = (uint64_t)(rule->max - rule->min) + 1;
        int64_t value = rule->min + (int64_t)(g->state % span);
        return value == 0 && rule->required ? 1 : value;
    }
    return roll(g, 3) ? roll(g, 1000000) : 0;
}

static ProtobufCMessage *random_message(struct gen *g, const struct message_rules *rules);

static void random_value(struct gen *g, const ProtobufCFieldDescriptor *field,
                         const struct field_rule *rule, void *at)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
        *(char **)at = random_text(g, rule);
        return;
    case PROTOBUF_C_TYPE_BYTES: {
        ProtobufCBinaryData *bytes = at;
        bytes->len = bad(g) ? rule->bytes_max + 1 : roll(g, 20);
        bytes->data = arena_alloc(&g->arena, bytes->len + 1);
        return;
    }
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)at = random_message(g, rule->message);
        return;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)at = (protobuf_c_boolean)random_number(g, field, rule);
        return;
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_UINT32:
        *(uint32_t *)at = (uint32_t)random_number(g, field, rule);
        return;
    default:
        *(int64_t *)at = random_number(g, field, rule);
        return;
    }
}

static size_t size_of_item(const ProtobufCFieldDescriptor *field)
{
    if (field->type == PROTOBUF_C_TYPE_BYTES)
        return sizeof(ProtobufCBinaryData);
    return field->type == PROTOBUF_C_TYPE_ENUM || field->type == PROTOBUF_C_TYPE_UINT32 ? 4 : 8;
}

static ProtobufCMessage *random_message(struct gen *g, const struct message_rules *rules)
{
    ProtobufCMessage *message = wire_new(&g->arena, rules);
    char *base = (char *)message;
    for (unsigned i = 0; i < rules->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &rules->descriptor->fields[i];
        const struct field_rule *rule = &rules->fields[i];
        void *at = base + field->offset;
        void *quantifier = base + field->quantifier_offset;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t count = bad(g) && rule->items_max < 100 ? rule->items_max + 1 : roll(g, 4);
            char *items = arena_alloc(&g->arena, (count + 1) * size_of_item(field));
            for (size_t j = 0; j < count; j++)
                random_value(g, field, rule, items + j * size_of_item(field));
            *(size_t *)quantifier = count;
            *(char **)at = items;
        } else if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
            /* A later member may take the place of an earlier one. */
            if (roll(g, 3) == 0) {
                memset(at, 0, sizeof(void *));
                *(uint32_t *)quantifier = field->id;
                random_value(g, field, rule, at);
            }
        } else if (field->type != PROTOBUF_C_TYPE_MESSAGE || rule->required || roll(g, 3)) {
            random_value(g, field, rule, at);
        }
    }
    return message;
}

#endif

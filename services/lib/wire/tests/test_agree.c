/* Scan and check agree: random messages of every type of the contract, good and bad, are judged in
 * memory and as bytes; then their bytes are damaged at random and judged again.
 *
 * LUJIAN_SEED picks another run; a failure names its seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/util.h"
#include "lujian/contract.lj.h"
#include "wire/wire.h"

#define MESSAGES_PER_TYPE   60
#define DAMAGES_PER_MESSAGE 25
#define ARENA_BYTES_MAX     ((size_t)64 * 1024 * 1024)

struct gen {
    struct arena arena;
    uint64_t seed, state;
    uint32_t bad_in_1000; /* how many values break a rule */
    uint32_t good, refused, damaged_good, damaged_refused;
};

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

static void expect_same(const struct gen *g, const struct message_rules *rules, int scanned,
                        const struct wire_fault *of_scan, int checked,
                        const struct wire_fault *of_check)
{
    if (scanned == checked && (scanned == 0 || (!strcmp(of_scan->path, of_check->path) &&
                                                of_scan->reason == of_check->reason)))
        return;
    fail_msg("seed %llu: %s: scan %d \"%s\" %s, check %d \"%s\" %s", (unsigned long long)g->seed,
             rules->name, scanned, of_scan->path, of_scan->reason ? of_scan->reason : "-", checked,
             of_check->path, of_check->reason ? of_check->reason : "-");
}

/* Flips, cuts, doubles or swaps a few bytes. */
static size_t damage(struct gen *g, uint8_t *data, size_t size, size_t room)
{
    for (uint32_t times = 1 + roll(g, 3); times > 0 && size > 0; times--) {
        size_t at = roll(g, (uint32_t)size);
        size_t length = 1 + roll(g, 8);
        length = MIN(length, size - at);
        switch (roll(g, 4)) {
        case 0:
            data[at] ^= (uint8_t)(1u << roll(g, 8));
            break;
        case 1:
            memmove(data + at, data + at + length, size - at - length);
            size -= length;
            break;
        case 2:
            if (size + length <= room) {
                memmove(data + at + length, data + at, size - at);
                size += length;
            }
            break;
        default:
            data[at] = (uint8_t)roll(g, 256);
            break;
        }
    }
    return size;
}

/* What the scan lets pass protobuf-c must be able to unpack, and the check must let pass too. What
 * the scan refuses for a value the check refuses alike, unless memory cannot show it: a NUL ends a
 * C string, structure is no value. */
static void try_damaged(struct gen *g, const struct message_rules *rules, const uint8_t *data,
                        size_t size)
{
    struct wire_fault of_scan = { 0 }, of_check = { 0 };
    ProtobufCMessage *message;
    int scanned = wire_scan(rules, data, size, &of_scan);
    if (scanned == 0) {
        g->damaged_good++;
        assert_int_equal(wire_unpack(rules, &g->arena, data, size, &message, &of_check), 0);
        expect_same(g, rules, scanned, &of_scan, wire_check(rules, message, &of_check), &of_check);
        uint8_t *again;
        wire_pack(&g->arena, message, &again, &size);
        assert_int_equal(wire_scan(rules, again, size, &of_scan), 0);
        return;
    }
    g->damaged_refused++;
    bool only_in_bytes = !strcmp(of_scan.reason, "malformed") || !strcmp(of_scan.reason, "nul") ||
                         !strcmp(of_scan.reason, "too_many");
    message = only_in_bytes ? NULL : protobuf_c_message_unpack(rules->descriptor, NULL, size, data);
    if (!message)
        return;
    int checked = wire_check(rules, message, &of_check);
    expect_same(g, rules, scanned, &of_scan, checked, &of_check);
    protobuf_c_message_free_unpacked(message, NULL);
}

static void try_type(struct gen *g, const struct message_rules *rules)
{
    for (int i = 0; i < MESSAGES_PER_TYPE; i++) {
        arena_reset(&g->arena);
        g->bad_in_1000 = i % 3 == 0 ? 0 : i % 3 == 1 ? 10 : 200;
        ProtobufCMessage *message = random_message(g, rules);
        struct wire_fault of_scan = { 0 }, of_check = { 0 };
        uint8_t *data;
        size_t size;
        wire_pack(&g->arena, message, &data, &size);
        int checked = wire_check(rules, message, &of_check);
        expect_same(g, rules, wire_scan(rules, data, size, &of_scan), &of_scan, checked, &of_check);
        *(checked == 0 ? &g->good : &g->refused) += 1;

        for (int j = 0; j < DAMAGES_PER_MESSAGE && size < 10000; j++) {
            size_t room = size + 64;
            uint8_t *copy = malloc(room);
            memcpy(copy, data, size);
            size_t left = damage(g, copy, size, room);
            copy = realloc(copy, left ? left : 1);
            try_damaged(g, rules, copy, left);
            free(copy);
        }
    }
}

static void test_agree(void **state)
{
    (void)state;
    const char *text = getenv("LUJIAN_SEED");
    struct gen g = { .seed = text ? strtoull(text, NULL, 10) : 20261124 };
    g.state = g.seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    arena_init(&g.arena, ARENA_BYTES_MAX);

    for (int i = 0; contract_methods[i]; i++) {
        try_type(&g, contract_methods[i]->request);
        try_type(&g, contract_methods[i]->response);
    }
    for (int i = 0; contract_events[i]; i++)
        try_type(&g, contract_events[i]->data);
    try_type(&g, &request_head_rules);
    try_type(&g, &response_head_rules);
    try_type(&g, &pulse_rules);
    arena_clear(&g.arena);

    print_message("whole: %u good, %u refused; damaged: %u good, %u refused\n", g.good, g.refused,
                  g.damaged_good, g.damaged_refused);
    /* Both sides of the fence were visited, else this proves nothing. */
    assert_true(g.good > 1000 && g.refused > 1000 && g.damaged_good > 1000 &&
                g.damaged_refused > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_agree) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

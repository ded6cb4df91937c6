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
#include "wire/tests/random_message.h"
#include "wire/wire.h"

#define MESSAGES_PER_TYPE   60
#define DAMAGES_PER_MESSAGE 25
#define DAMAGE_ROOM         64
#define ARENA_BYTES_MAX     ((size_t)64 * 1024 * 1024)

struct figures {
    uint32_t good, refused, damaged_good, damaged_refused;
};

static void expect_same(const struct gen *g, const struct message_rules *rules, int scanned,
                        const struct wire_fault *of_scan, int checked,
                        const struct wire_fault *of_check)
{
    if (scanned == checked && (scanned == 0 || (!strcmp(of_scan->path, of_check->path) &&
                                                !strcmp(of_scan->reason, of_check->reason))))
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
static void try_damaged(struct gen *g, struct figures *n, const struct message_rules *rules,
                        const uint8_t *data, size_t size)
{
    struct wire_fault of_scan = { 0 }, of_check = { 0 };
    ProtobufCMessage *message;
    int scanned = wire_scan(rules, data, size, &of_scan);
    if (scanned == 0) {
        n->damaged_good++;
        assert_int_equal(wire_unpack(rules, &g->arena, data, size, &message, &of_check), 0);
        expect_same(g, rules, scanned, &of_scan, wire_check(rules, message, &of_check), &of_check);
        uint8_t *again;
        wire_pack(&g->arena, message, &again, &size);
        assert_int_equal(wire_scan(rules, again, size, &of_scan), 0);
        return;
    }
    n->damaged_refused++;
    bool only_in_bytes = !strcmp(of_scan.reason, "malformed") || !strcmp(of_scan.reason, "nul") ||
                         !strcmp(of_scan.reason, "too_many");
    message = only_in_bytes ? NULL : protobuf_c_message_unpack(rules->descriptor, NULL, size, data);
    if (!message)
        return;
    int checked = wire_check(rules, message, &of_check);
    expect_same(g, rules, scanned, &of_scan, checked, &of_check);
    protobuf_c_message_free_unpacked(message, NULL);
}

static void try_type(struct gen *g, struct figures *n, const struct message_rules *rules)
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
        *(checked == 0 ? &n->good : &n->refused) += 1;

        for (int j = 0; j < DAMAGES_PER_MESSAGE && size < 10000; j++) {
            uint8_t *room = arena_alloc(&g->arena, size + DAMAGE_ROOM);
            memcpy(room, data, size);
            size_t left = damage(g, room, size, size + DAMAGE_ROOM);
            /* Of exactly that size, so that a read behind it is seen by a sanitizer. */
            uint8_t *copy = malloc(left ? left : 1);
            memcpy(copy, room, left);
            try_damaged(g, n, rules, copy, left);
            free(copy);
        }
    }
}

static void test_agree(void **state)
{
    (void)state;
    struct gen g = { 0 };
    struct figures n = { 0 };
    gen_init(&g, ARENA_BYTES_MAX);

    for (int i = 0; contract_methods[i]; i++) {
        try_type(&g, &n, contract_methods[i]->request);
        try_type(&g, &n, contract_methods[i]->response);
    }
    for (int i = 0; contract_events[i]; i++)
        try_type(&g, &n, contract_events[i]->data);
    try_type(&g, &n, &request_head_rules);
    try_type(&g, &n, &response_head_rules);
    try_type(&g, &n, &pulse_rules);
    arena_clear(&g.arena);

    print_message("whole: %u good, %u refused; damaged: %u good, %u refused\n", n.good, n.refused,
                  n.damaged_good, n.damaged_refused);
    /* Both sides of the fence were visited, else this proves nothing. */
    assert_true(n.good > 1000 && n.refused > 1000 && n.damaged_good > 1000 &&
                n.damaged_refused > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_agree) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

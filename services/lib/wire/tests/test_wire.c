/* Unpacking into an arena, making, packing and digesting messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/sha.h"
#include "bytes.h"
#include "lujian/contract.lj.h"
#include "wire/wire.h"

static int setup(void **state)
{
    static struct arena arena;
    arena_init(&arena, 1024 * 1024);
    *state = &arena;
    return 0;
}

static int teardown(void **state)
{
    arena_clear(*state);
    return 0;
}

static void test_unpack_drops_unknown_fields(void **state)
{
    struct arena *arena = *state;
    struct buf caller = { 0 }, b = { 0 };
    put_text(&caller, 2, "13800000000");
    put_text(&caller, 99, "unknown, in depth");
    put_text(&b, 1, "s");
    put_text(&b, 2, "x");
    put_number(&b, 3, CHANNEL_WEB);
    put_number(&b, 5, COMPLAINT_TYPE_HELP);
    put_text(&b, 7, "t");
    put_text(&b, 8, "u");
    put_text(&b, 9, "37");
    put_bytes(&b, 13, caller.data, caller.size);
    put_text(&b, 77, "unknown");

    ProtobufCMessage *message;
    struct wire_fault fault;
    assert_int_equal(wire_unpack(&file_request_rules, arena, b.data, b.size, &message, &fault), 0);
    FileRequest *in = (FileRequest *)message;
    assert_string_equal(in->source, "s");
    assert_string_equal(in->category, ""); /* absent, and never NULL */
    assert_string_equal(in->caller->phone, "13800000000");
    assert_int_equal(in->caller->base.n_unknown_fields, 0);

    uint8_t *data;
    size_t size;
    wire_pack(arena, message, &data, &size);
    assert_null(memmem(data, size, "unknown", 7));
    buf_clear(&caller);
    buf_clear(&b);
}

static void test_unpack_stops_at_the_arenas_limit(void **state)
{
    (void)state;
    struct arena small;
    arena_init(&small, 8192);
    struct buf b = { 0 };
    char text[8192];
    memset(text, 'x', sizeof(text));
    put_text(&b, 1, "018f3a3e-7c2b-7def-8a11-0123456789ab");
    put_bytes(&b, 3, text, sizeof(text));

    ProtobufCMessage *message = NULL;
    struct wire_fault fault = { 0 };
    assert_int_equal(wire_unpack(&contact_request_rules, &small, b.data, b.size, &message, &fault),
                     ERR_TOO_LARGE);
    assert_null(message);
    assert_string_equal(fault.reason, "too_long");
    arena_clear(&small);
    buf_clear(&b);
}

static void test_unpack_leaves_result_alone_on_failure(void **state)
{
    ProtobufCMessage *message = (void *)0x1;
    struct wire_fault fault;
    assert_int_equal(wire_unpack(&get_request_rules, *state, NULL, 0, &message, &fault),
                     ERR_INVALID_ARGUMENT);
    assert_ptr_equal(message, (void *)0x1);
    assert_string_equal(fault.path, "id");
}

static void test_new_and_pack(void **state)
{
    struct arena *arena = *state;
    Complaint *c = wire_new(arena, &complaint_rules);
    assert_string_equal(c->title, "");
    assert_int_equal(c->n_clocks, 0);
    uint8_t *data;
    size_t size;
    wire_pack(arena, &c->base, &data, &size);
    assert_int_equal(size, 0);
    c->title = NULL; /* packs as absent */
    c->version = 7;
    wire_pack(arena, &c->base, &data, &size);
    assert_int_equal(size, 3);
    assert_memory_equal(data, "\x98\x01\x07", 3);
}

static void test_digest_is_of_method_and_known_fields(void **state)
{
    struct arena *arena = *state;
    uint8_t a[32], b[32], expected[32];
    SignRequest *in = wire_new(arena, &sign_request_rules);
    in->id = arena_strdup(arena, "1");
    wire_digest("complaints.sign", &in->base, a);
    sha256("complaints.sign\0\x0a\x01"
           "1",
           19, expected);
    assert_memory_equal(a, expected, 32);

    wire_digest("complaints.get", &in->base, b);
    assert_memory_not_equal(a, b, 32);
    in->id = arena_strdup(arena, "2");
    wire_digest("complaints.sign", &in->base, b);
    assert_memory_not_equal(a, b, 32);

    /* The same request with its fields in another order and something unknown. */
    struct buf one = { 0 }, two = { 0 };
    put_text(&one, 1, "registry");
    put_text(&one, 2, "x");
    put_text(&two, 55, "new");
    put_text(&two, 2, "x");
    put_text(&two, 1, "registry");
    ProtobufCMessage *m1, *m2;
    struct wire_fault fault;
    assert_int_equal(wire_unpack(&replay_request_rules, arena, one.data, one.size, &m1, &fault), 0);
    assert_int_equal(wire_unpack(&replay_request_rules, arena, two.data, two.size, &m2, &fault), 0);
    wire_digest("registry.replay", m1, a);
    wire_digest("registry.replay", m2, b);
    assert_memory_equal(a, b, 32);
    buf_clear(&one);
    buf_clear(&two);
}

static void test_string_of_field(void **state)
{
    SignRequest *in = wire_new(*state, &sign_request_rules);
    const ProtobufCFieldDescriptor *field = complaints_sign_method.subject;
    assert_string_equal(wire_string(&in->base, field), "");
    in->id = arena_strdup(*state, "here");
    assert_string_equal(wire_string(&in->base, field), "here");
    in->id = NULL;
    assert_string_equal(wire_string(&in->base, field), "");
}

static void test_the_contracts_tables(void **state)
{
    (void)state;
    const struct method_info *file = contract_method("complaints.file");
    assert_ptr_equal(file, &complaints_file_method);
    assert_string_equal(file->http_post, "/v1/complaints");
    assert_int_equal(file->roles, ROLE_BIT_HOTLINE);
    assert_true(file->creates && file->kind == METHOD_COMMAND);
    assert_string_equal(file->natural_key[0]->name, "source");
    assert_string_equal(file->natural_key[1]->name, "external_id");
    assert_null(file->natural_key[2]);
    assert_ptr_equal(contract_method("supervision.pull")->request, &pull_request_rules);
    assert_null(contract_method("complaints"));
    assert_null(contract_method("complaints.files"));
    assert_ptr_equal(contract_event("card.raised.v1")->data, &card_raised_rules);
    assert_null(contract_event("card.raised.v2"));
    for (int i = 0; contract_methods[i]; i++)
        assert_ptr_equal(contract_method(contract_methods[i]->name), contract_methods[i]);
    for (int i = 0; contract_events[i]; i++) {
        assert_ptr_equal(contract_event(contract_events[i]->type), contract_events[i]);
        assert_false(contract_events[i]->data->any_personal);
    }
    assert_true(complaint_rules.any_personal && list_response_rules.any_personal);
    assert_string_equal(clock_kind_names[CLOCK_KIND_REPLY], "reply");
    assert_string_equal(error_code_names[15], "");
    assert_string_equal(error_code_names[ERROR_CODE_CURSOR_MISMATCH], "cursor_mismatch");
    assert_null(error_code_names[ERROR_CODE_CURSOR_MISMATCH + 1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_unpack_drops_unknown_fields, setup, teardown),
        cmocka_unit_test(test_unpack_stops_at_the_arenas_limit),
        cmocka_unit_test_setup_teardown(test_unpack_leaves_result_alone_on_failure, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_new_and_pack, setup, teardown),
        cmocka_unit_test_setup_teardown(test_digest_is_of_method_and_known_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(test_string_of_field, setup, teardown),
        cmocka_unit_test(test_the_contracts_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

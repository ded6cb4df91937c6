/* Messages to JSON and back: shapes, hostile input, and random messages round trip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/util.h"
#include "lujian/contract.lj.h"
#include "wire/tests/random_message.h"
#include "json/json.h"

/* Reads from memory of exactly that size, so that a read behind it is seen by a sanitizer. */
static int read_json(const struct message_rules *rules, struct arena *arena, const char *text,
                     size_t size, void *ret_message, struct wire_fault *fault)
{
    char *exact = malloc(size ? size : 1);
    memcpy(exact, text, size);
    *fault = (struct wire_fault){ 0 };
    int r = json_to_message(rules, arena, exact, size, ret_message, fault);
    free(exact);
    return r;
}

static void test_reads_a_complaint(void **state)
{
    (void)state;
    static const char text[] =
        " {\"source\":\"jinan-12345\", \"external_id\":\"JN-1\",\"channel\" : \"phone\",\n"
        "\"received_at\":\"2026-11-24T04:00:00.123Z\",\"type\":\"complaint\",\"category\":null,"
        "\"title\":\"\\u566a\\u97f3\",\"text\":\"a\\nb\",\"division\":\"370102\",\"about_"
        "enforcement\":true,"
        "\"caller\":{\"name\":\"王\",\"phone\":\"13800000000\",\"wants_reply\":false}}\r\n";
    struct arena arena;
    struct wire_fault fault;
    FileRequest *in;
    arena_init(&arena, 0);
    assert_int_equal(read_json(&file_request_rules, &arena, text, sizeof(text) - 1, &in, &fault),
                     0);
    assert_string_equal(in->source, "jinan-12345");
    assert_int_equal(in->channel, CHANNEL_PHONE);
    assert_int_equal(in->received_at, 1795492800123);
    assert_string_equal(in->category, "");
    assert_string_equal(in->title, "噪音");
    assert_string_equal(in->text, "a\nb");
    assert_true(in->about_enforcement);
    assert_string_equal(in->caller->phone, "13800000000");
    assert_int_equal(in->urgency, URGENCY_UNSPECIFIED);
    assert_string_equal(in->place, "");
    assert_int_equal(wire_check(&file_request_rules, &in->base, &fault), 0);
    arena_clear(&arena);
}

static void test_writes_every_field(void **state)
{
    (void)state;
    struct arena arena;
    struct buf out = { 0 };
    arena_init(&arena, 0);
    json_from_message(&list_request_rules, wire_new(&arena, &list_request_rules), &out);
    assert_string_equal(buf_text(&out),
                        "{\"division\":\"\",\"state\":\"unspecified\",\"source\":\"\","
                        "\"external_id\":\"\",\"page_size\":null,\"page_token\":\"\"}");

    Clock clock = CLOCK_INIT;
    clock.id = "x";
    clock.kind = CLOCK_KIND_REPLY;
    clock.term = 1;
    clock.due_at = 1795536000000;
    clock.due_on = "2026-11-24";
    clock.state = CLOCK_STATE_RUNNING;
    buf_reset(&out);
    json_from_message(&clock_rules, &clock.base, &out);
    assert_string_equal(
        buf_text(&out),
        "{\"id\":\"x\",\"kind\":\"reply\",\"term\":1,\"started_at\":null,"
        "\"due_at\":\"2026-11-25T00:00:00+08:00\",\"due_on\":\"2026-11-24\","
        "\"provisional\":false,\"state\":\"running\",\"ended_at\":null,\"rule\":\"\","
        "\"basis_zh\":\"\",\"basis_en\":\"\"}");

    Complaint complaint = COMPLAINT_INIT;
    Clock *clocks[] = { &clock };
    complaint.n_clocks = 1;
    complaint.clocks = clocks;
    complaint.version = INT64_MAX;
    complaint.title = "a\"\\\n";
    buf_reset(&out);
    json_from_message(&complaint_rules, &complaint.base, &out);
    assert_non_null(strstr(buf_text(&out), "\"version\":\"9223372036854775807\""));
    assert_non_null(strstr(buf_text(&out), "\"title\":\"a\\\"\\\\\\n\""));
    assert_non_null(strstr(buf_text(&out), "\"caller\":null"));
    assert_non_null(strstr(buf_text(&out), "\"clocks\":[{\"id\":\"x\","));
    assert_non_null(strstr(buf_text(&out), "\"redo_count\":0"));

    Event event = EVENT_INIT;
    event.data = (ProtobufCBinaryData){ 2, (uint8_t *)"\xfb\xff" };
    buf_reset(&out);
    json_from_message(&event_rules, &event.base, &out);
    assert_non_null(strstr(buf_text(&out), "\"data\":\"+/8=\""));
    assert_non_null(strstr(buf_text(&out), "\"position\":\"0\""));
    buf_clear(&out);
    arena_clear(&arena);
}

/* What is refused: reason and path. `size` where strlen would stop too early. */
static const struct {
    const struct message_rules *rules;
    const char *json;
    size_t size;
    const char *path, *reason;
} REFUSED[] = {
    { &list_request_rules, "", 0, "", "malformed" },
    { &list_request_rules, "   ", 0, "", "malformed" },
    { &list_request_rules, "[]", 0, "", "bad_type" },
    { &list_request_rules, "null", 0, "", "bad_type" },
    { &list_request_rules, "{", 0, "", "malformed" },
    { &list_request_rules, "{\"division\"", 0, "division", "malformed" },
    { &list_request_rules, "{\"division\":", 0, "division", "malformed" },
    { &list_request_rules, "{\"division\":\"37\"", 0, "", "malformed" },
    { &list_request_rules, "{\"division\":\"37\",}", 0, "", "malformed" },
    { &list_request_rules, "{,}", 0, "", "malformed" },
    { &list_request_rules, "{division:\"37\"}", 0, "", "malformed" },
    { &list_request_rules, "{'division':\"37\"}", 0, "", "malformed" },
    { &list_request_rules, "{}{}", 0, "", "malformed" },
    { &list_request_rules, "{} x", 0, "", "malformed" },
    { &list_request_rules, "{}\0", 3, "", "malformed" },
    { &list_request_rules, "\xef\xbb\xbf{}", 0, "", "bad_type" },
    { &list_request_rules, "{} // c", 0, "", "malformed" },
    { &list_request_rules, "{\"division\":\"\xff\"}", 0, "", "bad_utf8" },
    { &list_request_rules, "{\"division\":\"\xed\xa0\x80\"}", 0, "", "bad_utf8" },
    { &list_request_rules, "{\"division\":\"\\u0000\"}", 0, "division", "nul" },
    { &list_request_rules, "{\"division\":\"\0\"}", 16, "division", "nul" },
    { &list_request_rules, "{\"division\":\"\\ud800\"}", 0, "division", "bad_utf8" },
    { &list_request_rules, "{\"division\":37}", 0, "division", "bad_type" },
    { &list_request_rules, "{\"division\":{}}", 0, "division", "bad_type" },
    { &list_request_rules, "{\"division\":[[[[[[[[]]]]]]]]}", 0, "division", "bad_type" },
    { &list_request_rules, "{\"division\":\"37\",\"division\":\"37\"}", 0, "division",
      "duplicate_key" },
    { &list_request_rules, "{\"division\":null,\"division\":\"37\"}", 0, "division",
      "duplicate_key" },
    { &list_request_rules, "{\"division\":\"37\",\"d\\u0069vision\":\"37\"}", 0, "division",
      "duplicate_key" },
    { &list_request_rules, "{\"nonsense\":{\"a\":1}}", 0, "nonsense", "unknown_field" },
    { &list_request_rules, "{\"Division\":\"37\"}", 0, "", "unknown_field" },
    { &list_request_rules, "{\"13800000000\":\"37\"}", 0, "", "unknown_field" },
    { &list_request_rules, "{\"\":\"37\"}", 0, "", "unknown_field" },
    { &list_request_rules, "{\"pageSize\":1}", 0, "", "unknown_field" },
    { &list_request_rules, "{\"state\":\"SIGNED\"}", 0, "state", "unknown_enum" },
    { &list_request_rules, "{\"state\":\"\"}", 0, "state", "unknown_enum" },
    { &list_request_rules, "{\"state\":6}", 0, "state", "bad_type" },
    { &list_request_rules, "{\"page_size\":\"5\"}", 0, "page_size", "bad_type" },
    { &list_request_rules, "{\"page_size\":5.0}", 0, "page_size", "bad_type" },
    { &list_request_rules, "{\"page_size\":5e0}", 0, "page_size", "bad_type" },
    { &list_request_rules, "{\"page_size\":05}", 0, "page_size", "malformed" },
    { &list_request_rules, "{\"page_size\":-1}", 0, "page_size", "out_of_range" },
    { &list_request_rules, "{\"page_size\":4294967296}", 0, "page_size", "out_of_range" },
    { &list_request_rules, "{\"page_size\":99999999999999999999999}", 0, "page_size",
      "out_of_range" },
    { &list_request_rules, "{\"page_size\":true}", 0, "page_size", "bad_type" },
    { &pulse_rules, "{\"head\":9223372036854775808}", 0, "head", "out_of_range" },
    { &pulse_rules, "{\"head\":\"-9223372036854775809\"}", 0, "head", "out_of_range" },
    { &pulse_rules, "{\"head\":\"\"}", 0, "head", "bad_type" },
    { &pulse_rules, "{\"head\":\" 1\"}", 0, "head", "bad_type" },
    { &pulse_rules, "{\"head\":\"+1\"}", 0, "head", "bad_type" },
    { &pulse_rules, "{\"head\":\"01\"}", 0, "head", "bad_type" },
    { &pulse_rules, "{\"head\":\"1e3\"}", 0, "head", "bad_type" },
    { &pulse_rules, "{\"head\":1.0}", 0, "head", "bad_type" },
    { &pulse_rules, "{\"draining\":1}", 0, "draining", "bad_type" },
    { &pulse_rules, "{\"draining\":\"true\"}", 0, "draining", "bad_type" },
    { &pulse_rules, "{\"draining\":tru}", 0, "draining", "bad_type" },
    { &pulse_rules, "{\"draining\":truefalse}", 0, "", "malformed" },
    { &request_head_rules, "{\"id\":-1}", 0, "id", "out_of_range" },
    { &request_head_rules, "{\"id\":18446744073709551616}", 0, "id", "out_of_range" },
    { &file_request_rules, "{\"received_at\":1795492800123}", 0, "received_at", "bad_type" },
    { &file_request_rules, "{\"received_at\":\"2026-02-30T00:00:00Z\"}", 0, "received_at",
      "bad_pattern" },
    { &file_request_rules, "{\"received_at\":\"2026-11-24 04:00:00Z\"}", 0, "received_at",
      "bad_pattern" },
    { &file_request_rules, "{\"received_at\":\"2026-11-24T04:00:00\"}", 0, "received_at",
      "bad_pattern" },
    { &file_request_rules, "{\"received_at\":\"\"}", 0, "received_at", "bad_pattern" },
    { &file_request_rules, "{\"caller\":{\"phone\":1}}", 0, "caller.phone", "bad_type" },
    { &file_request_rules, "{\"caller\":{\"fax\":\"1\"}}", 0, "caller.fax", "unknown_field" },
    { &file_request_rules, "{\"caller\":[]}", 0, "caller", "bad_type" },
    { &pull_request_rules, "{\"types\":\"a.b.v1\"}", 0, "types", "bad_type" },
    { &pull_request_rules, "{\"types\":[\"a\",null]}", 0, "types[1]", "bad_type" },
    { &pull_request_rules, "{\"types\":[\"a\",]}", 0, "types[1]", "bad_type" },
    { &pull_request_rules, "{\"types\":[\"a\"}", 0, "types", "malformed" },
    { &pull_request_rules, "{\"types\":[\"a\"", 0, "types", "malformed" },
    { &load_request_rules, "{\"rows\":[{},{\"division\":{\"level\":\"moon\"}}]}", 0,
      "rows[1].division.level", "unknown_enum" },
    { &reference_row_rules, "{\"division\":{},\"unit\":{}}", 0, "unit", "malformed" },
    { &event_rules, "{\"data\":\"Zg=\"}", 0, "data", "bad_pattern" },
};

static void test_refuses(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 0);
    for (size_t i = 0; i < ARRAY_LEN(REFUSED); i++) {
        void *message = &arena; /* anything */
        struct wire_fault fault;
        size_t size = REFUSED[i].size ? REFUSED[i].size : strlen(REFUSED[i].json);
        int r = read_json(REFUSED[i].rules, &arena, REFUSED[i].json, size, &message, &fault);
        if (r != ERR_INVALID_ARGUMENT || strcmp(fault.path, REFUSED[i].path) != 0 ||
            strcmp(fault.reason, REFUSED[i].reason) != 0)
            fail_msg("%s: expected \"%s\" %s, got %d \"%s\" %s", REFUSED[i].json, REFUSED[i].path,
                     REFUSED[i].reason, r, fault.path, fault.reason ? fault.reason : "-");
        assert_ptr_equal(message, &arena); /* untouched */
        assert_int_equal(err_last()->code, ERR_INVALID_ARGUMENT);
    }
    arena_clear(&arena);
}

static void test_accepts(void **state)
{
    (void)state;
    static const struct {
        const struct message_rules *rules;
        const char *json;
    } cases[] = {
        { &pulse_rules, "{}" },
        { &pulse_rules, "{\"head\":9223372036854775807,\"epoch\":\"-9223372036854775808\"}" },
        { &pulse_rules, "{\"head\":-0,\"draining\":null}" },
        { &request_head_rules, "{\"id\":18446744073709551615,\"budget_ms\":4294967295}" },
        { &list_request_rules, "{\"state\":\"unspecified\",\"page_size\":null}" },
        { &pull_request_rules, "{\"types\":[],\"limit\":0}" },
        { &reference_row_rules, "{\"division\":null,\"unit\":{}}" },
        { &file_request_rules, "{\"received_at\":\"2026-11-24T12:00:00.123456+08:00\"}" },
    };
    struct arena arena;
    arena_init(&arena, 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        ProtobufCMessage *message;
        struct wire_fault fault;
        print_message("%s\n", cases[i].json);
        assert_int_equal(read_json(cases[i].rules, &arena, cases[i].json, strlen(cases[i].json),
                                   &message, &fault),
                         0);
    }
    PullRequest *pull;
    struct wire_fault fault;
    assert_int_equal(read_json(&pull_request_rules, &arena, "{\"limit\":0}", 11, &pull, &fault), 0);
    assert_int_equal(pull->limit_choice_case,
                     PULL_REQUEST_LIMIT_CHOICE_LIMIT); /* present, and so refused later */
    arena_clear(&arena);
}

static void test_sizes(void **state)
{
    (void)state;
    struct arena arena;
    struct wire_fault fault;
    void *message;
    struct buf text = { 0 };
    arena_init(&arena, 64 * 1024);
    buf_add_text(&text, "{}");
    while (text.size < JSON_BYTES_MAX)
        buf_add_char(&text, ' ');
    assert_int_equal(json_to_message(&list_request_rules, &arena, buf_text(&text), text.size,
                                     (void *)&message, &fault),
                     0);
    buf_add_char(&text, ' ');
    assert_int_equal(json_to_message(&list_request_rules, &arena, buf_text(&text), text.size,
                                     (void *)&message, &fault),
                     ERR_TOO_LARGE);
    assert_string_equal(fault.reason, "too_long");

    /* A string that the arena may not hold. */
    buf_reset(&text);
    buf_add_text(&text, "{\"division\":\"");
    while (text.size < 100000)
        buf_add_char(&text, 'x');
    buf_add_text(&text, "\"}");
    assert_int_equal(json_to_message(&list_request_rules, &arena, buf_text(&text), text.size,
                                     (void *)&message, &fault),
                     ERR_INVALID_ARGUMENT);
    assert_string_equal(fault.path, "division");

    /* Items that the arena may not hold. */
    struct arena small;
    arena_init(&small, 2048);
    buf_reset(&text);
    buf_add_text(&text, "{\"rows\":[{}");
    while (text.size < 1000)
        buf_add_text(&text, ",{}");
    buf_add_text(&text, "]}");
    assert_int_equal(json_to_message(&load_request_rules, &small, buf_text(&text), text.size,
                                     (void *)&message, &fault),
                     ERR_INVALID_ARGUMENT);
    assert_string_equal(fault.reason, "too_long");
    arena_clear(&small);

    /* One item more than the contract allows; the rest is not even looked at. */
    struct buf many = { 0 };
    buf_add_text(&many, "{\"types\":[");
    for (int i = 0; i < 33; i++)
        buf_printf(&many, "%s\"a\"", i ? "," : "");
    buf_add_text(&many, ",nonsense");
    assert_int_equal(json_to_message(&pull_request_rules, &arena, buf_text(&many), many.size,
                                     (void *)&message, &fault),
                     ERR_INVALID_ARGUMENT);
    assert_string_equal(fault.path, "types");
    assert_string_equal(fault.reason, "too_many");
    buf_clear(&many);
    buf_clear(&text);
    arena_clear(&arena);
}

/* A message that the rules let pass comes back from JSON as it was; one cut anywhere never does
 * harm. */
static void round_trip(struct gen *g, const struct message_rules *rules,
                       const ProtobufCMessage *message)
{
    struct buf json = { 0 }, again = { 0 };
    struct wire_fault fault;
    ProtobufCMessage *back;
    uint8_t *a, *b;
    size_t a_size, b_size;
    json_from_message(rules, message, &json);
    int r = read_json(rules, &g->arena, buf_text(&json), json.size, &back, &fault);
    if (r < 0)
        fail_msg("seed %llu: %s %s in %s", (unsigned long long)g->seed, fault.path, fault.reason,
                 buf_text(&json));
    wire_pack(&g->arena, message, &a, &a_size);
    wire_pack(&g->arena, back, &b, &b_size);
    assert_int_equal(a_size, b_size);
    assert_memory_equal(a, b, a_size);
    json_from_message(rules, back, &again);
    assert_string_equal(buf_text(&again), buf_text(&json));

    for (int i = 0; i < 10; i++) {
        size_t cut = roll(g, (uint32_t)json.size);
        assert_true(read_json(rules, &g->arena, buf_text(&json), cut, &back, &fault) < 0);
        json.data[cut] ^= (uint8_t)(1u << roll(g, 8));
        read_json(rules, &g->arena, buf_text(&json), json.size, &back, &fault);
    }
    buf_clear(&json);
    buf_clear(&again);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct gen g = { 0 };
    gen_init(&g, 0);
    uint32_t done = 0;
    for (int i = 0; contract_methods[i]; i++) {
        const struct message_rules *types[] = { contract_methods[i]->request,
                                                contract_methods[i]->response };
        for (int j = 0; j < 200; j++) {
            arena_reset(&g.arena);
            ProtobufCMessage *message = random_message(&g, types[j % 2]);
            struct wire_fault fault;
            if (wire_check(types[j % 2], message, &fault) == 0) {
                round_trip(&g, types[j % 2], message);
                done++;
            }
        }
    }
    arena_clear(&g.arena);
    print_message("%u messages\n", done);
    assert_true(done > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_a_complaint),
        cmocka_unit_test(test_writes_every_field),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

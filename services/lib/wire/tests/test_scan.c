/* The scan on bytes written by hand: every reason, with its path and its code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/util.h"
#include "bytes.h"
#include "lujian/contract.lj.h"
#include "wire/wire.h"

#define ID "018f3a3e-7c2b-7def-8a11-0123456789ab"

/* Scans from memory of exactly that size, so that a read behind it is seen by a sanitizer. */
static int scan(const struct message_rules *rules, struct buf *b, struct wire_fault *fault)
{
    uint8_t *exact = malloc(b->size ? b->size : 1);
    if (b->size)
        memcpy(exact, b->data, b->size);
    *fault = (struct wire_fault){ 0 };
    int r = wire_scan(rules, exact, b->size, fault);
    free(exact);
    buf_clear(b);
    return r;
}

static void expect(const struct message_rules *rules, struct buf *b, int code, const char *path,
                   const char *reason)
{
    struct wire_fault fault;
    int r = scan(rules, b, &fault);
    if (r != code || strcmp(fault.path, path) != 0 || !fault.reason ||
        strcmp(fault.reason, reason) != 0)
        fail_msg("expected %d at \"%s\": %s, got %d at \"%s\": %s", code, path, reason, r,
                 fault.path, fault.reason ? fault.reason : "-");
    assert_int_equal(err_last()->code, code);
}

static void accept(const struct message_rules *rules, struct buf *b)
{
    struct wire_fault fault;
    if (scan(rules, b, &fault) != 0)
        fail_msg("refused at \"%s\": %s", fault.path, fault.reason);
}

/* A FileRequest with all that is required. */
static void put_file(struct buf *b)
{
    put_text(b, 1, "jinan-12345");
    put_text(b, 2, "JN-1");
    put_number(b, 3, CHANNEL_PHONE);
    put_number(b, 5, COMPLAINT_TYPE_COMPLAINT);
    put_text(b, 7, "夜间施工噪音");
    put_text(b, 8, "第一行\n第二行\r\n\t第三行");
    put_text(b, 9, "370102");
}

static void test_accepts(void **state)
{
    (void)state;
    struct buf b = { 0 };
    put_file(&b);
    accept(&file_request_rules, &b);

    /* Unknown fields of every wire type that is no group. */
    put_file(&b);
    put_number(&b, 500, 7);
    put_text(&b, 501, "\xff\xfe");
    put_tag(&b, 502, 5);
    buf_add(&b, "1234", 4);
    put_tag(&b, 536870911, 1);
    buf_add(&b, "12345678", 8);
    accept(&file_request_rules, &b);

    /* Only the last occurrence of a scalar counts. */
    put_text(&b, 1, "not a uuid");
    put_text(&b, 1, ID);
    accept(&get_request_rules, &b);

    /* A number written longer than needed. */
    put_text(&b, 1, "registry");
    put_text(&b, 2, "a");
    buf_add(&b, "\x98\x80\x00\x81\x80\x80\x00", 7);
    accept(&replay_request_rules, &b);

    accept(&ping_request_rules, &b);
}

static void test_required(void **state)
{
    (void)state;
    static const struct {
        uint32_t skip;
        const char *name;
    } cases[] = { { 1, "source" }, { 2, "external_id" }, { 3, "channel" }, { 5, "type" },
                  { 7, "title" },  { 8, "text" },        { 9, "division" } };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b = { 0 };
        if (cases[i].skip != 1)
            put_text(&b, 1, "s");
        if (cases[i].skip != 2)
            put_text(&b, 2, "x");
        if (cases[i].skip != 3)
            put_number(&b, 3, 1);
        if (cases[i].skip != 5)
            put_number(&b, 5, 1);
        if (cases[i].skip != 7)
            put_text(&b, 7, "t");
        if (cases[i].skip != 8)
            put_text(&b, 8, "t");
        if (cases[i].skip != 9)
            put_text(&b, 9, "37");
        expect(&file_request_rules, &b, ERR_INVALID_ARGUMENT, cases[i].name, "required");
    }
    struct buf b = { 0 };
    put_file(&b);
    put_text(&b, 1, ""); /* the last one is empty */
    expect(&file_request_rules, &b, ERR_INVALID_ARGUMENT, "source", "required");
    put_text(&b, 1, ID);
    put_text(&b, 3, "why");
    expect(&extend_request_rules, &b, ERR_INVALID_ARGUMENT, "working_days", "required");
}

static void test_texts(void **state)
{
    (void)state;
    static const struct {
        uint32_t field;
        const char *path;
        const char *text;
        size_t length;
        const char *reason; /* NULL = fine */
    } cases[] = {
        { 7, "title", "a\0b", 3, "nul" },
        { 7, "title", "\xff", 1, "bad_utf8" },
        { 7, "title", "\xc0\xaf", 2, "bad_utf8" },
        { 7, "title", "\xed\xa0\x80", 3, "bad_utf8" },
        { 7, "title", "\xe4\xb8", 2, "bad_utf8" },
        { 7, "title", "\xf4\x90\x80\x80", 4, "bad_utf8" },
        { 7, "title", "a\nb", 3, "control_character" },
        { 7, "title", "a\tb", 3, "control_character" },
        { 7, "title", "a\x1b[31m", 6, "control_character" },
        { 7, "title", "a\x7f", 2, "control_character" },
        { 7, "title", "\xc2\x85", 2, "control_character" },
        { 7, "title", "\xc2\xa0", 2, NULL },
        { 7, "title", "\xf0\x9f\x99\x8f", 4, NULL },
        { 8, "text", "a\n\r\tb", 5, NULL },
        { 8, "text", "a\vb", 3, "control_character" },
        { 8, "text", "a\xc2\x9f", 3, "control_character" },
        { 9, "division", "37010", 5, "bad_pattern" },
        { 9, "division", "3701020010021", 13, "bad_pattern" },
        { 1, "source", "jinan 12345", 11, "bad_pattern" },
        { 2, "external_id", "编号", 6, "bad_pattern" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b = { 0 };
        put_file(&b);
        put_bytes(&b, cases[i].field, cases[i].text, cases[i].length);
        if (cases[i].reason)
            expect(&file_request_rules, &b, ERR_INVALID_ARGUMENT, cases[i].path, cases[i].reason);
        else
            accept(&file_request_rules, &b);
    }
}

static void test_sizes(void **state)
{
    (void)state;
    char *text = malloc(65537);
    memset(text, 'x', 65537);
    struct buf b = { 0 };
    put_file(&b);
    put_bytes(&b, 8, text, 65536);
    accept(&file_request_rules, &b);
    put_file(&b);
    put_bytes(&b, 8, text, 65537);
    expect(&file_request_rules, &b, ERR_INVALID_ARGUMENT, "text", "too_long");

    for (int i = 0; i < 32; i++)
        put_text(&b, 3, "a.b.v1");
    accept(&pull_request_rules, &b);
    for (int i = 0; i < 33; i++)
        put_text(&b, 3, "a.b.v1");
    expect(&pull_request_rules, &b, ERR_INVALID_ARGUMENT, "types", "too_many");
    free(text);
}

static void test_numbers_and_enums(void **state)
{
    (void)state;
    struct buf b = { 0 };
    put_file(&b);
    put_number(&b, 3, 12);
    expect(&file_request_rules, &b, ERR_INVALID_ARGUMENT, "channel", "unknown_enum");
    put_file(&b);
    put_number(&b, 3, UINT64_MAX); /* -1 */
    expect(&file_request_rules, &b, ERR_INVALID_ARGUMENT, "channel", "unknown_enum");
    put_file(&b);
    put_number(&b, 3, (UINT64_C(1) << 32) + 1); /* protobuf-c would read 1 */
    expect(&file_request_rules, &b, ERR_INVALID_ARGUMENT, "channel", "malformed");
    put_number(&b, 1, 15); /* the gap among the error codes */
    expect(&problem_rules, &b, ERR_INVALID_ARGUMENT, "error", "unknown_enum");

    put_number(&b, 5, 0); /* an unset page_size is fine, an explicit 0 is not */
    expect(&list_request_rules, &b, ERR_INVALID_ARGUMENT, "page_size", "out_of_range");
    put_number(&b, 5, 201);
    expect(&list_request_rules, &b, ERR_INVALID_ARGUMENT, "page_size", "out_of_range");
    put_number(&b, 5, 200);
    accept(&list_request_rules, &b);
    put_number(&b, 5, UINT64_C(1) << 32);
    expect(&list_request_rules, &b, ERR_INVALID_ARGUMENT, "page_size", "malformed");

    put_text(&b, 2, "a notice of year 0"); /* below its least, absent or not */
    expect(&calendar_notice_rules, &b, ERR_INVALID_ARGUMENT, "year", "out_of_range");
    put_number(&b, 2, 10001);
    expect(&credit_request_rules, &b, ERR_INVALID_ARGUMENT, "credit", "out_of_range");
    put_file(&b);
    put_number(&b, 4, (uint64_t)-1); /* received_at before 1970 */
    expect(&file_request_rules, &b, ERR_INVALID_ARGUMENT, "received_at", "out_of_range");
    put_number(&b, 7,
               (uint64_t)INT64_MAX); /* no bounds of its own, but an instant of no calendar */
    expect(&event_rules, &b, ERR_INVALID_ARGUMENT, "time", "out_of_range");
}

/* Rules that no message of the contract has today, on descriptors that it has. */
static void test_rules_of_no_message(void **state)
{
    (void)state;
    static const struct field_rule types[] = {
        { .bytes_max = 64 },
        { .bytes_max = 12 },
        { .bytes_max = 64, .items_max = 2, .required = true },
        { .min = 1, .max = 1000 },
    };
    static const struct message_rules pull = { "Pull", &lujian__bus__v1__pull_request__descriptor,
                                               types, false };
    struct buf b = { 0 };
    expect(&pull, &b, ERR_INVALID_ARGUMENT, "types", "required");
    put_text(&b, 3, "a");
    accept(&pull, &b);

    static const struct field_rule feed[] = { { .min = 1, .max = INT64_MAX } };
    static const struct message_rules unfollow = { "Unfollow",
                                                   &lujian__bus__v1__unfollow_request__descriptor,
                                                   feed, false };
    put_number(&b, 1, INT64_MAX);
    accept(&unfollow, &b);
    put_number(&b, 1, (uint64_t)INT64_MAX + 1); /* as an int64 it would be negative */
    expect(&unfollow, &b, ERR_INVALID_ARGUMENT, "feed", "out_of_range");
    static const struct field_rule negative[] = { { .min = -5, .max = 5 } };
    static const struct message_rules low = { "Low", &lujian__bus__v1__unfollow_request__descriptor,
                                              negative, false };
    put_number(&b, 1, UINT64_MAX); /* not -1 */
    expect(&low, &b, ERR_INVALID_ARGUMENT, "feed", "out_of_range");
}

static void test_paths(void **state)
{
    (void)state;
    struct buf day = { 0 }, notice = { 0 }, row = { 0 }, b = { 0 };
    put_text(&day, 1, "2026-02-30");
    put_number(&day, 2, DAY_KIND_OFF);
    put_number(&notice, 1, 2026);
    put_text(&notice, 2, "n");
    put_text(&notice, 3, "t");
    put_bytes(&notice, 6, day.data, day.size);
    put_bytes(&row, 5, notice.data, notice.size);
    put_bytes(&b, 1, NULL, 0);
    put_bytes(&b, 1, row.data, row.size);
    expect(&load_request_rules, &b, ERR_INVALID_ARGUMENT, "rows[1].calendar_notice.days[0].day",
           "bad_pattern");

    put_number(&b, 4, 1); /* roles, unpacked and packed, are one list */
    put_bytes(&b, 4, "\x02\x09", 2);
    put_text(&b, 1, "p");
    put_text(&b, 2, "k");
    expect(&principal_rules, &b, ERR_INVALID_ARGUMENT, "roles[2]", "unknown_enum");

    buf_clear(&day);
    buf_clear(&notice);
    buf_clear(&row);
}

static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        const char *bytes;
        size_t size;
        const char *path;
    } cases[] = {
        { "tag cut", "\x8a", 1, "" },
        { "length cut", "\x0a", 1, "" },
        { "shorter than its length",
          "\x0a\x05"
          "abc",
          5, "" },
        { "length of 2^32 - 1", "\x0a\xff\xff\xff\xff\x0f", 6, "" },
        { "length of six bytes", "\x0a\x80\x80\x80\x80\x80\x00", 7, "" },
        { "number 0", "\x02\x00", 2, "" },
        { "number above 2^29 - 1", "\x82\x80\x80\x80\x20\x00", 6, "" },
        { "group", "\x0b\x0c", 2, "" },
        { "end of a group", "\x0c", 1, "" },
        { "wire type 6", "\x0e", 1, "" },
        { "unknown field cut",
          "\xfd\x1f"
          "123",
          5, "" },
        { "varint of eleven bytes", "\x90\x1f\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 13,
          "" },
        { "varint above 64 bits", "\x90\x1f\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 12, "" },
        { "string as a varint", "\x08\x01", 2, "division" },
        { "enum as a string",
          "\x12\x01"
          "a",
          3, "state" },
        { "number as fixed32",
          "\x2d"
          "1234",
          5, "page_size" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf b = { 0 };
        print_message("%s\n", cases[i].what);
        buf_add(&b, cases[i].bytes, cases[i].size);
        expect(&list_request_rules, &b, ERR_INVALID_ARGUMENT, cases[i].path, "malformed");
    }
    struct buf b = { 0 };
    put_file(&b);
    put_text(&b, 13, "");
    put_text(&b, 13, "");
    expect(&file_request_rules, &b, ERR_INVALID_ARGUMENT, "caller", "malformed");
    put_file(&b);
    put_text(&b, 13, "\x0a\x05");
    expect(&file_request_rules, &b, ERR_INVALID_ARGUMENT, "caller", "malformed");
    put_text(&b, 4, "\x80"); /* a packed run cut */
    expect(&principal_rules, &b, ERR_INVALID_ARGUMENT, "roles", "malformed");
    put_text(&b, 4, "\x81\x80\x80\x80\x10"); /* 2^32 + 1 in a packed run */
    expect(&principal_rules, &b, ERR_INVALID_ARGUMENT, "roles", "malformed");
    put_text(&b, 1, ""); /* two members of one oneof */
    put_text(&b, 2, "");
    expect(&reference_row_rules, &b, ERR_INVALID_ARGUMENT, "unit", "malformed");
}

/* Every cut of a good message is refused or is a shorter good message; none reads behind its end.
 */
static void test_every_cut(void **state)
{
    (void)state;
    struct buf whole = { 0 };
    put_file(&whole);
    put_text(&whole, 13,
             "\x0a\x03\xe7\x8e\x8b\x12\x0b"
             "13800000000");
    for (size_t size = 0; size < whole.size; size++) {
        struct buf b = { 0 };
        struct wire_fault fault;
        buf_add(&b, whole.data, size);
        int r = scan(&file_request_rules, &b, &fault);
        assert_true(r == ERR_INVALID_ARGUMENT || (r == 0 && whole.data[size] == (13 << 3 | 2)));
    }
    buf_clear(&whole);
}

static void test_unknown_fields_have_a_limit(void **state)
{
    (void)state;
    struct buf b = { 0 };
    for (int i = 0; i < WIRE_UNKNOWN_MAX; i++)
        put_number(&b, 900, 1);
    accept(&ping_request_rules, &b);
    for (int i = 0; i <= WIRE_UNKNOWN_MAX; i++)
        put_number(&b, 900, 1);
    expect(&ping_request_rules, &b, ERR_TOO_LARGE, "", "too_many");
}

static void test_fields_have_a_limit(void **state)
{
    (void)state;
    struct buf b = { 0 };
    for (int i = 0; i <= WIRE_FIELDS_MAX; i++)
        put_number(&b, 1, 1);
    expect(&unfollow_request_rules, &b, ERR_TOO_LARGE, "", "too_many");
    /* The same in depth: no single message has too many. */
    struct buf row = { 0 };
    for (int i = 0; i < WIRE_FIELDS_MAX / 1000; i++)
        put_number(&row, 1, 1);
    for (int i = 0; i < 1000; i++)
        put_bytes(&b, 3, row.data, row.size);
    expect(&load_response_rules, &b, ERR_TOO_LARGE, "faults[990]", "too_many");
    buf_clear(&row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_required),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_numbers_and_enums),
        cmocka_unit_test(test_rules_of_no_message),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_unknown_fields_have_a_limit),
        cmocka_unit_test(test_fields_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

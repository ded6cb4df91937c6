/* The named shapes of strings: what is in and what is just out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "wire/wire.h"

static const struct {
    enum wire_pattern pattern;
    const char *text;
    bool matches;
} CASES[] = {
    { WIRE_PATTERN_NONE, "", true },
    { WIRE_PATTERN_NONE, "任何 text", true },
    { WIRE_PATTERN_UUID, "018f3a3e-7c2b-7def-8a11-0123456789ab", true },
    { WIRE_PATTERN_UUID, "018F3A3E-7C2B-7DEF-8A11-0123456789AB", false },
    { WIRE_PATTERN_UUID, "018f3a3e-7c2b-7def-8a11-0123456789a", false },
    { WIRE_PATTERN_UUID, "018f3a3e-7c2b-7def-8a11-0123456789abc", false },
    { WIRE_PATTERN_UUID, "018f3a3e07c2b07def08a1100123456789ab", false },
    { WIRE_PATTERN_UUID, "018f3a3e-7c2b-7def-8a11-0123456789ag", false },
    { WIRE_PATTERN_UUID, "", false },
    { WIRE_PATTERN_CODE, "jinan-12345", true },
    { WIRE_PATTERN_CODE, "azAZ09", true },
    { WIRE_PATTERN_CODE, "zz", true },
    { WIRE_PATTERN_CODE, "ZZ", true },
    { WIRE_PATTERN_CODE, "a`", false },
    { WIRE_PATTERN_CODE, "a{", false },
    { WIRE_PATTERN_CODE, "a[", false },
    { WIRE_PATTERN_CODE, "a", true },
    { WIRE_PATTERN_CODE, "test-*", true },
    { WIRE_PATTERN_CODE, "A0._:@/|*-", true },
    { WIRE_PATTERN_CODE, "-leading", false },
    { WIRE_PATTERN_CODE, "with space", false },
    { WIRE_PATTERN_CODE, "城管", false },
    { WIRE_PATTERN_CODE, "a;b", false },
    { WIRE_PATTERN_CODE, "", false },
    { WIRE_PATTERN_DIVISION, "37", true },
    { WIRE_PATTERN_DIVISION, "3701", true },
    { WIRE_PATTERN_DIVISION, "370102", true },
    { WIRE_PATTERN_DIVISION, "370102001", true },
    { WIRE_PATTERN_DIVISION, "370102001002", true },
    { WIRE_PATTERN_DIVISION, "3", false },
    { WIRE_PATTERN_DIVISION, "370", false },
    { WIRE_PATTERN_DIVISION, "37010", false },
    { WIRE_PATTERN_DIVISION, "37010a", false },
    { WIRE_PATTERN_DIVISION, "3701020010021", false },
    { WIRE_PATTERN_DATE, "2026-02-28", true },
    { WIRE_PATTERN_DATE, "2024-02-29", true },
    { WIRE_PATTERN_DATE, "2026-02-29", false },
    { WIRE_PATTERN_DATE, "2026-13-01", false },
    { WIRE_PATTERN_DATE, "2026-00-01", false },
    { WIRE_PATTERN_DATE, "2026-1-01", false },
    { WIRE_PATTERN_DATE, "2026-01-011", false },
    { WIRE_PATTERN_DATE, "2026/01/01", false },
    { WIRE_PATTERN_CURSOR, "complaints:1:0", true },
    { WIRE_PATTERN_CURSOR, "a_1z:1:0", true },
    { WIRE_PATTERN_CURSOR, "1a:1:0", false },
    { WIRE_PATTERN_CURSOR, "complaints.1:2", false },
    { WIRE_PATTERN_CURSOR, "complaints:1.2", false },
    { WIRE_PATTERN_CURSOR, "complaints", false },
    { WIRE_PATTERN_CURSOR, "_a:1:0", false },
    { WIRE_PATTERN_CURSOR, "complaints:0:9223372036854775807", true },
    { WIRE_PATTERN_CURSOR, "complaints:1:9223372036854775808", false },
    { WIRE_PATTERN_CURSOR, "complaints:1:99999999999999999999", false },
    { WIRE_PATTERN_CURSOR, "complaints:01:1", false },
    { WIRE_PATTERN_CURSOR, "complaints:1:", false },
    { WIRE_PATTERN_CURSOR, "complaints:1", false },
    { WIRE_PATTERN_CURSOR, "complaints::1", false },
    { WIRE_PATTERN_CURSOR, ":1:1", false },
    { WIRE_PATTERN_CURSOR, "complaints:1:1:", false },
    { WIRE_PATTERN_CURSOR, "complaints:1:-1", false },
    { WIRE_PATTERN_CURSOR, "Complaints:1:1", false },
    { WIRE_PATTERN_EVENT_TYPE, "complaint.filed.v1", true },
    { WIRE_PATTERN_EVENT_TYPE, "clock.rung_reached.v12", true },
    { WIRE_PATTERN_EVENT_TYPE, "a.b.c.v1", true },
    { WIRE_PATTERN_EVENT_TYPE, "complaint.v1", false },
    { WIRE_PATTERN_EVENT_TYPE, "complaint-x.filed.v1", false },
    { WIRE_PATTERN_EVENT_TYPE, "complaint.filed", false },
    { WIRE_PATTERN_EVENT_TYPE, "complaint.filed.v", false },
    { WIRE_PATTERN_EVENT_TYPE, "complaint.filed.v1a", false },
    { WIRE_PATTERN_EVENT_TYPE, "complaint.filed.v1.", false },
    { WIRE_PATTERN_EVENT_TYPE, "complaint..filed.v1", false },
    { WIRE_PATTERN_EVENT_TYPE, ".complaint.filed.v1", false },
    { WIRE_PATTERN_EVENT_TYPE, "Complaint.filed.v1", false },
    { WIRE_PATTERN_HEX, "00ff", true },
    { WIRE_PATTERN_HEX, "00fF", false },
    { WIRE_PATTERN_HEX, "0", false },
    { WIRE_PATTERN_HEX, "", false },
    { WIRE_PATTERN_KEY, "!~a#1", true },
    { WIRE_PATTERN_KEY, "a b", false },
    { WIRE_PATTERN_KEY, "a\x7f", false },
    { WIRE_PATTERN_KEY, "号", false },
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        /* From memory of exactly that size: a pattern must not read behind its text. */
        size_t length = strlen(CASES[i].text);
        char *exact = malloc(length ? length : 1);
        memcpy(exact, CASES[i].text, length);
        if (wire_pattern_matches(CASES[i].pattern, exact, length) != CASES[i].matches)
            fail_msg("pattern %d on \"%s\": expected %d", CASES[i].pattern, CASES[i].text,
                     CASES[i].matches);
        free(exact);
    }
}

static void test_nul_never_matches(void **state)
{
    (void)state;
    assert_false(wire_pattern_matches(WIRE_PATTERN_CODE, "a\0b", 3));
    assert_false(wire_pattern_matches(WIRE_PATTERN_KEY, "a\0b", 3));
    assert_false(wire_pattern_matches(WIRE_PATTERN_DIVISION, "37\0\0", 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_nul_never_matches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

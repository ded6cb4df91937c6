/* Social credit codes: the vectors, and what one wrong character does at each place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "law/uscc.h"

static void test_vectors(void **state UNUSED)
{
    static const struct {
        const char *text;
        enum uscc_grade grade;
        const char *reason;
        char check;
    } cases[] = {
        { "91350100M000100Y43", USCC_OK, "", '3' },
        { "91512081MA62K0260E", USCC_OK, "", 'E' },
        { "11230500001755309F", USCC_OK, "", 'F' },
        { "91230500MA1B3N1N2M", USCC_OK, "", 'M' },
        { "11100000000013338W", USCC_OK, "", 'W' },
        { "113703030042170202", USCC_OK, "", '2' },
        { "9131000063159284XQ", USCC_OK, "", 'Q' },
        { "9131000063159284xq", USCC_OK, "", 'Q' },
        { "91350100M000100Y4Z", USCC_REJECT, "shape", 0 },
        { "91310115MA1G4L1WXK", USCC_REJECT, "checks", '7' },
        /* Said to be really issued: only the last character is wrong. */
        { "91350211M0000XUF46", USCC_WARN, "check_character", 'R' },
        { "91350100M0001TGQXM", USCC_WARN, "check_character", '1' },
        { "", USCC_REJECT, "shape", 0 },
        { "91350100M000100Y4", USCC_REJECT, "shape", 0 },
        { "91350100M000100Y433", USCC_REJECT, "shape", 0 },
        { " 1350100M000100Y43", USCC_REJECT, "shape", 0 },
        { "9135010OM000100Y43", USCC_REJECT, "shape", 0 },
        { "91A50100M000100Y43", USCC_REJECT, "shape", 0 },
        { "9135010\xe5\x8f\xb7M000100Y", USCC_REJECT, "shape", 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct uscc u = uscc_check(cases[i].text);
        if (u.grade != cases[i].grade || strcmp(u.reason_code, cases[i].reason) != 0)
            fail_msg("%s: %d %s", cases[i].text, (int)u.grade, u.reason_code);
        assert_int_equal(u.check_expected, cases[i].check);
        assert_int_equal(u.reason_zh[0] != 0, u.grade != USCC_OK);
        assert_int_equal(u.reason_en[0] != 0, u.grade != USCC_OK);
    }
}

static void test_parts(void **state UNUSED)
{
    struct uscc u = uscc_check("9131000063159284xq");
    assert_string_equal(u.code, "9131000063159284XQ");
    assert_string_equal(u.division, "310000");
    assert_string_equal(u.organisation, "63159284X");
    assert_int_equal(u.organisation_check_expected, 'X');
    u = uscc_check("too short");
    assert_string_equal(u.code, "");
    assert_string_equal(u.division, "");
}

/* Both characters made right for a body of our own, so that each can be made wrong alone. */
static void test_each_check_alone(void **state UNUSED)
{
    char code[USCC_SIZE] = "913701020123456700";
    code[16] = uscc_check(code).organisation_check_expected;
    code[17] = uscc_check(code).check_expected;
    assert_int_equal(uscc_check(code).grade, USCC_OK);

    char other[USCC_SIZE];
    memcpy(other, code, sizeof(other));
    other[17] = code[17] == '1' ? '2' : '1';
    assert_string_equal(uscc_check(other).reason_code, "check_character");

    memcpy(other, code, sizeof(other));
    other[16] = code[16] == '1' ? '2' : '1';
    other[17] = uscc_check(other).check_expected;
    assert_int_equal(uscc_check(other).grade, USCC_WARN);
    assert_string_equal(uscc_check(other).reason_code, "organisation_check");

    memcpy(other, code, sizeof(other));
    other[0] = '4';
    other[17] = uscc_check(other).check_expected;
    assert_int_equal(uscc_check(other).grade, USCC_WARN);
    assert_string_equal(uscc_check(other).reason_code, "prefix");
}

/* 31 is prime and no weight is 0 modulo it: one wrong character anywhere is never OK; in the
 * organisation code's body it is seen by both checks, unless the other one's alphabet hides it. */
static void test_every_single_error_is_seen(void **state UNUSED)
{
    static const char alphabet[] = "0123456789ABCDEFGHJKLMNPQRTUWXY";
    static const char good[] = "91350100M000100Y43";
    for (int at = 0; at < 18; at++) {
        for (const char *c = alphabet; *c; c++) {
            char code[USCC_SIZE];
            memcpy(code, good, sizeof(code));
            code[at] = *c;
            enum uscc_grade grade = uscc_check(code).grade;
            if ((grade == USCC_OK) != (*c == good[at]))
                fail_msg("%s", code);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_each_check_alone),
        cmocka_unit_test(test_every_single_error_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

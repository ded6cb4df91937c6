/* Division codes: normal form, levels, parents and subtrees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/util.h"
#include "law/division.h"

static void test_normalize(void **state UNUSED)
{
    static const struct {
        const char *text, *code, *parent;
        enum division_level level;
    } cases[] = {
        { "37", "37", "", DIVISION_PROVINCE },
        { "3700", "37", "", DIVISION_PROVINCE },
        { "370000", "37", "", DIVISION_PROVINCE },
        { "370000000", "37", "", DIVISION_PROVINCE },
        { "370000000000", "37", "", DIVISION_PROVINCE },
        { "3701", "3701", "37", DIVISION_CITY },
        { "370100", "3701", "37", DIVISION_CITY },
        { "370100000", "3701", "37", DIVISION_CITY },
        { "370100000000", "3701", "37", DIVISION_CITY },
        { "370102", "370102", "3701", DIVISION_COUNTY },
        { "370102000", "370102", "3701", DIVISION_COUNTY },
        { "370102000000", "370102", "3701", DIVISION_COUNTY },
        { "370171", "370171", "3701", DIVISION_COUNTY },
        { "370102001", "370102001", "370102", DIVISION_TOWN },
        { "370102001000", "370102001", "370102", DIVISION_TOWN },
        { "370102001001", "370102001001", "370102001", DIVISION_VILLAGE },
        { "3710", "3710", "37", DIVISION_CITY },
        { "371000", "3710", "37", DIVISION_CITY },
        { "370110", "370110", "3701", DIVISION_COUNTY },
        { "370102100", "370102100", "370102", DIVISION_TOWN },
        { "441900001", "441900001", "4419", DIVISION_TOWN },
        { "441900001000", "441900001", "4419", DIVISION_TOWN },
        { "441900001002", "441900001002", "441900001", DIVISION_VILLAGE },
        { "500101", "500101", "5001", DIVISION_COUNTY },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char code[DIVISION_CODE_SIZE] = "", parent[DIVISION_CODE_SIZE] = "x";
        assert_int_equal(division_normalize(cases[i].text, code), 0);
        assert_string_equal(code, cases[i].code);
        assert_int_equal(division_level(code), cases[i].level);
        assert_int_equal(division_parent(code, parent), cases[i].parent[0] != '\0');
        assert_string_equal(parent, cases[i].parent);
        char again[DIVISION_CODE_SIZE];
        assert_int_equal(division_normalize(code, again), 0);
        assert_string_equal(again, code);
    }
}

static void test_bad(void **state UNUSED)
{
    static const char *const cases[] = {
        "",
        "3",
        "370",
        "37010",
        "3701020",
        "37010200",
        "3701a2",
        " 370102",
        "370102 ",
        "37-01",
        "000000",
        "00",
        "0001",
        "370002",
        "370002001",
        "370000001",
        "370102000001",
        "37010200100101",
        "-7",
        "\xef\xbc\x93\xef\xbc\x97",
        "370102001001001001001",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char code[DIVISION_CODE_SIZE] = "kept", parent[DIVISION_CODE_SIZE] = "x";
        if (division_normalize(cases[i], code) != ERR_INVALID_ARGUMENT)
            fail_msg("took %s for %s", cases[i], code);
        assert_string_equal(code, "kept");
        assert_int_equal(division_level(cases[i]), DIVISION_NONE);
        assert_false(division_parent(cases[i], parent));
        assert_string_equal(parent, "");
    }
    /* Padded forms are for the door only. */
    assert_int_equal(division_level("370000"), DIVISION_NONE);
    assert_int_equal(division_level("370102000"), DIVISION_NONE);
}

static void test_contains(void **state UNUSED)
{
    static const struct {
        const char *ancestor, *code;
        bool contains;
    } cases[] = {
        { "37", "37", true },
        { "37", "3701", true },
        { "37", "370102001001", true },
        { "3701", "370102", true },
        { "3701", "37", false },
        { "3701", "3702", false },
        { "3701", "3710", false },
        { "370102", "370102001", true },
        { "370102", "370103", false },
        { "370102", "370102", true },
        { "4419", "441900001", true },
        { "", "37", false },
        { "37", "", false },
        { "370", "370102", false },
        { "370000", "3701", false },
        { "37", "37a", false },
        { "37", "370100", false },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (division_contains(cases[i].ancestor, cases[i].code) != cases[i].contains)
            fail_msg("%s, %s", cases[i].ancestor, cases[i].code);
    }
}

/* Climbing from any code of the seed's shape ends at its province, each step containing the one
 * before. */
static void test_climb(void **state UNUSED)
{
    for (int city = 1; city <= 17; city++) {
        for (int county = 1; county <= 99; county++) {
            char code[DIVISION_CODE_SIZE], parent[DIVISION_CODE_SIZE];
            snprintf(code, sizeof(code), "37%02d%02d%03d", city, county, county * 3);
            int steps = 0;
            while (division_parent(code, parent)) {
                assert_true(division_contains(parent, code));
                assert_false(division_contains(code, parent));
                assert_int_equal(division_level(parent), division_level(code) - 1);
                memcpy(code, parent, sizeof(code));
                steps++;
            }
            assert_int_equal(steps, 3);
            assert_string_equal(code, "37");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normalize),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_contains),
        cmocka_unit_test(test_climb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

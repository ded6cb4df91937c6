/* Identity numbers: the standard's own vectors, the old form, impossible dates. No number here is a
 * person's: the two of the standard apart, they are made from dates and sequences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "law/idnumber.h"

static void test_good(void **state UNUSED)
{
    static const struct {
        const char *text, *full, *division, *birth;
        bool male, old_form, division_unknown;
    } cases[] = {
        { "11010519491231002X", "11010519491231002X", "110105", "1949-12-31", false, false, false },
        { "11010519491231002x", "11010519491231002X", "110105", "1949-12-31", false, false, false },
        { "440524188001010014", "440524188001010014", "440524", "1880-01-01", true, false, false },
        /* The first vector in its old form: 19 and the check character come back. */
        { "110105491231002", "11010519491231002X", "110105", "1949-12-31", false, true, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct idnumber id;
        char birth[DAY_TEXT_SIZE];
        assert_int_equal(idnumber_parse(cases[i].text, &id), 0);
        day_format(id.birth, birth);
        assert_string_equal(id.full, cases[i].full);
        assert_string_equal(id.division, cases[i].division);
        assert_string_equal(birth, cases[i].birth);
        assert_int_equal(id.male, cases[i].male);
        assert_int_equal(id.old_form, cases[i].old_form);
        assert_int_equal(id.division_unknown, cases[i].division_unknown);
    }
}

static void test_bad(void **state UNUSED)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        { "", "shape" },
        { "1101051949123100", "shape" },
        { "11010519491231002", "shape" },
        { "11010519491231002XX", "shape" },
        { "1101051949123100X2", "shape" },
        { "11010519491231002Y", "shape" },
        { "11010549123100X", "shape" },
        { "1101051949123100AX", "shape" },
        { "11010519491231002 ", "shape" },
        { "1101051949123100\xef\xbc\x92X", "shape" },
        { "110105194912310020", "check_character" },
        { "110105194912310021", "check_character" },
        { "440524188001010015", "check_character" },
        { "110105194902290020", "birth_date" },
        { "110105194913010020", "birth_date" },
        { "110105194900010020", "birth_date" },
        { "110105194904310020", "birth_date" },
        { "110105000001010020", "birth_date" },
        { "110105179912310020", "birth_date" },
        { "110105220001010020", "birth_date" },
        { "110105490229002", "birth_date" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct idnumber id = { .birth = 5 };
        if (idnumber_parse(cases[i].text, &id) != ERR_INVALID_ARGUMENT ||
            strcmp(err_last()->reason, cases[i].reason) != 0)
            fail_msg("%s: %s", cases[i].text, err_last()->reason);
        assert_int_equal(id.birth, 5);
        assert_null(
            strpbrk(err_last()->text, "23467")); /* the shape's 18 and 15 apart, no digits */
    }
}

/* Every remainder has its character; a wrong digit anywhere is seen. */
static void test_check_character(void **state UNUSED)
{
    char seen[12] = "";
    for (int n = 0; n < 1000; n++) {
        char text[IDNUMBER_SIZE] = "370102197001010000";
        text[14] = (char)('0' + n / 100);
        text[15] = (char)('0' + n / 10 % 10);
        text[16] = (char)('0' + n % 10);
        int good = 0;
        for (const char *c = "0123456789X"; *c; c++) {
            struct idnumber id;
            text[17] = *c;
            if (idnumber_parse(text, &id) == 0) {
                good++;
                assert_int_equal(id.male, n % 2);
                if (!strchr(seen, *c))
                    seen[strlen(seen)] = *c;
            }
        }
        assert_int_equal(good, 1);
    }
    assert_int_equal(strlen(seen), 11);
}

static void test_unknown_division_is_a_warning(void **state UNUSED)
{
    struct idnumber id;
    int known = 0;
    for (int province = 0; province < 100; province++) {
        char text[] = "000102700101001";
        text[0] = (char)('0' + province / 10);
        text[1] = (char)('0' + province % 10);
        assert_int_equal(idnumber_parse(text, &id), 0);
        known += !id.division_unknown;
        if (province == 37 || province == 83)
            assert_false(id.division_unknown);
        if (province == 0 || province == 38 || province == 99)
            assert_true(id.division_unknown);
    }
    assert_int_equal(known, 35);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_check_character),
        cmocka_unit_test(test_unknown_division_is_a_warning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

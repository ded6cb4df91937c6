/* Document numbers: what people write, and its normal form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/util.h"
#include "law/docnumber.h"

static void test_good(void **state UNUSED)
{
    static const struct {
        const char *in, *text, *word;
        int year;
        uint32_t number, part;
    } cases[] = {
        { "魯政辦字〔2024〕9號", "魯政辦字〔2024〕9號", "魯政辦", 2024, 9, 0 },
        { "鲁政办字[2024]9号", "鲁政办字〔2024〕9号", "鲁政办", 2024, 9, 0 },
        { "鲁政办字（2024）第009号", "鲁政办字〔2024〕9号", "鲁政办", 2024, 9, 0 },
        { "鲁政办字(2024) 9 号", "鲁政办字〔2024〕9号", "鲁政办", 2024, 9, 0 },
        { "市场【2019】1号", "市场〔2019〕1号", "市场", 2019, 1, 0 },
        { "示醫保案〔2026〕1號", "示醫保案〔2026〕1號", "示醫保案", 2026, 1, 0 },
        { "鲁政办发〔2025〕3号", "鲁政办发〔2025〕3号", "鲁政办发", 2025, 3, 0 },
        { "济（天桥）城罚字〔2024〕12-3号", "济（天桥）城罚字〔2024〕12-3号", "济（天桥）城罚",
          2024, 12, 3 },
        { "济(天桥)城罚字(2024)12-03号", "济(天桥)城罚字〔2024〕12-3号", "济(天桥)城罚", 2024, 12,
          3 },
        { "国办发明电〔2023〕7号", "国办发明电〔2023〕7号", "国办发明电", 2023, 7, 0 },
        { "A案〔2024〕\t第00120　号", "A案〔2024〕120号", "A案", 2024, 120, 0 },
        { "字〔2024〕1号", "字〔2024〕1号", "字", 2024, 1, 0 },
        { "字字〔2024〕1号", "字字〔2024〕1号", "字", 2024, 1, 0 },
        { "鲁〔2024】999999999号", "鲁〔2024〕999999999号", "鲁", 2024, 999999999, 0 },
        { "\U00020000〇〔2024〕1号", "\U00020000〇〔2024〕1号", "\U00020000〇", 2024, 1, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct docnumber d;
        if (docnumber_parse(cases[i].in, &d) < 0)
            fail_msg("refused %s", cases[i].in);
        assert_string_equal(d.text, cases[i].text);
        assert_string_equal(d.word, cases[i].word);
        assert_int_equal(d.year, cases[i].year);
        assert_int_equal(d.number, cases[i].number);
        assert_int_equal(d.part, cases[i].part);
        struct docnumber again;
        assert_int_equal(docnumber_parse(d.text, &again), 0);
        assert_string_equal(again.text, d.text);
    }
}

static void test_bad(void **state UNUSED)
{
    static const char *const cases[] = {
        "",
        "〔2024〕9号",
        "鲁政办字2024年9号",
        "鲁政办字〔2024〕9",
        "鲁政办字〔2024〕号",
        "鲁政办字〔2024〕0号",
        "鲁政办字〔2024〕-1号",
        "鲁政办字〔2024〕1-号",
        "鲁政办字〔2024〕1-0号",
        "鲁政办字〔24〕9号",
        "鲁政办字〔02024〕9号",
        "鲁政办字〔1899〕9号",
        "鲁政办字〔2200〕9号",
        "鲁政办字〔2024 9号",
        "鲁政办字 〔2024〕9号",
        "鲁政办字〔2024〕9号 ",
        " 鲁政办字〔2024〕9号",
        "鲁政办字〔2024〕9号号",
        "鲁政办字〔2024〕第第9号",
        "鲁政办字〔2024〕1000000000号",
        "鲁政办字〔2024〕99999999999999999999999号",
        "鲁政办字〔２０２４〕9号",
        "鲁3政〔2024〕9号",
        "鲁/政〔2024〕9号",
        "鲁政办字〔〔2024〕9号",
        "鲁政\xff字〔2024〕9号",
        "鲁政办字〔2024〕9\xe5\x8f",
        "113703030042170202/2025-5551715",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct docnumber d = { .year = 5 };
        if (docnumber_parse(cases[i], &d) != ERR_INVALID_ARGUMENT)
            fail_msg("took %s for %s", cases[i], d.text);
        assert_int_equal(d.year, 5);
    }
}

static void test_long_words(void **state UNUSED)
{
    for (size_t count = 1; count < 200; count++) {
        char text[800];
        size_t length = 0;
        for (size_t i = 0; i < count; i++)
            length += (size_t)snprintf(text + length, sizeof(text) - length, "鲁");
        snprintf(text + length, sizeof(text) - length, "〔2024〕9号");
        struct docnumber d;
        int r = docnumber_parse(text, &d);
        assert_int_equal(r, length < DOCNUMBER_WORD_SIZE ? 0 : ERR_INVALID_ARGUMENT);
        if (r == 0)
            assert_string_equal(d.text, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_long_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

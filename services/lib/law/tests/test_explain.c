/* Explanations: whole ones word by word, and what holds for each: days without a gap, counted days,
 * the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/utf8.h"
#include "law/tests/calendar_sample.h"

#define WEEK        "《国务院关于职工工作时间的规定》第七条"
#define ASSUMED     "该年放假通知尚未发布，暂按《国务院关于职工工作时间的规定》第七条推定"
#define NOTICE_2024 "国办发明电〔2023〕7号《国务院办公厅关于2024年部分节假日安排的通知》"
#define START       "《民法典》第二百零一条第一款"
#define HOURS       "《民法典》第二百零一条第二款"
#define MONTHS      "《民法典》第二百零二条"
#define ROLL        "《民法典》第二百零三条第一款"

static struct arena arena;
static const struct calendar *calendar;

static int setup(void **state UNUSED)
{
    arena_init(&arena, 0);
    calendar = sample_calendar(&arena);
    return calendar ? 0 : -1;
}

static int teardown(void **state UNUSED)
{
    arena_clear(&arena);
    return 0;
}

struct expected {
    const char *day;
    bool counted;
    const char *code, *zh, *en, *basis;
};

static void assert_explained(struct term term, const char *start_text,
                             const struct expected *expected, size_t expected_count)
{
    int64_t start;
    struct calendar_step *steps;
    size_t count;
    assert_int_equal(instant_parse(start_text, &start), 0);
    assert_int_equal(calendar_explain(calendar, term, start, &arena, &steps, &count), 0);
    assert_int_equal(count, expected_count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(steps[i].day, sample_day(expected[i].day));
        assert_int_equal(steps[i].counted, expected[i].counted);
        assert_string_equal(steps[i].reason_code, expected[i].code);
        assert_string_equal(steps[i].reason_zh, expected[i].zh);
        assert_string_equal(steps[i].reason_en, expected[i].en);
        assert_string_equal(steps[i].basis, expected[i].basis);
    }
}

#define ASSERT_EXPLAINED(term, start, expected)                                                    \
    assert_explained((term), (start), (expected), ARRAY_LEN(expected))

static void test_working_days(void **state UNUSED)
{
    static const struct expected expected[] = {
        { "2024-04-03", false, "start_day", "起算日，不计入期间", "Start day, not counted", START },
        { "2024-04-04", false, "holiday", "清明节放假", "Day off (Qingming Festival)",
          NOTICE_2024 },
        { "2024-04-05", false, "holiday", "清明节放假", "Day off (Qingming Festival)",
          NOTICE_2024 },
        { "2024-04-06", false, "holiday", "清明节放假", "Day off (Qingming Festival)",
          NOTICE_2024 },
        { "2024-04-07", true, "working_day", "第1个工作日（清明节调休上班）",
          "Working day 1 (Make-up working day (Qingming Festival))", NOTICE_2024 },
        { "2024-04-08", true, "working_day", "第2个工作日", "Working day 2", WEEK },
        { "2024-04-09", true, "working_day", "第3个工作日", "Working day 3", WEEK },
        { "2024-04-10", true, "working_day", "第4个工作日", "Working day 4", WEEK },
        { "2024-04-11", true, "working_day", "第5个工作日", "Working day 5", WEEK },
        { "2024-04-12", true, "extension_day", "延期第1个工作日", "Extension, working day 1",
          WEEK },
        { "2024-04-13", false, "rest_day", "星期六，周休息日", "Saturday, rest day", WEEK },
        { "2024-04-14", false, "rest_day", "星期日，周休息日", "Sunday, rest day", WEEK },
        { "2024-04-15", true, "extension_day", "延期第2个工作日", "Extension, working day 2",
          WEEK },
    };
    struct term term = { TERM_WORKING_DAYS, 5, false, 2 };
    ASSERT_EXPLAINED(term, "2024-04-03T15:00:00+08:00", expected);
}

static void test_provisional(void **state UNUSED)
{
    static const struct expected expected[] = {
        { "2026-12-31", false, "start_day", "起算日，不计入期间", "Start day, not counted", START },
        { "2027-01-01", true, "working_day", "第1个工作日（星期五，放假通知未发布，暂按工作日计）",
          "Working day 1 (Friday, taken for a working day until the notice is out)", ASSUMED },
        { "2027-01-02", false, "rest_day_assumed", "星期六，放假通知未发布，暂按休息日计",
          "Saturday, taken for a rest day until the notice is out", ASSUMED },
        { "2027-01-03", false, "rest_day_assumed", "星期日，放假通知未发布，暂按休息日计",
          "Sunday, taken for a rest day until the notice is out", ASSUMED },
        { "2027-01-04", true, "working_day", "第2个工作日（星期一，放假通知未发布，暂按工作日计）",
          "Working day 2 (Monday, taken for a working day until the notice is out)", ASSUMED },
    };
    struct term term = { TERM_WORKING_DAYS, 2, false, 0 };
    ASSERT_EXPLAINED(term, "2026-12-31T00:00:00+08:00", expected);
}

static void test_natural_days(void **state UNUSED)
{
    static const struct expected expected[] = {
        { "2024-05-02", false, "start_day", "起算日，不计入期间", "Start day, not counted", START },
        { "2024-05-03", true, "natural_day", "第1日", "Day 1", START },
        { "2024-05-04", true, "last_day", "第2日；劳动节放假，期间顺延",
          "Day 2; Day off (Labour Day): the end moves on", ROLL "；" NOTICE_2024 },
        { "2024-05-05", false, "rolled", "劳动节放假，期间顺延",
          "Day off (Labour Day): the end moves on", ROLL "；" NOTICE_2024 },
        { "2024-05-06", false, "rolled_to", "顺延后的最后一日（星期一，工作日）",
          "Last day after moving on (Monday, working day)", ROLL "；" WEEK },
    };
    struct term term = { TERM_NATURAL_DAYS, 2, true, 0 };
    ASSERT_EXPLAINED(term, "2024-05-02T23:59:59+08:00", expected);

    static const struct expected on_time[] = {
        { "2024-05-02", false, "start_day", "起算日，不计入期间", "Start day, not counted", START },
        { "2024-05-03", true, "natural_day", "第1日", "Day 1", START },
        { "2024-05-04", true, "natural_day", "第2日", "Day 2", START },
    };
    term.roll = false;
    ASSERT_EXPLAINED(term, "2024-05-02T23:59:59+08:00", on_time);
}

static void test_months(void **state UNUSED)
{
    struct calendar_step *steps;
    size_t count;
    struct term term = { TERM_MONTHS, 2, true, 0 };
    int64_t start = day_start(sample_day("2024-12-31"));
    assert_int_equal(calendar_explain(calendar, term, start, &arena, &steps, &count), 0);
    assert_int_equal(count, 1 + 31 + 28);
    assert_string_equal(steps[1].reason_zh, "第1个月内");
    assert_string_equal(steps[31].reason_en, "In month 1");
    assert_string_equal(steps[32].reason_en, "In month 2");
    assert_string_equal(steps[count - 1].reason_zh, "到期月没有对应日，以月末日为最后一日");
    assert_string_equal(steps[count - 1].basis, MONTHS);

    /* The last day of the month may well correspond. */
    start = day_start(sample_day("2024-10-31"));
    assert_int_equal(calendar_explain(calendar, term, start, &arena, &steps, &count), 0);
    assert_string_equal(steps[count - 1].reason_zh, "到期月的对应日");

    start = day_start(sample_day("2024-09-01"));
    term.count = 1;
    assert_int_equal(calendar_explain(calendar, term, start, &arena, &steps, &count), 0);
    assert_int_equal(count, 1 + 30 + 7);
    assert_string_equal(steps[30].reason_zh, "到期月的对应日；国庆节放假，期间顺延");
    assert_string_equal(steps[30].basis, ROLL "；" NOTICE_2024);
    assert_true(steps[30].counted && !steps[31].counted);
}

static void test_hours(void **state UNUSED)
{
    static const struct expected expected[] = {
        { "2024-09-28", true, "hours", "按小时连续计算：18:30至24:00",
          "Hours run on: 18:30 to 24:00", HOURS },
        { "2024-09-29", true, "hours", "按小时连续计算：00:00至24:00",
          "Hours run on: 00:00 to 24:00", HOURS },
        { "2024-09-30", true, "hours", "按小时连续计算：00:00至18:30",
          "Hours run on: 00:00 to 18:30", HOURS },
    };
    struct term term = { TERM_HOURS, 48, false, 0 };
    ASSERT_EXPLAINED(term, "2024-09-28T18:30:59+08:00", expected);
}

/* For every unit and many starts: the days from the start day to due_on without a gap; exactly the
 * term's and the extension's days counted; the last one is due_on; texts are there and fit an
 * answer. */
static void test_each_explanation(void **state UNUSED)
{
    struct arena own;
    arena_init(&own, 0);
    for (int unit = TERM_HOURS; unit <= TERM_MONTHS; unit++) {
        for (int32_t d = sample_day("2024-01-01"); d < sample_day("2027-02-01"); d += 2) {
            for (uint32_t n = 1; n <= 22; n += 3) {
                struct term term = { (enum term_unit)unit, n, d % 4 == 0, n % 4 };
                int64_t start = day_start(d) + (d % 24) * TIME_HOUR_MS;
                struct due due;
                struct calendar_step *steps;
                size_t count, counted = 0;
                assert_int_equal(calendar_due(calendar, term, start, &due), 0);
                assert_int_equal(calendar_explain(calendar, term, start, &own, &steps, &count), 0);
                assert_int_equal(steps[0].day, d);
                assert_int_equal(steps[count - 1].day, due.due_on);
                for (size_t i = 0; i < count; i++) {
                    assert_int_equal(steps[i].day, d + (int32_t)i);
                    counted += steps[i].counted;
                    assert_true(steps[i].reason_zh[0] && strlen(steps[i].reason_zh) <= 256);
                    assert_true(steps[i].reason_en[0] && strlen(steps[i].reason_en) <= 256);
                    assert_true(steps[i].basis[0] && strlen(steps[i].basis) <= 256);
                    assert_true(utf8_check(steps[i].basis, strlen(steps[i].basis)));
                    bool working = term.unit == TERM_WORKING_DAYS && steps[i].counted;
                    assert_true(!working || sample_is_working(steps[i].day));
                }
                if (unit == TERM_WORKING_DAYS || unit == TERM_NATURAL_DAYS)
                    assert_int_equal(counted, n + term.extended_days);
            }
            arena_reset(&own);
        }
    }
    arena_clear(&own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_working_days), cmocka_unit_test(test_provisional),
        cmocka_unit_test(test_natural_days), cmocka_unit_test(test_months),
        cmocka_unit_test(test_hours),        cmocka_unit_test(test_each_explanation),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

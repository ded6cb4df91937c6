/* What a day is: every day of the announced years, counts by year, days nobody announced, and bad
 * notices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "law/tests/calendar_sample.h"

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

static void test_every_day(void **state UNUSED)
{
    static const int working_days[] = { 251, 248, 248 };
    for (int year = 2024; year <= 2026; year++) {
        int count = 0;
        for (int32_t d = day_from_ymd(year, 1, 1); d < day_from_ymd(year + 1, 1, 1); d++) {
            struct calendar_day day = calendar_day_describe(calendar, d);
            assert_int_equal(day.day, d);
            assert_true(day.announced);
            if (day.working != sample_is_working(d))
                fail_msg("day %d", d);
            count += day.working;
        }
        assert_int_equal(count, working_days[year - 2024]);
    }
}

static void test_reasons(void **state UNUSED)
{
    static const struct {
        const char *day, *code, *zh, *en, *basis;
        bool working, announced;
    } cases[] = {
        { "2024-02-09", "workday", "星期五，工作日", "Friday, working day",
          "《国务院关于职工工作时间的规定》第七条", true, true },
        { "2024-02-10", "holiday", "春节放假", "Day off (Spring Festival)",
          "国办发明电〔2023〕7号《国务院办公厅关于2024年部分节假日安排的通知》", false, true },
        { "2024-02-18", "make_up_workday", "春节调休上班", "Make-up working day (Spring Festival)",
          "国办发明电〔2023〕7号《国务院办公厅关于2024年部分节假日安排的通知》", true, true },
        { "2024-02-24", "rest_day", "星期六，周休息日", "Saturday, rest day",
          "《国务院关于职工工作时间的规定》第七条", false, true },
        { "2025-10-05", "holiday", "国庆节、中秋节放假",
          "Day off (National Day and Mid-Autumn Festival)",
          "国办发明电〔2024〕12号《国务院办公厅关于2025年部分节假日安排的通知》", false, true },
        { "2027-01-01", "workday_assumed", "星期五，放假通知未发布，暂按工作日计",
          "Friday, taken for a working day until the notice is out",
          "该年放假通知尚未发布，暂按《国务院关于职工工作时间的规定》第七条推定", true, false },
        { "2023-12-31", "rest_day_assumed", "星期日，放假通知未发布，暂按休息日计",
          "Sunday, taken for a rest day until the notice is out",
          "该年放假通知尚未发布，暂按《国务院关于职工工作时间的规定》第七条推定", false, false },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct calendar_day day = calendar_day_describe(calendar, sample_day(cases[i].day));
        assert_string_equal(day.reason_code, cases[i].code);
        assert_string_equal(day.reason_zh, cases[i].zh);
        assert_string_equal(day.reason_en, cases[i].en);
        assert_string_equal(day.basis, cases[i].basis);
        assert_int_equal(day.working, cases[i].working);
        assert_int_equal(day.announced, cases[i].announced);
    }
}

static void test_empty_calendar(void **state UNUSED)
{
    struct arena own;
    arena_init(&own, 0);
    const struct calendar *empty = NULL;
    assert_int_equal(calendar_build(&own, NULL, 0, NULL, 0, &empty), 0);
    for (int32_t d = sample_day("2026-02-14"); d < sample_day("2026-03-14"); d++) {
        struct calendar_day day = calendar_day_describe(empty, d);
        assert_false(day.announced);
        assert_int_equal(day.working, day_weekday(d) <= 5);
    }
    arena_clear(&own);
}

/* The texts must not point into what the calendar was built from. */
static void test_rows_are_copied(void **state UNUSED)
{
    struct arena own;
    arena_init(&own, 0);
    char number[] = "甲〔2026〕1号", title[] = "", festival[] = "端午节";
    struct calendar_notice notice = { 2026, number, title };
    struct calendar_mark mark = { sample_day("2026-06-19"), CALENDAR_OFF, festival, 2026 };
    const struct calendar *c = NULL;
    assert_int_equal(calendar_build(&own, &notice, 1, &mark, 1, &c), 0);
    memset(number, 'x', sizeof(number) - 1);
    memset(festival, 'x', sizeof(festival) - 1);
    struct calendar_day day = calendar_day_describe(c, mark.day);
    assert_string_equal(day.basis, "甲〔2026〕1号");
    assert_string_equal(day.reason_zh, "端午节放假");
    arena_clear(&own);
}

static void test_names_without_a_translation(void **state UNUSED)
{
    struct arena own;
    arena_init(&own, 0);
    char title[600];
    memset(title, 't', sizeof(title) - 1);
    title[sizeof(title) - 1] = '\0';
    struct calendar_notice notice = { 2015, "国发明电〔2015〕1号", title };
    struct calendar_mark marks[] = {
        { sample_day("2015-09-03"), CALENDAR_OFF, "抗战胜利纪念日", 2015 },
        { sample_day("2015-09-06"), CALENDAR_WORK, "", 2015 },
    };
    const struct calendar *c = NULL;
    assert_int_equal(calendar_build(&own, &notice, 1, marks, 2, &c), 0);
    assert_string_equal(calendar_day_describe(c, marks[0].day).reason_en,
                        "Day off (抗战胜利纪念日)");
    assert_string_equal(calendar_day_describe(c, marks[1].day).reason_zh, "节日调休上班");
    assert_string_equal(calendar_day_describe(c, marks[1].day).basis, "国发明电〔2015〕1号");
    arena_clear(&own);
}

/* The notice for 2023 marked 2022-12-31; it may also overrule what that year's own notice said. */
static void test_notice_of_the_next_year(void **state UNUSED)
{
    struct arena own;
    arena_init(&own, 0);
    struct calendar_notice notices[] = { { 2023, "b", "" }, { 2022, "a", "" } };
    struct calendar_mark marks[] = {
        { sample_day("2022-12-30"), CALENDAR_OFF, "元旦", 2023 },
        { sample_day("2022-12-31"), CALENDAR_OFF, "元旦", 2023 },
        { sample_day("2022-12-31"), CALENDAR_WORK, "元旦", 2022 },
        { sample_day("2021-12-31"), CALENDAR_OFF, "元旦", 2022 },
    };
    const struct calendar *c = NULL;
    assert_int_equal(calendar_build(&own, notices, 2, marks, 4, &c), 0);
    struct calendar_day day = calendar_day_describe(c, marks[1].day);
    assert_false(day.working);
    assert_string_equal(day.basis, "b");
    assert_false(calendar_day_describe(c, marks[0].day).working);
    /* Named by a notice, so announced, although its year is not. */
    day = calendar_day_describe(c, marks[3].day);
    assert_true(day.announced && !day.working);
    assert_false(calendar_day_describe(c, marks[3].day - 1).announced);
    arena_clear(&own);
}

static void test_bad_notices(void **state UNUSED)
{
    static const struct calendar_notice good = { 2026, "n", "" };
    const int32_t d = sample_day("2026-06-19");
    const struct {
        struct calendar_notice notices[2];
        size_t notice_count;
        struct calendar_mark marks[2];
        size_t mark_count;
    } cases[] = {
        { { good, good }, 2, { { 0 } }, 0 },
        { { { 1899, "n", "" } }, 1, { { 0 } }, 0 },
        { { { 2200, "n", "" } }, 1, { { 0 } }, 0 },
        { { good }, 1, { { d, CALENDAR_OFF, "", 2025 } }, 1 },
        { { good }, 1, { { d, 0, "", 2026 } }, 1 },
        { { good }, 1, { { d, 3, "", 2026 } }, 1 },
        { { good }, 1, { { d, CALENDAR_OFF, "", 2026 }, { d, CALENDAR_WORK, "", 2026 } }, 2 },
        { { good }, 1, { { INT32_MAX, CALENDAR_OFF, "", 2026 } }, 1 },
        { { good }, 0, { { d, CALENDAR_OFF, "", 2026 } }, 1 },
    };
    struct arena own;
    arena_init(&own, 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct calendar *c = NULL;
        int r = calendar_build(&own, cases[i].notices, cases[i].notice_count, cases[i].marks,
                               cases[i].mark_count, &c);
        if (r != ERR_UNPROCESSABLE || c)
            fail_msg("case %zu: %d", i, r);
    }
    /* The same twice says nothing new. */
    struct calendar_mark twice[] = { { d, CALENDAR_OFF, "", 2026 }, { d, CALENDAR_OFF, "", 2026 } };
    const struct calendar *c = NULL;
    assert_int_equal(calendar_build(&own, &good, 1, twice, 2, &c), 0);
    arena_clear(&own);
}

static void test_add_working_days(void **state UNUSED)
{
    static const struct {
        const char *from;
        int32_t n;
        const char *to;
        bool provisional;
    } cases[] = {
        { "2024-09-27", 5, "2024-10-10", false },  { "2024-10-10", -1, "2024-10-09", false },
        { "2024-10-08", -1, "2024-09-30", false }, { "2024-10-05", -1, "2024-09-30", false },
        { "2024-10-05", 1, "2024-10-08", false },  { "2024-10-05", 0, "2024-10-05", false },
        { "2024-09-28", 1, "2024-09-29", false },  { "2025-02-10", -1, "2025-02-08", false },
        { "2025-12-31", 3, "2026-01-06", false },  { "2026-12-31", 1, "2027-01-01", true },
        { "2026-12-31", 2, "2027-01-04", true },   { "2027-01-01", -1, "2026-12-31", false },
        { "2024-01-02", -1, "2023-12-29", true },  { "2027-03-01", 0, "2027-03-01", false },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int32_t day = 0;
        bool provisional = !cases[i].provisional;
        assert_int_equal(calendar_add_working_days(calendar, sample_day(cases[i].from), cases[i].n,
                                                   &day, &provisional),
                         0);
        char text[DAY_TEXT_SIZE];
        day_format(day, text);
        assert_string_equal(text, cases[i].to);
        assert_int_equal(provisional, cases[i].provisional);
    }
    int32_t day = 7;
    bool provisional = true;
    assert_int_equal(
        calendar_add_working_days(calendar, 0, TERM_WORKING_DAYS_MAX + 1, &day, &provisional),
        ERR_INVALID_ARGUMENT);
    assert_int_equal(calendar_add_working_days(calendar, 0, INT32_MIN, &day, NULL),
                     ERR_INVALID_ARGUMENT);
    assert_int_equal(calendar_add_working_days(calendar, INT32_MAX, 1, &day, NULL),
                     ERR_INVALID_ARGUMENT);
    assert_int_equal(day, 7);
    assert_int_equal(calendar_next_working_day(calendar, sample_day("2026-09-30"), &provisional),
                     sample_day("2026-10-08"));
    assert_false(provisional);
}

/* Going n forward and n back returns to the last working day not after the start. */
static void test_there_and_back(void **state UNUSED)
{
    for (int32_t d = sample_day("2024-03-01"); d < sample_day("2026-10-01"); d++) {
        for (int32_t n = 1; n <= 15; n++) {
            int32_t there, back;
            calendar_add_working_days(calendar, d, n, &there, NULL);
            assert_true(there > d && sample_is_working(there));
            calendar_add_working_days(calendar, there, -n, &back, NULL);
            int32_t last = d;
            while (!sample_is_working(last))
                last--;
            assert_int_equal(back, last);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_day),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_empty_calendar),
        cmocka_unit_test(test_rows_are_copied),
        cmocka_unit_test(test_names_without_a_translation),
        cmocka_unit_test(test_notice_of_the_next_year),
        cmocka_unit_test(test_bad_notices),
        cmocka_unit_test(test_add_working_days),
        cmocka_unit_test(test_there_and_back),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

/* Days and instants: every day of 500 years, table cases of the two parsers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"

static int days_in(int year, int month)
{
    if (month == 2)
        return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

static void test_every_day(void **state UNUSED)
{
    int32_t day = day_from_ymd(1800, 1, 1);
    assert_int_equal(day, -62091);
    int weekday = day_weekday(day);
    assert_int_equal(weekday, 3);
    for (int year = 1800; year < 2300; year++) {
        for (int month = 1; month <= 12; month++) {
            for (int mday = 1; mday <= days_in(year, month); mday++, day++) {
                int y, m, d;
                day_to_ymd(day, &y, &m, &d);
                if (y != year || m != month || d != mday || day_from_ymd(y, m, d) != day ||
                    day_weekday(day) != weekday)
                    fail_msg("%04d-%02d-%02d", year, month, mday);
                weekday = weekday % 7 + 1;
            }
        }
    }
}

static void test_far_days(void **state UNUSED)
{
    static const int32_t days[] = { INT32_MIN, INT32_MAX, -719528, 0, 1 };
    for (size_t i = 0; i < ARRAY_LEN(days); i++) {
        int y, m, d;
        day_to_ymd(days[i], &y, &m, &d);
        assert_int_equal(day_from_ymd(y, m, d), days[i]);
        assert_in_range(day_weekday(days[i]), 1, 7);
        char text[DAY_TEXT_SIZE];
        day_format(days[i], text);
    }
    int64_t instants[] = { INT64_MIN, INT64_MAX };
    char text[TIME_TEXT_SIZE];
    instant_format(instants[0], text);
    assert_string_equal(text, "0000-01-01T00:00:00+08:00");
    instant_format(instants[1], text);
    assert_string_equal(text, "9999-12-31T23:59:59.999+08:00");
    assert_int_equal(day_of_instant(instants[0]), INT32_MIN);
    assert_int_equal(day_of_instant(instants[1]), INT32_MAX);
}

static void test_days_and_instants(void **state UNUSED)
{
    assert_int_equal(day_of_instant(0), 0);
    assert_int_equal(day_start(0), -TIME_OFFSET_MS);
    for (int32_t day = -400; day < 400; day++) {
        assert_int_equal(day_of_instant(day_start(day)), day);
        assert_int_equal(day_of_instant(day_start(day) - 1), day - 1);
        assert_int_equal(day_of_instant(day_start(day) + TIME_DAY_MS - 1), day);
    }
    int64_t us = mono_us(), ms = mono_ms();
    assert_true(ms >= us / 1000 && mono_us() >= us);
    assert_true(wall_ms() > day_start(day_from_ymd(2020, 1, 1)));
}

static void test_day_parse(void **state UNUSED)
{
    static const char *const bad[] = { "",           "2026",        "2026-1-02",   "2026-02-29",
                                       "2024-02-30", "2026-13-01",  "2026-00-10",  "2026-01-00",
                                       "2026-01-32", "0000-01-01",  "2026-01-01 ", " 2026-01-01",
                                       "2026/01/01", "20260101",    "2026-01-0a",  "-026-01-01",
                                       "1900-02-29", "2026-01-011", "２026-01-01" };
    int32_t day = 77;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (day_parse(bad[i], &day) != ERR_INVALID_ARGUMENT)
            fail_msg("accepted %s", bad[i]);
        assert_int_equal(day, 77);
    }
    static const char *const good[] = { "1970-01-01", "2024-02-29", "2000-02-29",
                                        "1880-01-01", "0001-01-01", "9999-12-31" };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        char text[DAY_TEXT_SIZE];
        assert_int_equal(day_parse(good[i], &day), 0);
        day_format(day, text);
        assert_string_equal(text, good[i]);
    }
}

static void test_instant_parse(void **state UNUSED)
{
    static const struct {
        const char *in, *out;
    } good[] = {
        { "2026-11-24T12:00:00.123+08:00", "2026-11-24T12:00:00.123+08:00" },
        { "2026-11-24T12:00:00+08:00", "2026-11-24T12:00:00+08:00" },
        { "2026-11-24T16:00:00Z", "2026-11-25T00:00:00+08:00" },
        { "2026-11-24t15:59:59.9999999z", "2026-11-24T23:59:59.999+08:00" },
        { "2026-11-24T12:00:00.5-03:30", "2026-11-24T23:30:00.500+08:00" },
        { "2026-11-24T12:00:00.000Z", "2026-11-24T20:00:00+08:00" },
        { "2024-02-29T23:59:59-00:00", "2024-03-01T07:59:59+08:00" },
        { "1900-01-01T00:00:00+08:00", "1900-01-01T00:00:00+08:00" },
        { "2199-12-31T23:59:59.999+08:00", "2199-12-31T23:59:59.999+08:00" },
        { "1969-12-31T23:59:59.999Z", "1970-01-01T07:59:59.999+08:00" },
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int64_t instant, again;
        char text[TIME_TEXT_SIZE];
        assert_int_equal(instant_parse(good[i].in, &instant), 0);
        instant_format(instant, text);
        assert_string_equal(text, good[i].out);
        assert_int_equal(instant_parse(text, &again), 0);
        assert_int_equal(again, instant);
    }
    static const char *const bad[] = {
        "",
        "2026-11-24",
        "2026-11-24T12:00:00",
        "2026-11-24 12:00:00Z",
        "2026-11-24T12:00Z",
        "2026-11-24T24:00:00Z",
        "2026-11-24T12:60:00Z",
        "2026-11-24T12:00:60Z",
        "2026-11-24T12:00:00.Z",
        "2026-11-24T12:00:00+0800",
        "2026-11-24T12:00:00+08",
        "2026-11-24T12:00:00+24:00",
        "2026-11-24T12:00:00+08:60",
        "2026-11-24T12:00:00+08:00x",
        "2026-02-29T12:00:00Z",
        "1899-12-31T23:59:59+08:00",
        "2200-01-01T00:00:00+08:00",
        "2026-11-24T12:00:00 08:00",
    };
    int64_t instant = 5;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (instant_parse(bad[i], &instant) != ERR_INVALID_ARGUMENT)
            fail_msg("accepted %s", bad[i]);
        assert_int_equal(instant, 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_day),         cmocka_unit_test(test_far_days),
        cmocka_unit_test(test_days_and_instants), cmocka_unit_test(test_day_parse),
        cmocka_unit_test(test_instant_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Clocks of the machine, and civil days and instants at the fixed offset +08:00 as integer
 * arithmetic. */
#include "base/time.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"

#define DAYS_PER_ERA   146097 /* 400 Gregorian years */
#define DAYS_TO_EPOCH  719468 /* from 0000-03-01 to 1970-01-01 */
#define YEAR_PARSE_MIN 1900
#define YEAR_PARSE_MAX 2199

static int64_t clock_us(clockid_t id)
{
    struct timespec ts;
    int r = clock_gettime(id, &ts);
    assert_always(r == 0);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t mono_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

int64_t mono_ms(void)
{
    return mono_us() / 1000;
}

int64_t wall_ms(void)
{
    return clock_us(CLOCK_REALTIME) / 1000;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return a % b < 0 ? q - 1 : q;
}

int32_t day_of_instant(int64_t instant_ms)
{
    /* The offset is added to the remainder, so that no instant can overflow. */
    int64_t day = floor_div(instant_ms, TIME_DAY_MS);
    int64_t rest_ms = instant_ms % TIME_DAY_MS;
    if (rest_ms < 0)
        rest_ms += TIME_DAY_MS;
    if (rest_ms >= TIME_DAY_MS - TIME_OFFSET_MS)
        day++;
    if (day > INT32_MAX)
        return INT32_MAX;
    return day < INT32_MIN ? INT32_MIN : (int32_t)day;
}

int64_t day_start(int32_t day)
{
    return (int64_t)day * TIME_DAY_MS - TIME_OFFSET_MS;
}

/* Years are counted from March, so that the leap day is the last of its year and the months before
 * it have a regular pattern: 153 days each five months. */
int32_t day_from_ymd(int year, int month, int mday)
{
    assert_always(month >= 1 && month <= 12);
    int64_t march_year = (int64_t)year - (month <= 2);
    int64_t era = floor_div(march_year, 400);
    int64_t year_of_era = march_year - era * 400;
    int64_t march_month = (month + 9) % 12;
    int64_t day_of_year = (153 * march_month + 2) / 5 + mday - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return (int32_t)(era * DAYS_PER_ERA + day_of_era - DAYS_TO_EPOCH);
}

void day_to_ymd(int32_t day, int *ret_year, int *ret_month, int *ret_mday)
{
    int64_t shifted = (int64_t)day + DAYS_TO_EPOCH;
    int64_t era = floor_div(shifted, DAYS_PER_ERA);
    int64_t day_of_era = shifted - era * DAYS_PER_ERA;
    /* Taking out the leap days that have passed leaves 365 days a year. */
    int64_t leap_days = day_of_era / 1460 - day_of_era / 36524 + day_of_era / (DAYS_PER_ERA - 1);
    int64_t year_of_era = (day_of_era - leap_days) / 365;
    int64_t year_start = year_of_era * 365 + year_of_era / 4 - year_of_era / 100;
    int64_t day_of_year = day_of_era - year_start;
    int64_t march_month = (5 * day_of_year + 2) / 153;
    int month = (int)((march_month + 2) % 12) + 1;

    *ret_mday = (int)(day_of_year - (153 * march_month + 2) / 5) + 1;
    *ret_month = month;
    *ret_year = (int)(era * 400 + year_of_era) + (month <= 2);
}

int day_weekday(int32_t day)
{
    /* 1970-01-01 was a Thursday. */
    int64_t shifted = (int64_t)day + 3;
    return (int)(shifted - floor_div(shifted, 7) * 7) + 1;
}

static int days_in_month(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* Exactly `count` digits at *p, which moves behind them. */
static bool take_digits(const char **p, int count, int *ret_value)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        char c = (*p)[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *p += count;
    *ret_value = value;
    return true;
}

static bool take_char(const char **p, char wanted)
{
    if (**p != wanted)
        return false;
    ++*p;
    return true;
}

static bool take_day(const char **p, int32_t *ret_day)
{
    int year, month, mday;
    if (!take_digits(p, 4, &year) || !take_char(p, '-') || !take_digits(p, 2, &month) ||
        !take_char(p, '-') || !take_digits(p, 2, &mday))
        return false;
    if (year < 1 || month < 1 || month > 12 || mday < 1 || mday > days_in_month(year, month))
        return false;
    *ret_day = day_from_ymd(year, month, mday);
    return true;
}

int day_parse(const char *text, int32_t *ret_day)
{
    const char *p = text;
    int32_t day;
    if (!take_day(&p, &day) || *p)
        return err_set(ERR_INVALID_ARGUMENT, "not a date of the form YYYY-MM-DD");
    *ret_day = day;
    return 0;
}

void day_format(int32_t day, char out[DAY_TEXT_SIZE])
{
    int year, month, mday;
    day_to_ymd(day, &year, &month, &mday);
    int length = snprintf(out, DAY_TEXT_SIZE, "%04d-%02d-%02d", year, month, mday);
    assert_always(length > 0 && length < DAY_TEXT_SIZE);
}

/* "hh:mm:ss" and a fraction of any length. A leap second (ss = 60) has no place on a count of
 * milliseconds and is refused. */
static bool take_time(const char **p, int64_t *ret_ms)
{
    int hour, minute, second;
    if (!take_digits(p, 2, &hour) || !take_char(p, ':') || !take_digits(p, 2, &minute) ||
        !take_char(p, ':') || !take_digits(p, 2, &second))
        return false;
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    int64_t ms = ((hour * INT64_C(60) + minute) * 60 + second) * TIME_SECOND_MS;
    if (**p == '.') {
        ++*p;
        if (**p < '0' || **p > '9')
            return false;
        for (int unit = 100; **p >= '0' && **p <= '9'; ++*p, unit /= 10)
            ms += unit * (**p - '0');
    }
    *ret_ms = ms;
    return true;
}

static bool take_offset(const char **p, int64_t *ret_ms)
{
    char sign = **p;
    ++*p;
    if (sign == 'Z' || sign == 'z') {
        *ret_ms = 0;
        return true;
    }
    int hour, minute;
    if ((sign != '+' && sign != '-') || !take_digits(p, 2, &hour) || !take_char(p, ':') ||
        !take_digits(p, 2, &minute) || hour > 23 || minute > 59)
        return false;
    int64_t ms = (hour * INT64_C(60) + minute) * 60 * TIME_SECOND_MS;
    *ret_ms = sign == '-' ? -ms : ms;
    return true;
}

int instant_parse(const char *text, int64_t *ret_instant_ms)
{
    const char *p = text;
    int32_t day;
    int64_t time_ms, offset_ms;
    if (!take_day(&p, &day) || (!take_char(&p, 'T') && !take_char(&p, 't')) ||
        !take_time(&p, &time_ms) || !take_offset(&p, &offset_ms) || *p)
        return err_set(ERR_INVALID_ARGUMENT, "not an instant of RFC 3339");

    int64_t instant_ms = (int64_t)day * TIME_DAY_MS + time_ms - offset_ms;
    if (instant_ms < day_start(day_from_ymd(YEAR_PARSE_MIN, 1, 1)) ||
        instant_ms >= day_start(day_from_ymd(YEAR_PARSE_MAX + 1, 1, 1)))
        return err_set(ERR_INVALID_ARGUMENT, "instant outside the years %d to %d", YEAR_PARSE_MIN,
                       YEAR_PARSE_MAX);
    *ret_instant_ms = instant_ms;
    return 0;
}

/* `count` digits and the character behind them. */
static void put_digits(char **p, int value, int count, char behind)
{
    for (int i = count - 1; i >= 0; i--, value /= 10)
        (*p)[i] = (char)('0' + value % 10);
    (*p)[count] = behind;
    *p += count + 1;
}

void instant_format(int64_t instant_ms, char out[TIME_TEXT_SIZE])
{
    /* RFC 3339 has four digits for a year: what lies outside is shown as the nearest that it can
     * say. */
    const int64_t first = day_start(day_from_ymd(0, 1, 1));
    const int64_t last = day_start(day_from_ymd(10000, 1, 1)) - 1;
    if (instant_ms < first)
        instant_ms = first;
    if (instant_ms > last)
        instant_ms = last;

    int32_t day = day_of_instant(instant_ms);
    int rest_ms = (int)(instant_ms - day_start(day));
    int year, month, mday;
    day_to_ymd(day, &year, &month, &mday);
    char *p = out;
    put_digits(&p, year, 4, '-');
    put_digits(&p, month, 2, '-');
    put_digits(&p, mday, 2, 'T');
    put_digits(&p, rest_ms / 3600000, 2, ':');
    put_digits(&p, rest_ms / 60000 % 60, 2, ':');
    put_digits(&p, rest_ms / 1000 % 60, 2, rest_ms % 1000 ? '.' : '+');
    if (rest_ms % 1000)
        put_digits(&p, rest_ms % 1000, 3, '+');
    memcpy(p, "08:00", sizeof("08:00"));
}

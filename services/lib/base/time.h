/* Time: a monotonic clock for budgets, and arithmetic on civil instants and days at the fixed
 * offset +08:00.
 *
 * Instants are int64 milliseconds since 1970-01-01T00:00:00Z. A `day` is an int32 count of days
 * since 1970-01-01 of the local (+08:00) calendar. China has kept one offset without daylight
 * saving since 1991, so local days are exact arithmetic. */
#ifndef LUJIAN_BASE_TIME_H
#define LUJIAN_BASE_TIME_H

#include <stddef.h>
#include <stdint.h>

#define TIME_SECOND_MS INT64_C(1000)
#define TIME_HOUR_MS   INT64_C(3600000)
#define TIME_DAY_MS    INT64_C(86400000)
#define TIME_OFFSET_MS INT64_C(28800000)

#define TIME_TEXT_SIZE 32 /* "2026-11-24T12:00:00.123+08:00" and NUL */
#define DAY_TEXT_SIZE  16 /* "2026-11-24" and NUL */

int64_t mono_ms(void);
int64_t mono_us(void);
/* The operating system's wall clock; only for logs and for starting values, never for acts or
 * deadlines. */
int64_t wall_ms(void);

int32_t day_of_instant(int64_t instant_ms);
int64_t day_start(int32_t day); /* 00:00 +08:00 */
int32_t day_from_ymd(int year, int month, int mday);
void day_to_ymd(int32_t day, int *ret_year, int *ret_month, int *ret_mday);
int day_weekday(int32_t day); /* 1 Monday .. 7 Sunday (ISO 8601) */

/* "YYYY-MM-DD"; impossible dates are ERR_INVALID_ARGUMENT. */
int day_parse(const char *text, int32_t *ret_day);
void day_format(int32_t day, char out[DAY_TEXT_SIZE]);

/* RFC 3339 with any offset, at most millisecond precision kept; years 1900 to 2199. */
int instant_parse(const char *text, int64_t *ret_instant_ms);
/* RFC 3339 with +08:00; milliseconds only when not zero. */
void instant_format(int64_t instant_ms, char out[TIME_TEXT_SIZE]);

#endif

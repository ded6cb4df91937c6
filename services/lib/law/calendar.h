/* The working-day calendar as law: which day is worked and why, and when a term ends.
 *
 * A calendar is immutable and pure: built from the State Council's notices in an arena, it reads no
 * clock and asks nobody. Sources: Civil Code (民法典) arts. 201 to 203, Regulations on Working
 * Hours (国务院关于职工 工作时间的规定) art. 7, and the yearly notice on days off (放假通知). A day
 * of a year that no notice has announced is never guessed in silence: it is taken for what its
 * weekday says, its reason says so, and whatever rests on it is `provisional`.
 *
 * Days and instants are those of base/time.h: local days at +08:00, milliseconds since 1970. */
#ifndef LUJIAN_LAW_CALENDAR_H
#define LUJIAN_LAW_CALENDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/* Years that a start or a mark may lie in. */
#define CALENDAR_YEAR_MIN 1900
#define CALENDAR_YEAR_MAX 2199

/* The values are those of DayKind in the contract. */
enum calendar_kind { CALENDAR_OFF = 1, CALENDAR_WORK = 2 };

/* The notice that announces one year. */
struct calendar_notice {
    int year;
    const char *notice; /* document number (文号) */
    const char *title;  /* may be "" */
};

/* A day that a notice marks: off, or a rest day that is worked instead (调休). */
struct calendar_mark {
    int32_t day;
    enum calendar_kind kind;
    const char *festival; /* 春节; may be "" */
    int year;             /* of its notice; a notice may mark last days of the year before */
};

struct calendar;

/* Everything is copied into the arena, which must outlive the calendar; the order of the rows does
 * not matter. Refused with ERR_UNPROCESSABLE: a year announced twice, a mark without its notice, a
 * day marked twice differently by one notice, a kind or year out of range. Of two notices that mark
 * one day the later year's prevails. */
int calendar_build(struct arena *arena, const struct calendar_notice *notices, size_t notice_count,
                   const struct calendar_mark *marks, size_t mark_count,
                   const struct calendar **ret_calendar);

/* What a day is. The texts live as long as the calendar. */
struct calendar_day {
    int32_t day;
    bool working;
    bool announced; /* its year has a notice, or a notice names the day; else it is by weekday only
                     */
    /* workday, make_up_workday, rest_day, holiday; workday_assumed, rest_day_assumed */
    const char *reason_code;
    const char *reason_zh;
    const char *reason_en;
    const char *basis; /* Chinese: the notice or the article */
};

/* Working: Monday to Friday not marked off, or any day marked for work (domain rule 5.1(5)). */
struct calendar_day calendar_day_describe(const struct calendar *c, int32_t day);

/* The n-th working day after `day`, before it where n is negative; `day` itself, whatever it is,
 * where n is 0. *ret_provisional (may be NULL): was a day looked at that nobody has announced?
 * ERR_INVALID_ARGUMENT: |n| above TERM_WORKING_DAYS_MAX or a day out of range. */
int calendar_add_working_days(const struct calendar *c, int32_t day, int32_t n, int32_t *ret_day,
                              bool *ret_provisional);
/* The first working day after `day`: what calendar_add_working_days gives for 1. `day` must be in
 * range. */
int32_t calendar_next_working_day(const struct calendar *c, int32_t day, bool *ret_provisional);

/* The values are those of TermUnit in the contract. */
enum term_unit { TERM_HOURS = 1, TERM_NATURAL_DAYS = 2, TERM_WORKING_DAYS = 3, TERM_MONTHS = 4 };

#define TERM_HOURS_MAX         10000
#define TERM_NATURAL_DAYS_MAX  3660
#define TERM_WORKING_DAYS_MAX  2500
#define TERM_MONTHS_MAX        120
#define TERM_EXTENDED_DAYS_MAX 250

struct term {
    enum term_unit unit;
    uint32_t count; /* at least 1 */
    /* Natural days and months: does a last day that is no working day move to the next one (art.
     * 203)? Not so for measures that restrict a party, which end on time. Hours never roll; working
     * days need not. */
    bool roll;
    /* A granted extension: so many working days after the last day of the above. 0 = none. */
    uint32_t extended_days;
};

/* ERR_INVALID_ARGUMENT: no such unit, a count of 0 or above the unit's limit, an extension above
 * its limit. */
int term_check(struct term term);

struct due {
    int64_t due_at;   /* exclusive: the first instant that is late */
    int32_t due_on;   /* the date of the last instant in time */
    bool provisional; /* a day decided this that lies outside the announced years */
};

/* When a term ends that starts at `start_ms`.
 *   - days and months: the start day is not counted (art. 201(1)); the term ends with its last day
 * at 24:00 (art. 203(2)), so due_at is 00:00 of the day after;
 *   - months: on the corresponding day, or the last of a month that has none (art. 202);
 *   - hours: counted from the very instant, through rest days (art. 201(2)).
 * Days that are only counted through (natural days, months, hours) decide nothing and make nothing
 * provisional; the last day does where it may roll. ERR_INVALID_ARGUMENT: see term_check; a start
 * outside the years above. */
int calendar_due(const struct calendar *c, struct term term, int64_t start_ms, struct due *ret_due);

/* One day of an explanation. */
struct calendar_step {
    int32_t day;
    bool counted; /* one of the term's days; a day that only carries the end further is not */
    /* start_day, working_day, natural_day, month_day, last_day, hours, rolled, rolled_to,
     * extension_day, or the day's own reason code where it does not count because nobody works */
    const char *reason_code;
    const char *reason_zh;
    const char *reason_en;
    const char *basis; /* Chinese: the notice, the article, or both */
};

/* Every day from the start day to due_on, by the same walk that calendar_due makes. The steps and
 * their texts live in `arena` and in the calendar. Errors as calendar_due. */
int calendar_explain(const struct calendar *c, struct term term, int64_t start_ms,
                     struct arena *arena, struct calendar_step **ret_steps, size_t *ret_count);

#endif

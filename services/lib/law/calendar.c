/* Building a calendar from notices, and what one day is.
 *
 * Invariants: entries are ascending by day without doubles; every text was made when the calendar
 * was built, so that describing a day allocates nothing. */
#include "law/calendar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "law/calendar_walk.h"

/* 国务院令第174号: state organs rest on Saturday and Sunday. */
#define BASIS_WEEK    "《国务院关于职工工作时间的规定》第七条"
#define BASIS_ASSUMED "该年放假通知尚未发布，暂按《国务院关于职工工作时间的规定》第七条推定"
#define BASIS_MAX     200 /* what an answer has room for */

static const char *const weekday_zh[] = { "星期一，工作日",  "星期二，工作日", "星期三，工作日",
                                          "星期四，工作日",  "星期五，工作日", "星期六，周休息日",
                                          "星期日，周休息日" };
static const char *const weekday_en[] = { "Monday, working day",    "Tuesday, working day",
                                          "Wednesday, working day", "Thursday, working day",
                                          "Friday, working day",    "Saturday, rest day",
                                          "Sunday, rest day" };
static const char *const assumed_zh[] = {
    "星期一，放假通知未发布，暂按工作日计", "星期二，放假通知未发布，暂按工作日计",
    "星期三，放假通知未发布，暂按工作日计", "星期四，放假通知未发布，暂按工作日计",
    "星期五，放假通知未发布，暂按工作日计", "星期六，放假通知未发布，暂按休息日计",
    "星期日，放假通知未发布，暂按休息日计"
};
static const char *const assumed_en[] = {
    "Monday, taken for a working day until the notice is out",
    "Tuesday, taken for a working day until the notice is out",
    "Wednesday, taken for a working day until the notice is out",
    "Thursday, taken for a working day until the notice is out",
    "Friday, taken for a working day until the notice is out",
    "Saturday, taken for a rest day until the notice is out",
    "Sunday, taken for a rest day until the notice is out"
};

/* The festivals of 全国年节及纪念日放假办法 and their usual joint holidays; others keep their
 * Chinese name. */
static const struct {
    const char *zh, *en;
} festivals[] = {
    { "元旦", "New Year's Day" },
    { "春节", "Spring Festival" },
    { "清明节", "Qingming Festival" },
    { "劳动节", "Labour Day" },
    { "端午节", "Dragon Boat Festival" },
    { "中秋节", "Mid-Autumn Festival" },
    { "国庆节", "National Day" },
    { "中秋节、国庆节", "Mid-Autumn Festival and National Day" },
    { "国庆节、中秋节", "National Day and Mid-Autumn Festival" },
};

static const char *festival_en(const char *festival)
{
    for (size_t i = 0; i < ARRAY_LEN(festivals); i++) {
        if (strcmp(festivals[i].zh, festival) == 0)
            return festivals[i].en;
    }
    return festival;
}

static bool year_in_range(int year)
{
    return year >= CALENDAR_YEAR_MIN && year <= CALENDAR_YEAR_MAX;
}

static const struct calendar_notice *find_notice(const struct calendar_notice *notices,
                                                 size_t notice_count, int year)
{
    for (size_t i = 0; i < notice_count; i++) {
        if (notices[i].year == year)
            return &notices[i];
    }
    return NULL;
}

static int check_notices(const struct calendar_notice *notices, size_t notice_count)
{
    for (size_t i = 0; i < notice_count; i++) {
        if (!year_in_range(notices[i].year))
            return err_set(ERR_UNPROCESSABLE, "calendar notice of the year %d", notices[i].year);
        if (find_notice(notices, i, notices[i].year))
            return err_set(ERR_UNPROCESSABLE, "two calendar notices of the year %d",
                           notices[i].year);
    }
    return 0;
}

static int check_mark(const struct calendar_mark *mark, const struct calendar_notice *notice)
{
    int year, month, mday;
    day_to_ymd(mark->day, &year, &month, &mday);
    if (!year_in_range(year))
        return err_set(ERR_UNPROCESSABLE, "calendar day in the year %d", year);
    if (mark->kind != CALENDAR_OFF && mark->kind != CALENDAR_WORK)
        return err_set(ERR_UNPROCESSABLE, "calendar day %04d-%02d-%02d is neither off nor work",
                       year, month, mday);
    if (!notice)
        return err_set(ERR_UNPROCESSABLE, "calendar day %04d-%02d-%02d without the notice of %d",
                       year, month, mday, mark->year);
    return 0;
}

/* "国办发明电〔2023〕7号《…的通知》"; a title too long for an answer is left out. */
static const char *notice_basis(struct arena *arena, const struct calendar_notice *notice)
{
    if (!notice->title || !notice->title[0])
        return arena_strdup(arena, notice->notice);
    const char *text = arena_printf(arena, "%s《%s》", notice->notice, notice->title);
    return strlen(text) <= BASIS_MAX ? text : arena_strdup(arena, notice->notice);
}

static struct calendar_entry make_entry(struct arena *arena, const struct calendar_mark *mark,
                                        const char *basis)
{
    const char *festival = mark->festival && mark->festival[0] ? mark->festival : "节日";
    const char *english = festival_en(festival);
    struct calendar_entry entry = {
        .day = mark->day,
        .working = mark->kind == CALENDAR_WORK,
        .year = mark->year,
        .basis = basis,
    };
    if (entry.working) {
        entry.reason_zh = arena_printf(arena, "%s调休上班", festival);
        entry.reason_en = arena_printf(arena, "Make-up working day (%s)", english);
    } else {
        entry.reason_zh = arena_printf(arena, "%s放假", festival);
        entry.reason_en = arena_printf(arena, "Day off (%s)", english);
    }
    return entry;
}

static int compare_entries(const void *a, const void *b)
{
    const struct calendar_entry *x = a, *y = b;
    if (x->day != y->day)
        return x->day < y->day ? -1 : 1;
    return x->year < y->year ? -1 : x->year > y->year;
}

static int compare_years(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return x < y ? -1 : x > y;
}

/* Of the entries of one day, sorted by the year of their notice, the last stays. */
static int drop_doubles(struct calendar_entry *entries, size_t *count)
{
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        struct calendar_entry *before = kept ? &entries[kept - 1] : NULL;
        if (!before || before->day != entries[i].day) {
            entries[kept++] = entries[i];
            continue;
        }
        if (before->year == entries[i].year && before->working != entries[i].working) {
            char text[DAY_TEXT_SIZE];
            day_format(before->day, text);
            return err_set(ERR_UNPROCESSABLE, "calendar day %s is both off and work in one notice",
                           text);
        }
        *before = entries[i];
    }
    *count = kept;
    return 0;
}

int calendar_build(struct arena *arena, const struct calendar_notice *notices, size_t notice_count,
                   const struct calendar_mark *marks, size_t mark_count,
                   const struct calendar **ret_calendar)
{
    int r = check_notices(notices, notice_count);
    if (r < 0)
        return r;

    int *years = arena_array(arena, int, notice_count);
    const char **bases = arena_array(arena, const char *, notice_count);
    for (size_t i = 0; i < notice_count; i++) {
        years[i] = notices[i].year;
        bases[i] = notice_basis(arena, &notices[i]);
    }

    struct calendar_entry *entries = arena_array(arena, struct calendar_entry, mark_count);
    for (size_t i = 0; i < mark_count; i++) {
        const struct calendar_notice *notice = find_notice(notices, notice_count, marks[i].year);
        r = check_mark(&marks[i], notice);
        if (r < 0)
            return r;
        entries[i] = make_entry(arena, &marks[i], bases[notice - notices]);
    }
    if (mark_count)
        qsort(entries, mark_count, sizeof(*entries), compare_entries);
    if (notice_count)
        qsort(years, notice_count, sizeof(*years), compare_years);
    r = drop_doubles(entries, &mark_count);
    if (r < 0)
        return r;

    struct calendar *c = arena_new(arena, struct calendar);
    *c = (struct calendar){
        .years = years, .year_count = notice_count, .entries = entries, .entry_count = mark_count
    };
    *ret_calendar = c;
    return 0;
}

static const struct calendar_entry *find_entry(const struct calendar *c, int32_t day)
{
    size_t low = 0, high = c->entry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c->entries[middle].day == day)
            return &c->entries[middle];
        if (c->entries[middle].day < day)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static bool year_announced(const struct calendar *c, int32_t day)
{
    int year, month, mday;
    day_to_ymd(day, &year, &month, &mday);
    return c->year_count &&
           bsearch(&year, c->years, c->year_count, sizeof(*c->years), compare_years);
}

struct calendar_day calendar_day_describe(const struct calendar *c, int32_t day)
{
    const struct calendar_entry *entry = find_entry(c, day);
    if (entry)
        return (struct calendar_day){
            .day = day,
            .working = entry->working,
            .announced = true,
            .reason_code = entry->working ? "make_up_workday" : "holiday",
            .reason_zh = entry->reason_zh,
            .reason_en = entry->reason_en,
            .basis = entry->basis,
        };

    int weekday = day_weekday(day);
    bool working = weekday <= 5;
    if (year_announced(c, day))
        return (struct calendar_day){
            .day = day,
            .working = working,
            .announced = true,
            .reason_code = working ? "workday" : "rest_day",
            .reason_zh = weekday_zh[weekday - 1],
            .reason_en = weekday_en[weekday - 1],
            .basis = BASIS_WEEK,
        };
    return (struct calendar_day){
        .day = day,
        .working = working,
        .announced = false,
        .reason_code = working ? "workday_assumed" : "rest_day_assumed",
        .reason_zh = assumed_zh[weekday - 1],
        .reason_en = assumed_en[weekday - 1],
        .basis = BASIS_ASSUMED,
    };
}

int calendar_add_working_days(const struct calendar *c, int32_t day, int32_t n, int32_t *ret_day,
                              bool *ret_provisional)
{
    if (n > TERM_WORKING_DAYS_MAX || n < -TERM_WORKING_DAYS_MAX)
        return err_set(ERR_INVALID_ARGUMENT, "%d working days", n);
    if (day < day_from_ymd(CALENDAR_YEAR_MIN, 1, 1) ||
        day > day_from_ymd(CALENDAR_YEAR_MAX, 12, 31))
        return err_set(ERR_INVALID_ARGUMENT, "a day outside the years %d to %d", CALENDAR_YEAR_MIN,
                       CALENDAR_YEAR_MAX);
    bool provisional = false;
    int32_t step = n < 0 ? -1 : 1;
    for (int32_t left = n; left != 0;) {
        day += step;
        struct calendar_day d = calendar_day_describe(c, day);
        provisional = provisional || !d.announced;
        if (d.working)
            left -= step;
    }
    *ret_day = day;
    if (ret_provisional)
        *ret_provisional = provisional;
    return 0;
}

int32_t calendar_next_working_day(const struct calendar *c, int32_t day, bool *ret_provisional)
{
    int32_t next = day;
    int r = calendar_add_working_days(c, day, 1, &next, ret_provisional);
    assert_always(r == 0);
    return next;
}

/* The days that the notices of 2024 to 2026 mark, in short form, and a second, naive judge of
 * working days. */
#ifndef LUJIAN_LAW_TESTS_CALENDAR_SAMPLE_H
#define LUJIAN_LAW_TESTS_CALENDAR_SAMPLE_H

#include <assert.h>
#include <stdio.h>

#include "base/time.h"
#include "base/util.h"
#include "law/calendar.h"

struct sample_span {
    const char *festival, *first, *last;
    enum calendar_kind kind;
    int year;
};

#define SAMPLE_OFF(y, name, first, last)                                                           \
    {                                                                                              \
        name, #y "-" first, #y "-" last, CALENDAR_OFF, y                                           \
    }
#define SAMPLE_WORK(y, name, day)                                                                  \
    {                                                                                              \
        name, #y "-" day, #y "-" day, CALENDAR_WORK, y                                             \
    }

static const struct sample_span sample_spans[] = {
    SAMPLE_OFF(2024, "元旦", "01-01", "01-01"),
    SAMPLE_OFF(2024, "春节", "02-10", "02-17"),
    SAMPLE_OFF(2024, "清明节", "04-04", "04-06"),
    SAMPLE_OFF(2024, "劳动节", "05-01", "05-05"),
    SAMPLE_OFF(2024, "端午节", "06-10", "06-10"),
    SAMPLE_OFF(2024, "中秋节", "09-15", "09-17"),
    SAMPLE_OFF(2024, "国庆节", "10-01", "10-07"),
    SAMPLE_WORK(2024, "春节", "02-04"),
    SAMPLE_WORK(2024, "春节", "02-18"),
    SAMPLE_WORK(2024, "清明节", "04-07"),
    SAMPLE_WORK(2024, "劳动节", "04-28"),
    SAMPLE_WORK(2024, "劳动节", "05-11"),
    SAMPLE_WORK(2024, "中秋节", "09-14"),
    SAMPLE_WORK(2024, "国庆节", "09-29"),
    SAMPLE_WORK(2024, "国庆节", "10-12"),

    SAMPLE_OFF(2025, "元旦", "01-01", "01-01"),
    SAMPLE_OFF(2025, "春节", "01-28", "02-04"),
    SAMPLE_OFF(2025, "清明节", "04-04", "04-06"),
    SAMPLE_OFF(2025, "劳动节", "05-01", "05-05"),
    SAMPLE_OFF(2025, "端午节", "05-31", "06-02"),
    SAMPLE_OFF(2025, "国庆节、中秋节", "10-01", "10-08"),
    SAMPLE_WORK(2025, "春节", "01-26"),
    SAMPLE_WORK(2025, "春节", "02-08"),
    SAMPLE_WORK(2025, "劳动节", "04-27"),
    SAMPLE_WORK(2025, "国庆节、中秋节", "09-28"),
    SAMPLE_WORK(2025, "国庆节、中秋节", "10-11"),

    SAMPLE_OFF(2026, "元旦", "01-01", "01-03"),
    SAMPLE_OFF(2026, "春节", "02-15", "02-23"),
    SAMPLE_OFF(2026, "清明节", "04-04", "04-06"),
    SAMPLE_OFF(2026, "劳动节", "05-01", "05-05"),
    SAMPLE_OFF(2026, "端午节", "06-19", "06-21"),
    SAMPLE_OFF(2026, "中秋节", "09-25", "09-27"),
    SAMPLE_OFF(2026, "国庆节", "10-01", "10-07"),
    SAMPLE_WORK(2026, "元旦", "01-04"),
    SAMPLE_WORK(2026, "春节", "02-14"),
    SAMPLE_WORK(2026, "春节", "02-28"),
    SAMPLE_WORK(2026, "劳动节", "05-09"),
    SAMPLE_WORK(2026, "国庆节", "09-20"),
    SAMPLE_WORK(2026, "国庆节", "10-10"),
};

static const struct calendar_notice sample_notices[] = {
    { 2024, "国办发明电〔2023〕7号", "国务院办公厅关于2024年部分节假日安排的通知" },
    { 2025, "国办发明电〔2024〕12号", "国务院办公厅关于2025年部分节假日安排的通知" },
    { 2026, "国办发明电〔2025〕7号", "国务院办公厅关于2026年部分节假日安排的通知" },
};

#define SAMPLE_MARKS_MAX 200

static inline int32_t sample_day(const char *text)
{
    int32_t day = 0;
    int r = day_parse(text, &day);
    if (r < 0)
        fprintf(stderr, "bad day in a test: %s\n", text);
    assert(r == 0);
    return day;
}

/* The marks of the first `years` notices, day by day, latest first: the order must not matter. */
static inline size_t sample_marks(struct calendar_mark *marks, int first_year, int last_year)
{
    size_t count = 0;
    for (size_t i = ARRAY_LEN(sample_spans); i-- > 0;) {
        const struct sample_span *span = &sample_spans[i];
        if (span->year < first_year || span->year > last_year)
            continue;
        for (int32_t d = sample_day(span->last); d >= sample_day(span->first); d--) {
            assert(count < SAMPLE_MARKS_MAX);
            marks[count++] = (struct calendar_mark){ d, span->kind, span->festival, span->year };
        }
    }
    return count;
}

static inline const struct calendar *sample_calendar(struct arena *arena)
{
    struct calendar_mark marks[SAMPLE_MARKS_MAX];
    size_t count = sample_marks(marks, 2024, 2026);
    const struct calendar *calendar = NULL;
    int r =
        calendar_build(arena, sample_notices, ARRAY_LEN(sample_notices), marks, count, &calendar);
    if (r < 0 || !calendar)
        fprintf(stderr, "the sample calendar does not build\n");
    return calendar;
}

/* Straight from the spans, by another way than the code under test; their days are read once. */
static inline bool sample_is_working(int32_t day)
{
    static int32_t days[ARRAY_LEN(sample_spans)][2], monday;
    for (size_t i = 0; !monday && i < ARRAY_LEN(sample_spans); i++) {
        days[i][0] = sample_day(sample_spans[i].first);
        days[i][1] = sample_day(sample_spans[i].last);
    }
    if (!monday)
        monday = sample_day("2024-01-01");
    for (size_t i = 0; i < ARRAY_LEN(sample_spans); i++) {
        if (day >= days[i][0] && day <= days[i][1])
            return sample_spans[i].kind == CALENDAR_WORK;
    }
    return ((day - monday) % 7 + 7) % 7 < 5;
}

#endif

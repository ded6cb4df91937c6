/* Private to law/: the one walk over days that both computes a due date and explains it, and the
 * calendar's inside. */
#ifndef LUJIAN_LAW_CALENDAR_WALK_H
#define LUJIAN_LAW_CALENDAR_WALK_H

#include "law/calendar.h"

/* A marked day with its texts, made once. */
struct calendar_entry {
    int32_t day;
    bool working;
    int year;
    const char *reason_zh, *reason_en, *basis;
};

struct calendar {
    const int *years; /* announced, ascending */
    size_t year_count;
    const struct calendar_entry *entries; /* by day, ascending */
    size_t entry_count;
};

enum walk_role {
    WALK_START,         /* the start day of a term in days or months */
    WALK_WORKING_DAY,   /* the n-th */
    WALK_SKIPPED,       /* nobody works */
    WALK_NATURAL_DAY,   /* the n-th */
    WALK_MONTH_DAY,     /* in the n-th month */
    WALK_CORRESPONDING, /* the day that ends a term in months */
    WALK_MONTH_END,     /* the same where the month has no corresponding day */
    WALK_HOURS,         /* from from_ms to to_ms */
    WALK_ROLLED,        /* carried over: the last day was one on which nobody works */
    WALK_ROLLED_TO,     /* the working day that ends a rolled term */
};

struct walk_step {
    enum walk_role role;
    uint32_t ordinal;
    bool extension;   /* of the granted extension's days, whose ordinals start anew */
    bool last_is_off; /* the last day of the count, and the end moves on from it */
    struct calendar_day day;
    int64_t from_ms, to_ms; /* WALK_HOURS: the part of that day, to_ms exclusive */
};

typedef void walk_visit(void *context, const struct walk_step *step);

/* Visits every day from the start day to due_on in order; `visit` may be NULL. */
int calendar_walk(const struct calendar *c, struct term term, int64_t start_ms, walk_visit *visit,
                  void *context, struct due *ret_due);

#endif

/* The walk: from the start day, day by day, to the day that ends the term.
 *
 * Whoever wants the due date and whoever wants the reasons go the same way, so an explanation
 * cannot differ from what it explains. */
#include "law/calendar_walk.h"

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"

struct walk {
    const struct calendar *calendar;
    walk_visit *visit;
    void *context;
    int32_t day; /* the last one visited */
    bool provisional;
};

int term_check(struct term term)
{
    uint32_t count_max = 0;
    switch (term.unit) {
    case TERM_HOURS:
        count_max = TERM_HOURS_MAX;
        break;
    case TERM_NATURAL_DAYS:
        count_max = TERM_NATURAL_DAYS_MAX;
        break;
    case TERM_WORKING_DAYS:
        count_max = TERM_WORKING_DAYS_MAX;
        break;
    case TERM_MONTHS:
        count_max = TERM_MONTHS_MAX;
        break;
    default:
        return err_set(ERR_INVALID_ARGUMENT, "no term has the unit %d", (int)term.unit);
    }
    if (term.count < 1 || term.count > count_max)
        return err_set(ERR_INVALID_ARGUMENT, "a term of %u is not between 1 and %u", term.count,
                       count_max);
    if (term.extended_days > TERM_EXTENDED_DAYS_MAX)
        return err_set(ERR_INVALID_ARGUMENT, "an extension of %u working days is above %d",
                       term.extended_days, TERM_EXTENDED_DAYS_MAX);
    return 0;
}

static void visit(struct walk *w, const struct walk_step *step)
{
    w->day = step->day.day;
    if (w->visit)
        w->visit(w->context, step);
}

/* A day whose being worked or not decides something. */
static struct calendar_day look(struct walk *w, int32_t day)
{
    struct calendar_day d = calendar_day_describe(w->calendar, day);
    w->provisional = w->provisional || !d.announced;
    return d;
}

static void walk_working_days(struct walk *w, uint32_t count, bool extension)
{
    for (uint32_t n = 0; n < count;) {
        struct walk_step step = { .day = look(w, w->day + 1), .extension = extension };
        if (step.day.working) {
            step.role = WALK_WORKING_DAY;
            step.ordinal = ++n;
        } else {
            step.role = WALK_SKIPPED;
        }
        visit(w, &step);
    }
}

/* The last day of the count, and where it is a day of rest that rolls, the days up to the next
 * working one. */
static void walk_last_day(struct walk *w, struct walk_step step, bool roll)
{
    step.day = roll ? look(w, w->day + 1) : calendar_day_describe(w->calendar, w->day + 1);
    step.last_is_off = roll && !step.day.working;
    visit(w, &step);
    for (bool rolling = step.last_is_off; rolling;) {
        struct walk_step next = { .day = look(w, w->day + 1) };
        rolling = !next.day.working;
        next.role = rolling ? WALK_ROLLED : WALK_ROLLED_TO;
        visit(w, &next);
    }
}

static void walk_natural_days(struct walk *w, uint32_t count, bool roll)
{
    struct walk_step step = { .role = WALK_NATURAL_DAY, .ordinal = 1 };
    for (; step.ordinal < count; step.ordinal++) {
        step.day = calendar_day_describe(w->calendar, w->day + 1);
        visit(w, &step);
    }
    walk_last_day(w, step, roll);
}

/* `start` plus so many months by art. 202: the corresponding day, or the last of a month without
 * one. */
static int32_t corresponding_day(int32_t start, uint32_t months, bool *ret_month_end)
{
    int year, month, mday;
    day_to_ymd(start, &year, &month, &mday);
    int index = month - 1 + (int)months;
    int target_year = year + index / 12;
    int target_month = index % 12 + 1;
    int32_t first = day_from_ymd(target_year, target_month, 1);
    int32_t next_first = target_month == 12 ? day_from_ymd(target_year + 1, 1, 1)
                                            : day_from_ymd(target_year, target_month + 1, 1);
    *ret_month_end = mday > next_first - first;
    return *ret_month_end ? next_first - 1 : first + mday - 1;
}

static void walk_months(struct walk *w, int32_t start, uint32_t count, bool roll)
{
    bool month_end;
    int32_t last = corresponding_day(start, count, &month_end);
    for (uint32_t n = 1; n <= count; n++) {
        bool unused;
        int32_t end = corresponding_day(start, n, &unused);
        while (w->day < MIN(end, last - 1)) {
            struct walk_step step = { .role = WALK_MONTH_DAY, .ordinal = n };
            step.day = calendar_day_describe(w->calendar, w->day + 1);
            visit(w, &step);
        }
    }
    struct walk_step step = { .role = month_end ? WALK_MONTH_END : WALK_CORRESPONDING,
                              .ordinal = count };
    walk_last_day(w, step, roll);
}

static int64_t walk_hours(struct walk *w, int64_t start_ms, uint32_t count)
{
    int64_t due_at = start_ms + count * TIME_HOUR_MS;
    int32_t last = day_of_instant(due_at - 1);
    for (int32_t day = day_of_instant(start_ms); day <= last; day++) {
        struct walk_step step = { .role = WALK_HOURS, .ordinal = count };
        step.day = calendar_day_describe(w->calendar, day);
        step.from_ms = MAX(start_ms, day_start(day));
        step.to_ms = MIN(due_at, day_start(day + 1));
        visit(w, &step);
    }
    return due_at;
}

int calendar_walk(const struct calendar *c, struct term term, int64_t start_ms, walk_visit *visitor,
                  void *context, struct due *ret_due)
{
    int r = term_check(term);
    if (r < 0)
        return r;
    if (start_ms < day_start(day_from_ymd(CALENDAR_YEAR_MIN, 1, 1)) ||
        start_ms >= day_start(day_from_ymd(CALENDAR_YEAR_MAX + 1, 1, 1)))
        return err_set(ERR_INVALID_ARGUMENT, "a term that starts outside the years %d to %d",
                       CALENDAR_YEAR_MIN, CALENDAR_YEAR_MAX);

    struct walk w = { .calendar = c, .visit = visitor, .context = context };
    int32_t start = day_of_instant(start_ms);
    int64_t due_at = 0;
    if (term.unit == TERM_HOURS) {
        due_at = walk_hours(&w, start_ms, term.count);
    } else {
        struct walk_step step = { .role = WALK_START, .day = calendar_day_describe(c, start) };
        visit(&w, &step);
    }
    if (term.unit == TERM_WORKING_DAYS)
        walk_working_days(&w, term.count, false);
    else if (term.unit == TERM_NATURAL_DAYS)
        walk_natural_days(&w, term.count, term.roll);
    else if (term.unit == TERM_MONTHS)
        walk_months(&w, start, term.count, term.roll);
    walk_working_days(&w, term.extended_days, true);

    if (term.unit != TERM_HOURS || term.extended_days)
        due_at = day_start(w.day + 1);
    *ret_due = (struct due){ .due_at = due_at, .due_on = w.day, .provisional = w.provisional };
    return 0;
}

int calendar_due(const struct calendar *c, struct term term, int64_t start_ms, struct due *ret_due)
{
    return calendar_walk(c, term, start_ms, NULL, NULL, ret_due);
}

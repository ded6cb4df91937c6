/* The calendar, terms and ladders: what a notice may say, and that a version once told stays what
 * it was.
 *
 * A clock keeps the id and version of its rule, so a version's content is fixed: only its window
 * and its legal basis may be mended. */
#include <string.h>

#include "base/time.h"
#include "base/util.h"
#include "law/calendar.h"
#include "registry.h"

#define YEAR_BEFORE_DAYS 7 /* how far a notice may reach into the year before */

static const struct row_refusal *check_notice_day(const struct row_check *c,
                                                  const CalendarNotice *notice,
                                                  const CalendarDay *at, int32_t *ret_day)
{
    int year, month, mday;
    if (day_parse(at->day, ret_day) < 0)
        return row_refuse(c, "bad_date", "%s is no date", at->day);
    day_to_ymd(*ret_day, &year, &month, &mday);
    if (year != (int)notice->year &&
        (*ret_day < day_from_ymd((int)notice->year, 1, 1) - YEAR_BEFORE_DAYS ||
         year > (int)notice->year))
        return row_refuse(c, "day_of_another_year", "%s is not a day of %u", at->day, notice->year);
    if (at->kind == DAY_KIND_WORK && day_weekday(*ret_day) <= 5)
        return row_refuse(c, "no_weekend_day", "%s is a make-up working day but no weekend day",
                          at->day);
    return NULL;
}

const struct row_refusal *rules_check_calendar(const struct row_check *c, const struct fact *fact)
{
    const CalendarNotice *notice = fact->row->calendar_notice;
    if (notice->n_days == 0)
        return row_refuse(c, "no_days", "the notice of %u announces no day", notice->year);
    int32_t *days = arena_array(c->arena, int32_t, notice->n_days);
    for (size_t i = 0; i < notice->n_days; i++) {
        const struct row_refusal *why = check_notice_day(c, notice, notice->days[i], &days[i]);
        if (why)
            return why;
        for (size_t k = 0; k < i; k++) {
            if (days[k] == days[i])
                return row_refuse(c, "day_twice", "%s is marked twice", notice->days[i]->day);
        }
    }
    return NULL;
}

static bool one_of(const char *text, const char *const *names)
{
    for (; *names; names++) {
        if (strcmp(text, *names) == 0)
            return true;
    }
    return false;
}

static const char *const deadline_kinds[] = {
    "dispatch",     "sign",       "return",         "contact",    "reply", "visit",
    "order_county", "order_city", "order_province", "extend_max", NULL,
};

int rules_deadline_groups(struct arena *arena, const ReferenceRow *row, const char **names)
{
    names[0] = arena_printf(arena, "deadline:%s", row->deadline_rule->kind);
    names[1] = arena_printf(arena, "deadline_id:%s", row->deadline_rule->id);
    return 2;
}

/* One kind an id; and what a version says about time never changes. */
static const struct row_refusal *check_deadline_versions(const struct row_check *c,
                                                         const DeadlineRule *rule)
{
    const char *group = arena_printf(c->arena, "deadline_id:%s", rule->id);
    const struct fact_link *link = facts_group(c->facts, group);
    for (; link; link = fact_link_next(link)) {
        const DeadlineRule *there = link->fact->row->deadline_rule;
        if (strcmp(there->kind, rule->kind) != 0)
            return row_refuse(c, "kind_fixed", "rule %s is of kind %s", rule->id, there->kind);
        if (there->version == rule->version &&
            (there->count != rule->count || there->unit != rule->unit || there->roll != rule->roll))
            return row_refuse(c, "version_fixed",
                              "version %u of %s stands: close it and add the next version",
                              rule->version, rule->id);
    }
    return NULL;
}

const struct row_refusal *rules_check_deadline(const struct row_check *c, const struct fact *fact)
{
    const DeadlineRule *rule = fact->row->deadline_rule;
    struct window window, other;
    const struct row_refusal *why = rules_window(c, rule->valid_from, rule->valid_to, &window);
    if (why)
        return why;
    if (!one_of(rule->kind, deadline_kinds))
        return row_refuse(c, "unknown_kind", "no term is of kind %s", rule->kind);
    struct term term = { .unit = (enum term_unit)rule->unit,
                         .count = rule->count,
                         .roll = rule->roll };
    if (term_check(term) < 0)
        return row_refuse(c, "bad_term", "%u is out of range for that unit", rule->count);
    if (rule->roll && rule->unit != TERM_UNIT_NATURAL_DAYS && rule->unit != TERM_UNIT_MONTHS)
        return row_refuse(c, "bad_term",
                          "only natural days and months can end on a day off and roll");
    const char *group = arena_printf(c->arena, "deadline:%s", rule->kind);
    const struct fact_link *link = facts_group(c->facts, group);
    for (; link; link = fact_link_next(link)) {
        const DeadlineRule *there = link->fact->row->deadline_rule;
        if (there->version == rule->version && strcmp(there->id, rule->id) == 0)
            continue;
        rules_window(c, there->valid_from, there->valid_to, &other);
        if (windows_overlap(window, other))
            return row_refuse(c, "window_overlap", "%s/%u is in force on the same days", there->id,
                              there->version);
    }
    return check_deadline_versions(c, rule);
}

/* Which rungs the clock of each kind may have, in order, ROW_RUNGS_END last. */
#define RUNGS_MAX 6
static const struct {
    const char *kind;
    int rungs[RUNGS_MAX + 1];
} ladders[] = {
    { "dispatch", { RUNG_YELLOW, RUNG_RED } },
    { "sign", { RUNG_YELLOW, RUNG_RED } },
    { "contact", { RUNG_YELLOW, RUNG_RED } },
    { "visit", { RUNG_YELLOW, RUNG_RED } },
    { "reply", { RUNG_YELLOW, RUNG_RED, RUNG_L1, RUNG_L2, RUNG_L3, RUNG_REPORT } },
    { "order", { RUNG_L2, RUNG_L3, RUNG_REPORT } },
};

int rules_ladder_groups(struct arena *arena, const ReferenceRow *row, const char **names)
{
    const LadderRule *rule = row->ladder_rule;
    names[0] = arena_printf(arena, "ladder:%s:%d", rule->kind, (int)rule->rung);
    names[1] = arena_printf(arena, "ladder_id:%s", rule->id);
    return 2;
}

static const struct row_refusal *check_rung(const struct row_check *c, const LadderRule *rule)
{
    for (size_t i = 0; i < ARRAY_LEN(ladders); i++) {
        if (strcmp(ladders[i].kind, rule->kind) != 0)
            continue;
        for (int k = 0; ladders[i].rungs[k]; k++) {
            if (ladders[i].rungs[k] != (int)rule->rung)
                continue;
            if (k == 0 && rule->anchor == RUNG_ANCHOR_TERM_AFTER_PREVIOUS)
                return row_refuse(c, "bad_anchor", "the first rung follows no other");
            return NULL;
        }
        return row_refuse(c, "bad_rung", "a clock of kind %s has no such rung", rule->kind);
    }
    return row_refuse(c, "unknown_kind", "no ladder is of kind %s", rule->kind);
}

static const struct row_refusal *check_anchor(const struct row_check *c, const LadderRule *rule)
{
    bool term = rule->anchor == RUNG_ANCHOR_TERM_AFTER_PREVIOUS;
    bool counts = term || rule->anchor == RUNG_ANCHOR_WORKING_DAYS_BEFORE_DUE_ON ||
                  rule->anchor == RUNG_ANCHOR_HOURS_BEFORE_DUE_AT;
    if (counts != (rule->count > 0))
        return row_refuse(c, "bad_anchor", "the count %u does not go with that anchor",
                          rule->count);
    if (term != (rule->unit != TERM_UNIT_UNSPECIFIED))
        return row_refuse(c, "bad_anchor", "a unit goes with term_after_previous, and only there");
    if (term &&
        term_check((struct term){ .unit = (enum term_unit)rule->unit, .count = rule->count }) < 0)
        return row_refuse(c, "bad_term", "%u is out of range for that unit", rule->count);
    if (rule->anchor == RUNG_ANCHOR_WORKING_DAYS_BEFORE_DUE_ON &&
        rule->count > TERM_WORKING_DAYS_MAX)
        return row_refuse(c, "bad_term", "%u is out of range for working days", rule->count);
    return NULL;
}

static const struct row_refusal *check_ladder_versions(const struct row_check *c,
                                                       const LadderRule *rule)
{
    const char *group = arena_printf(c->arena, "ladder_id:%s", rule->id);
    const struct fact_link *link = facts_group(c->facts, group);
    for (; link; link = fact_link_next(link)) {
        const LadderRule *there = link->fact->row->ladder_rule;
        if (strcmp(there->kind, rule->kind) != 0 || there->rung != rule->rung)
            return row_refuse(c, "kind_fixed", "rule %s is another rung or of another kind",
                              rule->id);
        if (there->version == rule->version &&
            (there->anchor != rule->anchor || there->count != rule->count ||
             there->unit != rule->unit))
            return row_refuse(c, "version_fixed",
                              "version %u of %s stands: close it and add the next version",
                              rule->version, rule->id);
    }
    return NULL;
}

const struct row_refusal *rules_check_ladder(const struct row_check *c, const struct fact *fact)
{
    const LadderRule *rule = fact->row->ladder_rule;
    struct window window, other;
    const struct row_refusal *why = rules_window(c, rule->valid_from, rule->valid_to, &window);
    if (!why)
        why = check_rung(c, rule);
    if (!why)
        why = check_anchor(c, rule);
    if (why)
        return why;
    const char *group = arena_printf(c->arena, "ladder:%s:%d", rule->kind, (int)rule->rung);
    const struct fact_link *link = facts_group(c->facts, group);
    for (; link; link = fact_link_next(link)) {
        const LadderRule *there = link->fact->row->ladder_rule;
        if (there->version == rule->version && strcmp(there->id, rule->id) == 0)
            continue;
        rules_window(c, there->valid_from, there->valid_to, &other);
        if (windows_overlap(window, other))
            return row_refuse(c, "window_overlap", "%s/%u is in force on the same days", there->id,
                              there->version);
    }
    return check_ladder_versions(c, rule);
}

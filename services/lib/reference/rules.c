/* Dated rules: the calendar of all notices, deadline rules, and ladders by the day they are in
 * force. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "reference/snapshot_inside.h"

/* The values are the contract's; a cast between the two must be safe. */
_Static_assert((int)CALENDAR_OFF == (int)DAY_KIND_OFF, "off");
_Static_assert((int)CALENDAR_WORK == (int)DAY_KIND_WORK, "work");
_Static_assert((int)TERM_HOURS == (int)TERM_UNIT_HOURS, "hours");
_Static_assert((int)TERM_NATURAL_DAYS == (int)TERM_UNIT_NATURAL_DAYS, "natural days");
_Static_assert((int)TERM_WORKING_DAYS == (int)TERM_UNIT_WORKING_DAYS, "working days");
_Static_assert((int)TERM_MONTHS == (int)TERM_UNIT_MONTHS, "months");

/* Of two notices of one year the newer row counts: they are ascending, so look behind. */
static bool is_superseded(const struct row_list *rows, int i)
{
    for (int k = i + 1; k < rows->count; k++) {
        if (rows->items[k].row->row_case == REFERENCE_ROW_ROW_CALENDAR_NOTICE &&
            rows->items[k].row->calendar_notice->year == rows->items[i].row->calendar_notice->year)
            return true;
    }
    return false;
}

static int add_marks(const CalendarNotice *row, struct calendar_mark *marks, size_t *count)
{
    for (size_t i = 0; i < row->n_days; i++) {
        struct calendar_mark *mark = &marks[(*count)++];
        *mark = (struct calendar_mark){ .kind = (enum calendar_kind)row->days[i]->kind,
                                        .festival = row->days[i]->festival,
                                        .year = (int)row->year };
        int r = day_parse(row->days[i]->day, &mark->day);
        if (r < 0)
            return err_wrap(r, "calendar notice of %u", row->year);
    }
    return 0;
}

int build_calendar(struct snapshot *s, const struct row_list *rows)
{
    size_t notice_max = 1, mark_max = 1;
    for (int i = 0; i < rows->count; i++) {
        if (rows->items[i].row->row_case != REFERENCE_ROW_ROW_CALENDAR_NOTICE)
            continue;
        notice_max++;
        mark_max += rows->items[i].row->calendar_notice->n_days;
    }
    struct calendar_notice *notices = arena_array(&s->arena, struct calendar_notice, notice_max);
    struct calendar_mark *marks = arena_array(&s->arena, struct calendar_mark, mark_max);
    size_t notice_count = 0, mark_count = 0;
    for (int i = 0; i < rows->count; i++) {
        if (rows->items[i].row->row_case != REFERENCE_ROW_ROW_CALENDAR_NOTICE)
            continue;
        s->calendar_position = rows->items[i].position;
        if (is_superseded(rows, i))
            continue;
        const CalendarNotice *row = rows->items[i].row->calendar_notice;
        notices[notice_count++] = (struct calendar_notice){ .year = (int)row->year,
                                                            .notice = row->notice,
                                                            .title = row->title };
        int r = add_marks(row, marks, &mark_count);
        if (r < 0)
            return r;
    }
    return calendar_build(&s->arena, notices, notice_count, marks, mark_count, &s->calendar);
}

static const char *version_key(struct arena *arena, const char *id, uint32_t version)
{
    return arena_printf(arena, "%s\x1f%u", id, version);
}

static int add_deadline_rule(struct snapshot *s, const DeadlineRule *row)
{
    const char *key = version_key(&s->arena, row->id, row->version);
    struct deadline_node *n = map_get(&s->deadline_versions, key);
    bool known = n != NULL;
    if (!known)
        n = arena_new(&s->arena, struct deadline_node);
    else if (strcmp(n->rule.kind, row->kind) != 0)
        return err_set(ERR_UNPROCESSABLE, "deadline rule %s changed its kind", row->id);

    n->rule = (struct deadline_rule){
        .id = row->id,
        .kind = row->kind,
        .basis_zh = row->basis_zh,
        .basis_en = row->basis_en,
        .version = row->version,
        .term = { .unit = (enum term_unit)row->unit, .count = row->count, .roll = row->roll }
    };
    int r = term_check(n->rule.term);
    if (r >= 0)
        r = reference_day(row->valid_from, &n->rule.valid_from);
    if (r >= 0)
        r = reference_day(row->valid_to, &n->rule.valid_to);
    if (r < 0)
        return err_wrap(r, "deadline rule %s", row->id);
    if (known)
        return 0;
    map_put(&s->deadline_versions, key, n);
    n->next = map_get(&s->deadline_kinds, row->kind);
    map_put(&s->deadline_kinds, n->rule.kind, n);
    return 0;
}

static struct ladder_rule *ladder_slot(struct snapshot *s, const LadderRule *row)
{
    struct ladder_kind *kind = map_get(&s->ladders, row->kind);
    if (!kind) {
        kind = arena_new(&s->arena, struct ladder_kind);
        kind->kind = row->kind;
        map_put(&s->ladders, kind->kind, kind);
    }
    for (int i = 0; i < kind->rule_count; i++) {
        if (kind->rules[i]->version == row->version && strcmp(kind->rules[i]->id, row->id) == 0)
            return kind->rules[i];
    }
    if (kind->rule_count == kind->rule_capacity) {
        kind->rule_capacity = kind->rule_capacity ? kind->rule_capacity * 2 : 16;
        struct ladder_rule **grown =
            arena_array(&s->arena, struct ladder_rule *, kind->rule_capacity);
        for (int i = 0; i < kind->rule_count; i++)
            grown[i] = kind->rules[i];
        kind->rules = grown;
    }
    return kind->rules[kind->rule_count++] = arena_new(&s->arena, struct ladder_rule);
}

static int add_ladder_rule(struct snapshot *s, const LadderRule *row)
{
    struct ladder_rule *rule = ladder_slot(s, row);
    *rule = (struct ladder_rule){ .id = row->id,
                                  .kind = row->kind,
                                  .basis_zh = row->basis_zh,
                                  .basis_en = row->basis_en,
                                  .version = row->version,
                                  .rung = (int)row->rung,
                                  .anchor = (int)row->anchor,
                                  .count = row->count,
                                  .unit = (enum term_unit)row->unit };
    int r = reference_day(row->valid_from, &rule->valid_from);
    if (r >= 0)
        r = reference_day(row->valid_to, &rule->valid_to);
    if (r >= 0 && rule->anchor == RUNG_ANCHOR_TERM_AFTER_PREVIOUS)
        r = term_check((struct term){ .unit = rule->unit, .count = rule->count });
    if (r < 0)
        return err_wrap(r, "ladder rule %s", row->id);
    return 0;
}

static int compare_days(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

/* The rungs in force on one day, ascending; of two rules of one rung the later version. */
static void fill_span(struct snapshot *s, const struct ladder_kind *kind, struct ladder_span *span)
{
    span->rules = arena_array(&s->arena, const struct ladder_rule *, kind->rule_count);
    for (int i = 0; i < kind->rule_count; i++) {
        const struct ladder_rule *rule = kind->rules[i];
        if (!in_force(rule->valid_from, rule->valid_to, span->from))
            continue;
        int at = 0;
        while (at < span->count && span->rules[at]->rung < rule->rung)
            at++;
        if (at < span->count && span->rules[at]->rung == rule->rung) {
            if (rule->version > span->rules[at]->version)
                span->rules[at] = rule;
            continue;
        }
        for (int k = span->count++; k > at; k--)
            span->rules[k] = span->rules[k - 1];
        span->rules[at] = rule;
    }
}

static void build_spans(struct snapshot *s, struct ladder_kind *kind)
{
    int32_t *days = arena_array(&s->arena, int32_t, 2 * kind->rule_count + 1);
    size_t count = 0;
    days[count++] = INT32_MIN;
    for (int i = 0; i < kind->rule_count; i++) {
        if (kind->rules[i]->valid_from)
            days[count++] = kind->rules[i]->valid_from;
        if (kind->rules[i]->valid_to)
            days[count++] = kind->rules[i]->valid_to;
    }
    qsort(days, count, sizeof(days[0]), compare_days);
    kind->spans = arena_array(&s->arena, struct ladder_span, count);
    for (size_t i = 0; i < count; i++) {
        if (i && days[i] == days[i - 1])
            continue;
        struct ladder_span *span = &kind->spans[kind->span_count++];
        span->from = days[i];
        fill_span(s, kind, span);
    }
}

int build_rules(struct snapshot *s, const struct row_list *rows)
{
    for (int i = 0; i < rows->count; i++) {
        const ReferenceRow *row = rows->items[i].row;
        int r = 0;
        if (row->row_case == REFERENCE_ROW_ROW_DEADLINE_RULE)
            r = add_deadline_rule(s, row->deadline_rule);
        else if (row->row_case == REFERENCE_ROW_ROW_LADDER_RULE)
            r = add_ladder_rule(s, row->ladder_rule);
        if (r < 0)
            return r;
    }
    MAP_EACH (&s->ladders, slot) {
        build_spans(s, slot->value);
    }
    return 0;
}

const struct deadline_rule *snapshot_deadline_rule(const struct snapshot *s, const char *kind,
                                                   int32_t day)
{
    const struct deadline_node *found = NULL;
    for (const struct deadline_node *n = map_get(&s->deadline_kinds, kind); n; n = n->next) {
        if (!in_force(n->rule.valid_from, n->rule.valid_to, day))
            continue;
        if (!found || n->rule.valid_from > found->rule.valid_from ||
            (n->rule.valid_from == found->rule.valid_from && n->rule.version > found->rule.version))
            found = n;
    }
    return found ? &found->rule : NULL;
}

const struct deadline_rule *snapshot_deadline_rule_version(const struct snapshot *s, const char *id,
                                                           uint32_t version)
{
    char key[96];
    int length = snprintf(key, sizeof(key), "%s\x1f%u", id, version);
    if (length < 0 || (size_t)length >= sizeof(key))
        return NULL;
    const struct deadline_node *n = map_get(&s->deadline_versions, key);
    return n ? &n->rule : NULL;
}

const struct ladder_rule *const *snapshot_ladder(const struct snapshot *s, const char *kind,
                                                 int32_t day, int *ret_count)
{
    const struct ladder_kind *ladder = map_get(&s->ladders, kind);
    *ret_count = 0;
    if (!ladder)
        return NULL;
    const struct ladder_span *span = &ladder->spans[0];
    for (int i = 1; i < ladder->span_count && ladder->spans[i].from <= day; i++)
        span = &ladder->spans[i];
    *ret_count = span->count;
    return span->rules;
}

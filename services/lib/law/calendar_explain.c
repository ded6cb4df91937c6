/* An explanation: the steps of the walk put into words, in Chinese and English, each with its
 * basis. */
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "law/calendar_walk.h"

#define ARTICLE_START       "《民法典》第二百零一条第一款"
#define ARTICLE_HOURS       "《民法典》第二百零一条第二款"
#define ARTICLE_MONTHS      "《民法典》第二百零二条"
#define ARTICLE_ROLL        "《民法典》第二百零三条第一款"
#define EXPLAIN_STEPS_FIRST 32

struct explanation {
    struct arena *arena;
    struct calendar_step *steps;
    size_t count, capacity;
};

static struct calendar_step *add_step(struct explanation *e)
{
    if (e->count == e->capacity) {
        size_t capacity = e->capacity ? e->capacity * 2 : EXPLAIN_STEPS_FIRST;
        struct calendar_step *steps = arena_array(e->arena, struct calendar_step, capacity);
        if (e->count)
            memcpy(steps, e->steps, e->count * sizeof(*steps));
        e->steps = steps;
        e->capacity = capacity;
    }
    return &e->steps[e->count++];
}

/* "Working day 3" needs no more words where the day is a plain one. */
static void say_working_day(struct explanation *e, const struct walk_step *step,
                            struct calendar_step *out)
{
    bool plain = strcmp(step->day.reason_code, "workday") == 0;
    const char *what_zh = step->extension ? "延期第" : "第";
    const char *what_en = step->extension ? "Extension, working day" : "Working day";
    out->counted = true;
    out->reason_code = step->extension ? "extension_day" : "working_day";
    out->basis = step->day.basis;
    if (plain) {
        out->reason_zh = arena_printf(e->arena, "%s%u个工作日", what_zh, step->ordinal);
        out->reason_en = arena_printf(e->arena, "%s %u", what_en, step->ordinal);
    } else {
        out->reason_zh = arena_printf(e->arena, "%s%u个工作日（%s）", what_zh, step->ordinal,
                                      step->day.reason_zh);
        out->reason_en =
            arena_printf(e->arena, "%s %u (%s)", what_en, step->ordinal, step->day.reason_en);
    }
}

/* The day that ends the count: of natural days or of months; `zh` and `en` say which day it is. */
static void say_last_day(struct explanation *e, const struct walk_step *step, const char *zh,
                         const char *en, const char *article, struct calendar_step *out)
{
    out->counted = true;
    out->reason_code = "last_day";
    out->reason_zh = zh;
    out->reason_en = en;
    out->basis = article;
    if (!step->last_is_off)
        return;
    out->reason_zh = arena_printf(e->arena, "%s；%s，期间顺延", zh, step->day.reason_zh);
    out->reason_en = arena_printf(e->arena, "%s; %s: the end moves on", en, step->day.reason_en);
    out->basis = arena_printf(e->arena, "%s；%s", ARTICLE_ROLL, step->day.basis);
}

static void say_natural_day(struct explanation *e, const struct walk_step *step,
                            struct calendar_step *out)
{
    const char *zh = arena_printf(e->arena, "第%u日", step->ordinal);
    const char *en = arena_printf(e->arena, "Day %u", step->ordinal);
    say_last_day(e, step, zh, en, ARTICLE_START, out);
    if (!step->last_is_off)
        out->reason_code = "natural_day";
}

static void say_month_day(struct explanation *e, const struct walk_step *step,
                          struct calendar_step *out)
{
    out->counted = true;
    out->reason_code = "month_day";
    out->reason_zh = arena_printf(e->arena, "第%u个月内", step->ordinal);
    out->reason_en = arena_printf(e->arena, "In month %u", step->ordinal);
    out->basis = ARTICLE_START;
}

static void say_hours(struct explanation *e, const struct walk_step *step,
                      struct calendar_step *out)
{
    unsigned from = (unsigned)((step->from_ms - day_start(step->day.day)) / (60 * TIME_SECOND_MS));
    unsigned to = (unsigned)((step->to_ms - day_start(step->day.day)) / (60 * TIME_SECOND_MS));
    out->counted = true;
    out->reason_code = "hours";
    out->reason_zh = arena_printf(e->arena, "按小时连续计算：%02u:%02u至%02u:%02u", from / 60,
                                  from % 60, to / 60, to % 60);
    out->reason_en = arena_printf(e->arena, "Hours run on: %02u:%02u to %02u:%02u", from / 60,
                                  from % 60, to / 60, to % 60);
    out->basis = ARTICLE_HOURS;
}

static void say_rolled(struct explanation *e, const struct walk_step *step,
                       struct calendar_step *out)
{
    if (step->role == WALK_ROLLED) {
        out->reason_code = "rolled";
        out->reason_zh = arena_printf(e->arena, "%s，期间顺延", step->day.reason_zh);
        out->reason_en = arena_printf(e->arena, "%s: the end moves on", step->day.reason_en);
    } else {
        out->reason_code = "rolled_to";
        out->reason_zh = arena_printf(e->arena, "顺延后的最后一日（%s）", step->day.reason_zh);
        out->reason_en =
            arena_printf(e->arena, "Last day after moving on (%s)", step->day.reason_en);
    }
    out->basis = arena_printf(e->arena, "%s；%s", ARTICLE_ROLL, step->day.basis);
}

static void on_step(void *context, const struct walk_step *step)
{
    struct explanation *e = context;
    struct calendar_step *out = add_step(e);
    *out = (struct calendar_step){ .day = step->day.day };
    switch (step->role) {
    case WALK_START:
        out->reason_code = "start_day";
        out->reason_zh = "起算日，不计入期间";
        out->reason_en = "Start day, not counted";
        out->basis = ARTICLE_START;
        break;
    case WALK_WORKING_DAY:
        say_working_day(e, step, out);
        break;
    case WALK_SKIPPED:
        out->reason_code = step->day.reason_code;
        out->reason_zh = step->day.reason_zh;
        out->reason_en = step->day.reason_en;
        out->basis = step->day.basis;
        break;
    case WALK_NATURAL_DAY:
        say_natural_day(e, step, out);
        break;
    case WALK_MONTH_DAY:
        say_month_day(e, step, out);
        break;
    case WALK_CORRESPONDING:
        say_last_day(e, step, "到期月的对应日", "The corresponding day of the last month",
                     ARTICLE_MONTHS, out);
        break;
    case WALK_MONTH_END:
        say_last_day(e, step, "到期月没有对应日，以月末日为最后一日",
                     "No corresponding day: the last day of the month", ARTICLE_MONTHS, out);
        break;
    case WALK_HOURS:
        say_hours(e, step, out);
        break;
    case WALK_ROLLED:
    case WALK_ROLLED_TO:
        say_rolled(e, step, out);
        break;
    }
    assert_always(out->reason_code); /* every role has its words */
}

int calendar_explain(const struct calendar *c, struct term term, int64_t start_ms,
                     struct arena *arena, struct calendar_step **ret_steps, size_t *ret_count)
{
    struct explanation e = { .arena = arena };
    struct due due;
    int r = calendar_walk(c, term, start_ms, on_step, &e, &due);
    if (r < 0)
        return r;
    *ret_steps = e.steps;
    *ret_count = e.count;
    return 0;
}

/* What every kind of row has: its name, its key, its division, its groups, and its check. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/sha.h"
#include "base/time.h"
#include "base/util.h"
#include "registry.h"

#define SUBJECT_BYTES_MAX 64 /* of an event */
#define SUBJECT_DIGITS    32 /* of the digest in place of a key that is too long */

static const struct kind {
    int row_case;
    const char *name;
    const struct row_refusal *(*check)(const struct row_check *c, const struct fact *fact);
    int (*groups)(struct arena *arena, const ReferenceRow *row, const char **names);
} kinds[] = {
    { REFERENCE_ROW_ROW_DIVISION, "division", rules_check_division, NULL },
    { REFERENCE_ROW_ROW_UNIT, "unit", rules_check_unit, rules_unit_groups },
    { REFERENCE_ROW_ROW_CATEGORY, "category", rules_check_category, rules_category_groups },
    { REFERENCE_ROW_ROW_ROUTE, "route", rules_check_route, NULL },
    { REFERENCE_ROW_ROW_CALENDAR_NOTICE, "calendar_notice", rules_check_calendar, NULL },
    { REFERENCE_ROW_ROW_DEADLINE_RULE, "deadline_rule", rules_check_deadline,
      rules_deadline_groups },
    { REFERENCE_ROW_ROW_LADDER_RULE, "ladder_rule", rules_check_ladder, rules_ladder_groups },
    { REFERENCE_ROW_ROW_PRINCIPAL, "principal", rules_check_principal, rules_principal_groups },
};

static const struct kind *kind_of(const ReferenceRow *row)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (kinds[i].row_case == (int)row->row_case)
            return &kinds[i];
    }
    return NULL;
}

bool fact_kind_known(const char *kind)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i].name, kind) == 0)
            return true;
    }
    return false;
}

static const char *key_of(struct arena *arena, const ReferenceRow *row)
{
    switch ((int)row->row_case) {
    case REFERENCE_ROW_ROW_DIVISION:
        return row->division->code;
    case REFERENCE_ROW_ROW_UNIT:
        return row->unit->code;
    case REFERENCE_ROW_ROW_CATEGORY:
        return row->category->code;
    case REFERENCE_ROW_ROW_ROUTE:
        return arena_printf(arena, "%s/%s", row->route->division, row->route->category);
    case REFERENCE_ROW_ROW_CALENDAR_NOTICE:
        return arena_printf(arena, "%u", row->calendar_notice->year);
    case REFERENCE_ROW_ROW_DEADLINE_RULE:
        return arena_printf(arena, "%s/%u", row->deadline_rule->id, row->deadline_rule->version);
    case REFERENCE_ROW_ROW_LADDER_RULE:
        return arena_printf(arena, "%s/%u", row->ladder_rule->id, row->ladder_rule->version);
    case REFERENCE_ROW_ROW_PRINCIPAL:
        return arena_printf(arena, "%s/%s", row->principal->id, row->principal->key_id);
    default:
        return NULL;
    }
}

static const char *division_of(const ReferenceRow *row)
{
    switch ((int)row->row_case) {
    case REFERENCE_ROW_ROW_DIVISION:
        return row->division->code;
    case REFERENCE_ROW_ROW_UNIT:
        return row->unit->division;
    case REFERENCE_ROW_ROW_ROUTE:
        return row->route->division;
    case REFERENCE_ROW_ROW_PRINCIPAL:
        return row->principal->jurisdiction;
    default:
        return ""; /* holds in the whole province */
    }
}

struct fact *fact_describe(struct arena *arena, const ReferenceRow *row)
{
    const struct kind *kind = kind_of(row);
    if (!kind)
        return NULL;
    struct fact *fact = arena_new(arena, struct fact);
    uint8_t *data;
    fact->kind = kind->name;
    fact->key = key_of(arena, row);
    fact->division = division_of(row);
    fact->row = row;
    wire_pack(arena, &row->base, &data, &fact->size);
    fact->data = data;
    return fact;
}

int fact_groups(struct arena *arena, const struct fact *fact, const char *names[FACT_GROUPS_MAX])
{
    const struct kind *kind = kind_of(fact->row);
    return kind->groups ? kind->groups(arena, fact->row, names) : 0;
}

const char *fact_subject(struct arena *arena, const struct fact *fact)
{
    const char *subject = arena_printf(arena, "%s:%s", fact->kind, fact->key);
    if (strlen(subject) <= SUBJECT_BYTES_MAX)
        return subject;
    uint8_t digest[SHA256_SIZE];
    char digits[SHA256_TEXT_SIZE];
    sha256(fact->key, strlen(fact->key), digest);
    hex_encode(digest, sizeof(digest), digits);
    return arena_printf(arena, "%s:%.*s", fact->kind, SUBJECT_DIGITS, digits);
}

const struct row_refusal *rules_check_row(const struct row_check *c, const struct fact *fact)
{
    return kind_of(fact->row)->check(c, fact);
}

const struct row_refusal *row_refuse(const struct row_check *c, const char *reason,
                                     const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *detail = arena_vprintf(c->arena, format, args);
    va_end(args);
    if (strlen(detail) > ROW_DETAIL_MAX) { /* whole characters only */
        size_t length = ROW_DETAIL_MAX;
        while (((unsigned char)detail[length] & 0xc0) == 0x80)
            length--;
        detail[length] = '\0';
    }
    struct row_refusal *refusal = arena_new(c->arena, struct row_refusal);
    *refusal = (struct row_refusal){ .reason = reason, .detail = detail };
    return refusal;
}

const struct row_refusal *rules_window(const struct row_check *c, const char *valid_from,
                                       const char *valid_to, struct window *ret)
{
    *ret = (struct window){ 0 };
    if ((*valid_from && day_parse(valid_from, &ret->from) < 0) ||
        (*valid_to && day_parse(valid_to, &ret->to) < 0))
        return row_refuse(c, "bad_date", "valid_from or valid_to is no date");
    if (ret->from && ret->to && ret->from >= ret->to)
        return row_refuse(c, "empty_window",
                          "is in force on no day: valid_to %s is not after valid_from %s", valid_to,
                          valid_from);
    return NULL;
}

bool windows_overlap(struct window a, struct window b)
{
    return (!a.from || !b.to || a.from < b.to) && (!b.from || !a.to || b.from < a.to);
}

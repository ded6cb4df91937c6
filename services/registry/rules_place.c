/* Divisions and units: what is above what, what replaced what, and one unit a place at a time. */
#include <stdio.h>
#include <string.h>

#include "law/division.h"
#include "registry.h"

#define REPLACED_STEPS_MAX 16

static const Division *division_at(const struct row_check *c, const char *code)
{
    const struct fact *fact = facts_get(c->facts, "division", code);
    return fact ? fact->row->division : NULL;
}

/* The level that a code's length says; a county's length has zones too. */
static bool level_fits(const Division *d)
{
    switch (division_level(d->code)) {
    case DIVISION_PROVINCE:
        return d->level == DIVISION_LEVEL_PROVINCE;
    case DIVISION_CITY:
        return d->level == DIVISION_LEVEL_CITY;
    case DIVISION_COUNTY:
        return d->level == DIVISION_LEVEL_COUNTY || d->level == DIVISION_LEVEL_ZONE;
    case DIVISION_TOWN:
        return d->level == DIVISION_LEVEL_TOWN;
    default:
        return false;
    }
}

static const struct row_refusal *check_replaced_by(const struct row_check *c, const Division *d)
{
    if (!*d->valid_to)
        return row_refuse(c, "replaced_without_end", "division %s is replaced but has no valid_to",
                          d->code);
    const char *code = d->replaced_by;
    for (int steps = 0; *code; steps++) {
        if (strcmp(code, d->code) == 0 || steps == REPLACED_STEPS_MAX)
            return row_refuse(c, "replaced_in_a_ring", "replaced_by of %s leads back to itself",
                              d->code);
        const Division *next = division_at(c, code);
        if (!next)
            return row_refuse(c, "unknown_division", "replaced_by leads to %s, which is not there",
                              code);
        code = next->replaced_by;
    }
    return NULL;
}

const struct row_refusal *rules_check_division(const struct row_check *c, const struct fact *fact)
{
    const Division *d = fact->row->division;
    char parent[DIVISION_CODE_SIZE], normal[DIVISION_CODE_SIZE];
    struct window window;
    const struct row_refusal *why = rules_window(c, d->valid_from, d->valid_to, &window);
    if (why)
        return why;
    if (division_normalize(d->code, normal) < 0 || strcmp(normal, d->code) != 0)
        return row_refuse(c, "bad_division", "%s is no division code, or is filled up with zeros",
                          d->code);
    if (!level_fits(d))
        return row_refuse(c, "level_mismatch", "the code %s is not of that level", d->code);
    division_parent(d->code, parent); /* "" for a province */
    if (strcmp(parent, d->parent) != 0)
        return row_refuse(c, "parent_mismatch", "the parent of %s is \"%s\", not \"%s\"", d->code,
                          parent, d->parent);
    if (*parent && !division_at(c, parent))
        return row_refuse(c, "unknown_division", "parent %s is not there", parent);
    return *d->replaced_by ? check_replaced_by(c, d) : NULL;
}

/* Units of one division, kind and department take turns. */
static const char *unit_place(struct arena *arena, const Unit *u)
{
    return arena_printf(arena, "unit:%s:%d:%s", u->division, (int)u->kind, u->department);
}

int rules_unit_groups(struct arena *arena, const ReferenceRow *row, const char **names)
{
    const Unit *u = row->unit;
    names[0] = unit_place(arena, u);
    if (!*u->department)
        return 1;
    names[1] = arena_printf(arena, "department:%s", u->department);
    return 2;
}

const struct row_refusal *rules_check_unit(const struct row_check *c, const struct fact *fact)
{
    const Unit *u = fact->row->unit;
    struct window window, other;
    const struct row_refusal *why = rules_window(c, u->valid_from, u->valid_to, &window);
    if (why)
        return why;
    if (!division_at(c, u->division))
        return row_refuse(c, "unknown_division", "division %s is not there", u->division);
    if ((u->kind == UNIT_KIND_DEPARTMENT) != (*u->department != '\0'))
        return row_refuse(c, "department_mismatch",
                          "a unit of kind department has a department key, and no other has");
    const struct fact_link *link = facts_group(c->facts, unit_place(c->arena, u));
    for (; link; link = fact_link_next(link)) {
        const Unit *there = link->fact->row->unit;
        if (strcmp(there->code, u->code) == 0)
            continue;
        rules_window(c, there->valid_from, there->valid_to, &other);
        if (windows_overlap(window, other))
            return row_refuse(c, "window_overlap",
                              "%s is in the same place of %s on the same days: close it first",
                              there->code, u->division);
    }
    return NULL;
}

/* Categories and routes: a tree whose leaves are filed under, and rules that lead to a unit. */
#include <string.h>

#include "law/division.h"
#include "registry.h"

#define CATEGORY_DEPTH_MAX 8 /* as deep as routing looks */

static const Category *category_at(const struct row_check *c, const char *code)
{
    const struct fact *fact = facts_get(c->facts, "category", code);
    return fact ? fact->row->category : NULL;
}

static const char *children_of(struct arena *arena, const char *code)
{
    return arena_printf(arena, "children:%s", code);
}

int rules_category_groups(struct arena *arena, const ReferenceRow *row, const char **names)
{
    if (!*row->category->parent)
        return 0;
    names[0] = children_of(arena, row->category->parent);
    return 1;
}

/* The walk upwards ends, and ends in time. */
static const struct row_refusal *check_ancestors(const struct row_check *c, const Category *at)
{
    const char *code = at->parent;
    for (int depth = 1; *code; depth++) {
        if (strcmp(code, at->code) == 0)
            return row_refuse(c, "category_ring", "the parents of %s lead back to itself",
                              at->code);
        if (depth == CATEGORY_DEPTH_MAX)
            return row_refuse(c, "too_deep", "%s has more than %d levels above it", at->code,
                              CATEGORY_DEPTH_MAX - 1);
        const Category *parent = category_at(c, code);
        if (!parent)
            return row_refuse(c, "unknown_category", "parent %s is not there", code);
        if (depth == 1 && parent->leaf)
            return row_refuse(c, "parent_is_leaf", "parent %s is a leaf", code);
        code = parent->parent;
    }
    return NULL;
}

const struct row_refusal *rules_check_category(const struct row_check *c, const struct fact *fact)
{
    const Category *row = fact->row->category;
    if (row->leaf && facts_group(c->facts, children_of(c->arena, row->code)))
        return row_refuse(c, "leaf_with_children", "%s has children, so it is no leaf", row->code);
    return check_ancestors(c, row);
}

static const struct row_refusal *check_unit_target(const struct row_check *c, const Route *route)
{
    const struct fact *fact = facts_get(c->facts, "unit", route->unit);
    if (!fact)
        return row_refuse(c, "unknown_unit", "unit %s is not there", route->unit);
    if (!division_contains(fact->row->unit->division, route->division))
        return row_refuse(c, "unit_aside", "unit %s stands neither in %s nor above it", route->unit,
                          route->division);
    return NULL;
}

/* Some matter of the division must find the department: in the subtree or above. */
static const struct row_refusal *check_department_target(const struct row_check *c,
                                                         const Route *route)
{
    const char *group = arena_printf(c->arena, "department:%s", route->department);
    const struct fact_link *link = facts_group(c->facts, group);
    for (; link; link = fact_link_next(link)) {
        if (division_contains(link->fact->division, route->division) ||
            division_contains(route->division, link->fact->division))
            return NULL;
    }
    return row_refuse(c, "unknown_department", "department %s has no unit in %s or above it",
                      route->department, route->division);
}

const struct row_refusal *rules_check_route(const struct row_check *c, const struct fact *fact)
{
    const Route *route = fact->row->route;
    if (!facts_get(c->facts, "division", route->division))
        return row_refuse(c, "unknown_division", "division %s is not there", route->division);
    if (!category_at(c, route->category))
        return row_refuse(c, "unknown_category", "category %s is not there", route->category);
    if ((*route->department != '\0') == (*route->unit != '\0'))
        return row_refuse(c, "target_mismatch", "a route names either a department or a unit");
    return *route->unit ? check_unit_target(c, route) : check_department_target(c, route);
}

/* Categories and routing: whose is a matter of this division and this category?
 *
 * The division counts more than the category: the walk goes up the divisions, and at each from the
 * leaf to the root; the first rule that leads to a unit wins. deploy/seed/README.md is its manual.
 */
#include <string.h>

#include "base/err.h"
#include "reference/snapshot_inside.h"

/* Stands in category_names for a name that two categories have. */
static struct category_node ambiguous;

static void name_category(struct snapshot *s, struct category_node *n)
{
    const struct category_node *there = map_get(&s->category_names, n->c.name_zh);
    map_put(&s->category_names, n->c.name_zh, there ? &ambiguous : n);
}

int build_categories(struct snapshot *s, const struct row_list *rows)
{
    uint32_t index = 0;
    for (int i = 0; i < rows->count; i++) {
        if (rows->items[i].row->row_case != REFERENCE_ROW_ROW_CATEGORY)
            continue;
        const Category *row = rows->items[i].row->category;
        struct category_node *n = arena_new(&s->arena, struct category_node);
        n->index = index++;
        n->c = (struct category){ .code = row->code,
                                  .parent = row->parent,
                                  .name_zh = row->name_zh,
                                  .name_en = row->name_en,
                                  .leaf = row->leaf };
        map_put(&s->categories, n->c.code, n);
    }
    MAP_EACH (&s->categories, slot) {
        struct category_node *n = slot->value;
        n->parent = n->c.parent[0] ? map_get(&s->categories, n->c.parent) : NULL;
        name_category(s, n);
    }
    return 0;
}

struct category_node *category_find(const struct snapshot *s, const char *code_or_name)
{
    const char *wanted = code_or_name[0] ? code_or_name : "other";
    struct category_node *n = map_get(&s->categories, wanted);
    if (n)
        return n;
    n = map_get(&s->category_names, wanted);
    return n == &ambiguous ? NULL : n;
}

const struct category *snapshot_category(const struct snapshot *s, const char *code_or_name)
{
    const struct category_node *n = category_find(s, code_or_name);
    return n ? &n->c : NULL;
}

int build_routes(struct snapshot *s, const struct row_list *rows)
{
    for (int i = 0; i < rows->count; i++) {
        if (rows->items[i].row->row_case != REFERENCE_ROW_ROW_ROUTE)
            continue;
        const Route *row = rows->items[i].row->route;
        struct division_node *division = map_get(&s->divisions, row->division);
        const struct category_node *category = map_get(&s->categories, row->category);
        if (!division || !category)
            continue; /* names what is not there: leads nowhere */
        struct route_node *n = arena_new(&s->arena, struct route_node);
        n->key = (struct pair_key){ division->index, category->index };
        if (row->unit[0])
            n->unit = snapshot_unit(s, row->unit);
        else
            n->department = map_get(&s->departments, row->department);
        division->has_routes = true;
        map_put_bytes(&s->routes, (const char *)&n->key, sizeof(n->key), n);
    }
    return 0;
}

/* The department's unit in the matter's division, or in the nearest above that has one. */
static const struct unit *department_unit(const struct snapshot *s, const struct division_node *at,
                                          const struct department *department)
{
    for (; at; at = at->parent) {
        struct pair_key key = { at->index, department->index };
        const struct unit_node *n =
            map_get_bytes(&s->department_units, (const char *)&key, sizeof(key));
        if (n)
            return &n->u;
    }
    return NULL;
}

static const struct unit *route_at(const struct snapshot *s, const struct division_node *matter,
                                   const struct division_node *at, const struct category_node *leaf)
{
    const struct category_node *c = leaf;
    for (int steps = 0; c && steps < CATEGORY_DEPTH_MAX; c = c->parent, steps++) {
        struct pair_key key = { at->index, c->index };
        const struct route_node *rule = map_get_bytes(&s->routes, (const char *)&key, sizeof(key));
        if (!rule)
            continue;
        const struct unit *unit =
            rule->department ? department_unit(s, matter, rule->department) : rule->unit;
        if (unit)
            return unit;
    }
    return NULL;
}

const struct unit *snapshot_route(const struct snapshot *s, const char *division,
                                  const char *category)
{
    const struct division_node *matter = division_nearest(s, division);
    const struct category_node *leaf = category_find(s, category);
    for (const struct division_node *at = matter; at && leaf; at = at->parent) {
        const struct unit *unit = at->has_routes ? route_at(s, matter, at, leaf) : NULL;
        if (unit)
            return unit;
    }
    return snapshot_default_unit(s, division);
}

/* Divisions and units: codes as people write them, what replaced what, who is above whom, and who
 * owns what nobody else does.
 *
 * Invariant: from every node the way up ends, and every node has a default unit and a supervision
 * body where any node above it has one. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/util.h"
#include "reference/snapshot_inside.h"

/* Where a code of each length is cut to name the division above: 12 -> 9 -> 6 -> 4 -> 2. */
static size_t cut_length(size_t length)
{
    switch (length) {
    case 12:
        return 9;
    case 9:
        return 6;
    case 6:
        return 4;
    case 4:
        return 2;
    default:
        return 0;
    }
}

bool division_normalise(const char *code, char out[DIVISION_CODE_MAX + 1])
{
    size_t length = strlen(code);
    if (length != 2 && !cut_length(length))
        return false;
    for (size_t i = 0; i < length; i++) {
        if (code[i] < '0' || code[i] > '9')
            return false;
    }
    /* A level is absent, not zero: 370100 is the city, 370000 the province. */
    for (size_t above; (above = cut_length(length)) != 0; length = above) {
        if (strspn(code + above, "0") < length - above)
            break;
    }
    memcpy(out, code, length);
    out[length] = '\0';
    return true;
}

/* A division that announces its successor goes on until its last day. */
static bool is_replaced(const struct snapshot *s, const struct division_node *n)
{
    return n->d.replaced_by[0] && (!n->d.valid_to || s->day >= n->d.valid_to);
}

static struct division_node *follow_replaced(const struct snapshot *s, struct division_node *start)
{
    struct division_node *n = start;
    for (int steps = 0; is_replaced(s, n); steps++) {
        struct division_node *next = map_get(&s->divisions, n->d.replaced_by);
        if (!next)
            return n;
        if (steps == DIVISION_DEPTH_MAX)
            return start; /* a ring: better the code itself than a walk without end */
        n = next;
    }
    return n;
}

/* The first division in force above; what is above a replaced one is above its successor. */
static struct division_node *find_parent(const struct snapshot *s, const struct division_node *node)
{
    char code[DIVISION_CODE_MAX + 1];
    const struct division_node *at = node;
    strcpy(code, node->d.code);
    for (int steps = 0; steps < DIVISION_DEPTH_MAX; steps++) {
        char above[DIVISION_CODE_MAX + 1];
        if (!at || !division_normalise(at->d.parent, above)) {
            size_t length = cut_length(strlen(code));
            memcpy(above, code, length);
            above[length] = '\0';
        }
        if (!above[0])
            return NULL;
        strcpy(code, above);
        at = map_get(&s->divisions, code);
        if (!at)
            continue;
        struct division_node *found = at->resolved;
        if (found != node && in_force(found->d.valid_from, found->d.valid_to, s->day))
            return found;
    }
    return NULL;
}

static void break_rings(struct division_node *node)
{
    int depth = 0;
    for (const struct division_node *at = node; at; at = at->parent) {
        if (++depth > DIVISION_DEPTH_MAX) {
            node->parent = NULL;
            return;
        }
    }
}

static bool is_above(const struct division_node *a, const struct division_node *b)
{
    size_t x = strlen(a->d.code), y = strlen(b->d.code);
    return x != y ? x < y : strcmp(a->d.code, b->d.code) < 0;
}

static void link_divisions(struct snapshot *s)
{
    MAP_EACH (&s->divisions, slot) {
        struct division_node *n = slot->value;
        n->resolved = follow_replaced(s, n);
    }
    MAP_EACH (&s->divisions, slot) {
        struct division_node *n = slot->value;
        n->parent = find_parent(s, n);
    }
    MAP_EACH (&s->divisions, slot) {
        struct division_node *n = slot->value;
        break_rings(n);
        if (!n->parent && (!s->root || is_above(n, s->root)))
            s->root = n;
    }
}

int build_divisions(struct snapshot *s, const struct row_list *rows)
{
    uint32_t index = 0;
    for (int i = 0; i < rows->count; i++) {
        if (rows->items[i].row->row_case != REFERENCE_ROW_ROW_DIVISION)
            continue;
        const Division *row = rows->items[i].row->division;
        struct division_node *n = arena_new(&s->arena, struct division_node);
        n->index = index++;
        n->d = (struct division){ .code = row->code,
                                  .name = row->name,
                                  .parent = row->parent,
                                  .replaced_by = row->replaced_by,
                                  .level = (int)row->level };
        int r = reference_day(row->valid_from, &n->d.valid_from);
        if (r >= 0)
            r = reference_day(row->valid_to, &n->d.valid_to);
        if (r < 0)
            return err_wrap(r, "division %s", row->code);
        /* A code filled up with zeros is found by nobody: look-ups strip them. */
        map_put(&s->divisions, n->d.code, n);
    }
    link_divisions(s);
    return 0;
}

struct division_node *division_find(const struct snapshot *s, const char *code)
{
    char normal[DIVISION_CODE_MAX + 1];
    if (!division_normalise(code, normal))
        return NULL;
    const struct division_node *n = map_get(&s->divisions, normal);
    return n ? n->resolved : NULL;
}

struct division_node *division_nearest(const struct snapshot *s, const char *code)
{
    char normal[DIVISION_CODE_MAX + 1];
    if (!division_normalise(code, normal))
        return s->root;
    for (size_t length = strlen(normal); length; length = cut_length(length)) {
        const struct division_node *n = map_get_bytes(&s->divisions, normal, length);
        if (n)
            return n->resolved;
    }
    return s->root;
}

bool unit_precedes(const struct unit *a, const struct unit *b)
{
    if (a->valid_from != b->valid_from)
        return a->valid_from > b->valid_from;
    return strcmp(a->code, b->code) < 0;
}

static struct department *department_intern(struct snapshot *s, const char *name)
{
    struct department *d = map_get(&s->departments, name);
    if (!d) {
        d = arena_new(&s->arena, struct department);
        d->name = name;
        d->index = (uint32_t)s->departments.count;
        map_put(&s->departments, name, d);
    }
    return d;
}

/* Gives a unit in force its place in its division. */
static void place_unit(struct snapshot *s, struct unit_node *n)
{
    struct division_node *division = map_get(&s->divisions, n->u.division);
    if (!division)
        return;
    if (n->u.kind == UNIT_KIND_DEFAULT) {
        if (!division->own_default || unit_precedes(&n->u, division->default_unit))
            division->default_unit = &n->u;
        division->own_default = true;
    } else if (n->u.kind == UNIT_KIND_SUPERVISION) {
        if (!division->own_supervision || unit_precedes(&n->u, division->supervision))
            division->supervision = &n->u;
        division->own_supervision = true;
    } else if (n->u.department[0]) {
        n->key = (struct pair_key){ division->index, department_intern(s, n->u.department)->index };
        const char *key = (const char *)&n->key;
        const struct unit_node *there = map_get_bytes(&s->department_units, key, sizeof(n->key));
        if (!there || unit_precedes(&n->u, &there->u))
            map_put_bytes(&s->department_units, key, sizeof(n->key), n);
    }
}

static void inherit_units(struct division_node *n)
{
    const struct division_node *at = n;
    while (at && !at->own_default)
        at = at->parent;
    if (at)
        n->default_unit = at->default_unit;
    at = n;
    while (at && !at->own_supervision)
        at = at->parent;
    if (at)
        n->supervision = at->supervision;
}

int build_units(struct snapshot *s, const struct row_list *rows)
{
    for (int i = 0; i < rows->count; i++) {
        if (rows->items[i].row->row_case != REFERENCE_ROW_ROW_UNIT)
            continue;
        const Unit *row = rows->items[i].row->unit;
        struct unit_node *n = arena_new(&s->arena, struct unit_node);
        n->u = (struct unit){ .code = row->code,
                              .division = row->division,
                              .name = row->name,
                              .department = row->department,
                              .kind = (int)row->kind };
        int r = reference_day(row->valid_from, &n->u.valid_from);
        if (r >= 0)
            r = reference_day(row->valid_to, &n->u.valid_to);
        if (r < 0)
            return err_wrap(r, "unit %s", row->code);
        /* The newest row of a code counts, also where it says that the unit is gone. */
        if (in_force(n->u.valid_from, n->u.valid_to, s->day))
            map_put(&s->units, n->u.code, n);
        else
            map_remove(&s->units, n->u.code);
    }
    MAP_EACH (&s->units, slot) {
        place_unit(s, slot->value);
    }
    MAP_EACH (&s->divisions, slot) {
        inherit_units(slot->value);
    }
    return 0;
}

const struct division *snapshot_division(const struct snapshot *s, const char *code)
{
    const struct division_node *n = division_find(s, code);
    return n ? &n->d : NULL;
}

const struct unit *snapshot_unit(const struct snapshot *s, const char *code)
{
    const struct unit_node *n = map_get(&s->units, code);
    return n ? &n->u : NULL;
}

const struct unit *snapshot_default_unit(const struct snapshot *s, const char *division)
{
    const struct division_node *n = division_nearest(s, division);
    if (n && n->default_unit)
        return n->default_unit;
    return s->root ? s->root->default_unit : NULL;
}

const struct unit *snapshot_supervision_body(const struct snapshot *s, const char *division)
{
    const struct division_node *n = division_nearest(s, division);
    if (n && n->supervision)
        return n->supervision;
    return s->root ? s->root->supervision : NULL;
}

const struct division *snapshot_superior(const struct snapshot *s, const char *division)
{
    const struct division_node *n = division_nearest(s, division);
    if (!n)
        return NULL;
    return n->parent ? &n->parent->d : &n->d;
}

static bool is_prefix(const char *prefix, const char *text)
{
    return strncmp(prefix, text, strlen(prefix)) == 0;
}

bool snapshot_covers(const struct snapshot *s, const char *scope, const char *division)
{
    char within[DIVISION_CODE_MAX + 1], code[DIVISION_CODE_MAX + 1];
    if (!scope[0])
        return true;
    if (!division_normalise(scope, within))
        return false;
    if (!division[0])
        return strlen(within) == 2;
    if (!division_normalise(division, code))
        return false;
    if (is_prefix(within, code))
        return true;
    const struct division_node *n = s ? map_get(&s->divisions, code) : NULL;
    return n && n->resolved != n && is_prefix(within, n->resolved->d.code);
}

const char *const *snapshot_scope(const struct snapshot *s, struct arena *arena,
                                  const char *division)
{
    const struct division_node *top = division_find(s, division);
    char normal[DIVISION_CODE_MAX + 1];
    const char *scope = division;
    if (top)
        scope = top->d.code;
    else if (division_normalise(division, normal))
        scope = arena_strdup(arena, normal);

    size_t count = 1;
    MAP_EACH (&s->divisions, slot) {
        const struct division_node *n = slot->value;
        count += n->resolved != n;
    }
    const char **prefixes = arena_array(arena, const char *, count + 1);
    size_t used = 0;
    prefixes[used++] = scope;
    MAP_EACH (&s->divisions, slot) {
        const struct division_node *n = slot->value;
        if (n->resolved != n && is_prefix(scope, n->resolved->d.code) &&
            !is_prefix(scope, n->d.code))
            prefixes[used++] = n->d.code;
    }
    return prefixes;
}

/* Principals: their keys, and what they may see, file and act for. */
#include <string.h>

#include "base/err.h"
#include "reference/snapshot_inside.h"

#define ROLES_EVERYWHERE (ROLE_BIT_OPERATOR | ROLE_BIT_EDGE | ROLE_BIT_SERVICE)

static const char *const *text_list(struct arena *arena, char **texts, size_t count)
{
    const char **list = arena_array(arena, const char *, count + 1);
    for (size_t i = 0; i < count; i++)
        list[i] = texts[i];
    return list;
}

static struct principal_node *make_node(struct snapshot *s, const Principal *row, int64_t position)
{
    struct principal_node *n = arena_new(&s->arena, struct principal_node);
    n->position = position;
    n->p = (struct principal){ .id = row->id,
                               .key_id = row->key_id,
                               .jurisdiction = row->jurisdiction,
                               .units = text_list(&s->arena, row->units, row->n_units),
                               .sources = text_list(&s->arena, row->sources, row->n_sources),
                               .curve_public = row->curve_public,
                               .token_sha256 = row->token_sha256,
                               .reference = s };
    for (size_t i = 0; i < row->n_roles; i++) {
        if (row->roles[i] > 0 && row->roles[i] < 31)
            n->p.roles |= 1u << row->roles[i];
    }
    return n;
}

/* The newest row of a key counts: a revoked one takes the key away. */
static bool is_current(const struct row_list *rows, int i)
{
    const Principal *row = rows->items[i].row->principal;
    for (int k = i + 1; k < rows->count; k++) {
        if (rows->items[k].row->row_case != REFERENCE_ROW_ROW_PRINCIPAL)
            continue;
        const Principal *later = rows->items[k].row->principal;
        if (strcmp(row->id, later->id) == 0 && strcmp(row->key_id, later->key_id) == 0)
            return false;
    }
    return true;
}

/* Rows are ascending, so the newest of a principal comes to the front of its list. */
static void share_newest(struct principal_node *head)
{
    for (struct principal_node *n = head->next; n; n = n->next) {
        n->p.roles = head->p.roles;
        n->p.jurisdiction = head->p.jurisdiction;
        n->p.units = head->p.units;
        n->p.sources = head->p.sources;
    }
}

int build_principals(struct snapshot *s, const struct row_list *rows)
{
    for (int i = 0; i < rows->count; i++) {
        if (rows->items[i].row->row_case != REFERENCE_ROW_ROW_PRINCIPAL)
            continue;
        const Principal *row = rows->items[i].row->principal;
        if (row->revoked || !is_current(rows, i))
            continue;
        struct principal_node *n = make_node(s, row, rows->items[i].position);
        n->next = map_get(&s->principals, n->p.id);
        map_put(&s->principals, n->p.id, n);
        if (n->p.curve_public[0])
            map_put(&s->curve_keys, n->p.curve_public, n);
        if (n->p.token_sha256[0])
            map_put(&s->tokens, n->p.token_sha256, n);
    }
    MAP_EACH (&s->principals, slot) {
        share_newest(slot->value);
    }
    return 0;
}

const struct principal *snapshot_principal(const struct snapshot *s, const char *id)
{
    const struct principal_node *n = map_get(&s->principals, id);
    return n ? &n->p : NULL;
}

const struct principal *snapshot_principal_key(const struct snapshot *s, const char *id,
                                               const char *key_id)
{
    const struct principal_node *n = map_get(&s->principals, id);
    while (n && strcmp(n->p.key_id, key_id) != 0)
        n = n->next;
    return n ? &n->p : NULL;
}

const struct principal *snapshot_principal_by_curve(const struct snapshot *s,
                                                    const char *curve_public)
{
    const struct principal_node *n = map_get(&s->curve_keys, curve_public);
    return n ? &n->p : NULL;
}

const struct principal *snapshot_principal_by_token(const struct snapshot *s,
                                                    const char *token_sha256)
{
    const struct principal_node *n = map_get(&s->tokens, token_sha256);
    return n ? &n->p : NULL;
}

bool principal_owns_source(const struct principal *p, const char *source)
{
    if (p->revoked || !source[0])
        return false;
    for (const char *const *at = p->sources; at && *at; at++) {
        size_t length = strlen(*at);
        if (length && (*at)[length - 1] == '*') {
            if (strncmp(*at, source, length - 1) == 0)
                return true;
        } else if (strcmp(*at, source) == 0) {
            return true;
        }
    }
    return false;
}

bool principal_may_see(const struct principal *p, const char *division, const char *audience)
{
    if (p->revoked)
        return false;
    if (principal_sees_all(p))
        return true;
    if (!p->jurisdiction[0])
        return false; /* who has no jurisdiction and no such role sees nothing, not all */
    const char *own = principal_audience(p);
    const char *decides = audience[0] && own ? audience : division;
    return snapshot_covers(p->reference, p->jurisdiction, decides);
}

bool principal_sees_all(const struct principal *p)
{
    return !p->revoked && (p->roles & ROLES_EVERYWHERE);
}

const char *principal_audience(const struct principal *p)
{
    return p->roles & ROLE_BIT_UNIT ? p->jurisdiction : NULL;
}

bool principal_acts_for(const struct principal *p, const struct unit *unit)
{
    if (p->revoked)
        return false;
    if (p->units && p->units[0]) {
        for (const char *const *at = p->units; *at; at++) {
            if (strcmp(*at, unit->code) == 0)
                return true;
        }
        return false;
    }
    return p->jurisdiction[0] && snapshot_covers(p->reference, p->jurisdiction, unit->division);
}

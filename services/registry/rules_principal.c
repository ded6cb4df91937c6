/* Principals: who may act, by which keys, and who may read of them.
 *
 * Invariants: a key or token names one principal; a principal has at most two active keys; one
 * operator is always left, or nobody could load anything any more. */
#include <string.h>

#include "bus/curve.h"
#include "law/division.h"
#include "registry.h"

#define ACTIVE_KEYS_MAX 2 /* the old and the new, while one is rotated */
#define TOKEN_DIGITS    64
#define ROLE_BITS_MAX   31

/* Who may know of principals at all. */
#define ROLES_OF_THE_HOUSE (ROLE_BIT_OPERATOR | ROLE_BIT_EDGE | ROLE_BIT_SERVICE)
/* Who needs no jurisdiction: they act for others, or for the whole house. */
#define ROLES_EVERYWHERE ROLES_OF_THE_HOUSE

static uint32_t role_bits(const Principal *p)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < p->n_roles; i++) {
        if (p->roles[i] > 0 && p->roles[i] < ROLE_BITS_MAX)
            bits |= 1u << p->roles[i];
    }
    return bits;
}

static const char *keys_of(struct arena *arena, const char *id)
{
    return arena_printf(arena, "principal:%s", id);
}

static const char *curve_group(struct arena *arena, const char *curve_public)
{
    return arena_printf(arena, "curve:%s", curve_public);
}

static const char *token_group(struct arena *arena, const char *token_sha256)
{
    return arena_printf(arena, "token:%s", token_sha256);
}

#define OPERATORS_GROUP "operators"

int rules_principal_groups(struct arena *arena, const ReferenceRow *row, const char **names)
{
    const Principal *p = row->principal;
    if (p->revoked)
        return 0; /* a revoked key is in nobody's way */
    int count = 0;
    names[count++] = keys_of(arena, p->id);
    if (*p->curve_public)
        names[count++] = curve_group(arena, p->curve_public);
    if (*p->token_sha256)
        names[count++] = token_group(arena, p->token_sha256);
    if (role_bits(p) & ROLE_BIT_OPERATOR)
        names[count++] = OPERATORS_GROUP;
    return count;
}

static bool same_key(const Principal *a, const Principal *b)
{
    return strcmp(a->id, b->id) == 0 && strcmp(a->key_id, b->key_id) == 0;
}

/* How many of a group are other keys than this. */
static int others_in(const struct row_check *c, const char *group, const Principal *p)
{
    int count = 0;
    const struct fact_link *link = facts_group(c->facts, group);
    for (; link; link = fact_link_next(link))
        count += !same_key(link->fact->row->principal, p);
    return count;
}

static const struct row_refusal *check_name(const struct row_check *c, const Principal *p)
{
    /* The User-Id is id/key_id: neither may hold what parts them. */
    if (strchr(p->id, '/') || strchr(p->key_id, '/'))
        return row_refuse(c, "bad_name", "neither id nor key_id has a slash");
    return NULL;
}

static const struct row_refusal *check_roles(const struct row_check *c, const Principal *p)
{
    uint32_t seen = 0;
    for (size_t i = 0; i < p->n_roles; i++) {
        uint32_t bit = p->roles[i] > 0 && p->roles[i] < ROLE_BITS_MAX ? 1u << p->roles[i] : 0;
        if (!bit || (seen & bit))
            return row_refuse(c, "bad_roles", "a role of %s is none, or stands twice", p->id);
        seen |= bit;
    }
    if (!seen)
        return row_refuse(c, "bad_roles", "%s has no role", p->id);
    if (!*p->jurisdiction && !(seen & ROLES_EVERYWHERE))
        return row_refuse(c, "no_jurisdiction", "%s has no jurisdiction, so it could see nothing",
                          p->id);
    if (*p->jurisdiction && !facts_get(c->facts, "division", p->jurisdiction))
        return row_refuse(c, "unknown_division", "jurisdiction %s is not there", p->jurisdiction);
    return NULL;
}

static const struct row_refusal *check_units(const struct row_check *c, const Principal *p)
{
    if (p->n_units && !(role_bits(p) & ROLE_BIT_UNIT))
        return row_refuse(c, "units_without_role", "%s names units and has not the role unit",
                          p->id);
    for (size_t i = 0; i < p->n_units; i++) {
        const struct fact *unit = facts_get(c->facts, "unit", p->units[i]);
        if (!unit)
            return row_refuse(c, "unknown_unit", "unit %s is not there", p->units[i]);
        if (*p->jurisdiction && !division_contains(p->jurisdiction, unit->division))
            return row_refuse(c, "unit_outside", "unit %s stands outside %s", p->units[i],
                              p->jurisdiction);
    }
    return NULL;
}

static const struct row_refusal *check_sources(const struct row_check *c, const Principal *p)
{
    if (p->n_sources && !(role_bits(p) & ROLE_BIT_HOTLINE))
        return row_refuse(c, "sources_without_role",
                          "%s names sources and has not the role hotline", p->id);
    for (size_t i = 0; i < p->n_sources; i++) {
        const char *star = strchr(p->sources[i], '*');
        if (star && (star[1] || star == p->sources[i]))
            return row_refuse(c, "bad_source", "source %s has a * that is not at the end of a name",
                              p->sources[i]);
    }
    return NULL;
}

static const struct row_refusal *check_keys(const struct row_check *c, const Principal *p)
{
    if (*p->curve_public && !curve_key_check(p->curve_public))
        return row_refuse(c, "bad_curve_key", "curve_public is no CURVE key in Z85");
    if (*p->token_sha256 && strlen(p->token_sha256) != TOKEN_DIGITS)
        return row_refuse(c, "bad_token_hash", "token_sha256 has not 64 digits");
    if (p->revoked)
        return NULL;
    if (!*p->curve_public && !*p->token_sha256)
        return row_refuse(c, "no_key", "%s/%s has neither a key nor a token", p->id, p->key_id);
    if (*p->curve_public && others_in(c, curve_group(c->arena, p->curve_public), p))
        return row_refuse(c, "key_taken", "another principal or key has that curve_public");
    if (*p->token_sha256 && others_in(c, token_group(c->arena, p->token_sha256), p))
        return row_refuse(c, "key_taken", "another principal or key has that token");
    if (others_in(c, keys_of(c->arena, p->id), p) >= ACTIVE_KEYS_MAX)
        return row_refuse(c, "too_many_keys", "%s has %d active keys: revoke one first", p->id,
                          ACTIVE_KEYS_MAX);
    return NULL;
}

/* Would nobody be left who may load? */
static const struct row_refusal *check_last_operator(const struct row_check *c, const Principal *p)
{
    const struct fact *there =
        facts_get(c->facts, "principal", arena_printf(c->arena, "%s/%s", p->id, p->key_id));
    bool was = there && !there->row->principal->revoked &&
               (role_bits(there->row->principal) & ROLE_BIT_OPERATOR);
    bool stays = !p->revoked && (role_bits(p) & ROLE_BIT_OPERATOR);
    if (!was || stays || others_in(c, OPERATORS_GROUP, p))
        return NULL;
    return row_refuse(c, "last_operator", "%s/%s is the only operator's key: load another first",
                      p->id, p->key_id);
}

const struct row_refusal *rules_check_principal(const struct row_check *c, const struct fact *fact)
{
    static const struct row_refusal *(*const checks[])(const struct row_check *c,
                                                       const Principal *p) = {
        check_name, check_roles, check_units, check_sources, check_keys, check_last_operator,
    };
    const struct row_refusal *why = NULL;
    for (size_t i = 0; !why && i < sizeof(checks) / sizeof(checks[0]); i++)
        why = checks[i](c, fact->row->principal);
    return why;
}

bool rules_may_see_event(const struct principal *reader, const struct log_record *event)
{
    static const char principals[] = "principal:";
    if (strncmp(event->subject, principals, sizeof(principals) - 1) != 0)
        return true; /* public rows: division decides alone */
    return !reader->revoked && (reader->roles & ROLES_OF_THE_HOUSE);
}

/* The registry's facts in memory: an immutable snapshot, replaced whole when the mirror moves.
 *
 * A decision takes one snapshot (snapshot_get .. snapshot_put) and stores its position. Lookups never block and
 * never allocate. */
#ifndef LUJIAN_REFERENCE_SNAPSHOT_H
#define LUJIAN_REFERENCE_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "law/calendar.h"

struct snapshot;

struct division {
    const char *code, *name, *parent, *replaced_by;
    int level; /* DIVISION_LEVEL_* of the contract */
    int32_t valid_from, valid_to; /* days; 0 = open */
};

struct unit {
    const char *code, *division, *name, *department;
    int kind; /* UNIT_KIND_* */
    int32_t valid_from, valid_to;
};

struct category {
    const char *code, *parent, *name_zh, *name_en;
    bool leaf;
};

struct deadline_rule {
    const char *id, *kind, *basis_zh, *basis_en;
    uint32_t version;
    struct term term;
    int32_t valid_from, valid_to;
};

struct ladder_rule {
    const char *id, *kind, *basis_zh, *basis_en;
    uint32_t version;
    int rung;   /* RUNG_* of the contract */
    int anchor; /* RUNG_ANCHOR_* */
    uint32_t count;
    enum term_unit unit;
    int32_t valid_from, valid_to;
};

struct principal {
    const char *id, *key_id;
    uint32_t roles; /* role_bit mask */
    const char *jurisdiction;
    const char *const *units;   /* NULL-terminated; empty = every unit of the jurisdiction */
    const char *const *sources; /* NULL-terminated; "test-*" = a prefix */
    const char *curve_public, *token_sha256;
    bool revoked;
};

/* The process's current snapshot, counted; never NULL once the mirror was opened. */
const struct snapshot *snapshot_get(void);
void snapshot_put(const struct snapshot *s);

int64_t snapshot_position(const struct snapshot *s); /* of the registry's stream */
const struct calendar *snapshot_calendar(const struct snapshot *s);

/* Follows replaced_by, takes 370000 for 37; NULL where there is none. */
const struct division *snapshot_division(const struct snapshot *s, const char *code);
const struct unit *snapshot_unit(const struct snapshot *s, const char *code);
/* Of the division, or of its nearest ancestor that has one; NULL only in an empty registry. */
const struct unit *snapshot_default_unit(const struct snapshot *s, const char *division);
const struct unit *snapshot_supervision_body(const struct snapshot *s, const char *division);
/* The division one level up that exists; the province is its own superior. */
const struct division *snapshot_superior(const struct snapshot *s, const char *division);
/* By code, or by Chinese name where unique; "" = other. NULL = unknown. */
const struct category *snapshot_category(const struct snapshot *s, const char *code_or_name);
/* division x category -> unit; falls back upwards and ends at a default unit. */
const struct unit *snapshot_route(const struct snapshot *s, const char *division, const char *category);

const struct deadline_rule *snapshot_deadline_rule(const struct snapshot *s, const char *kind, int32_t day);
/* The rungs of that kind in force that day, in order; count in ret_count. */
const struct ladder_rule *const *snapshot_ladder(const struct snapshot *s, const char *kind, int32_t day,
                                                 int *ret_count);

/* Active keys only. All rows of one principal share roles and jurisdiction: the newest row's count. */
const struct principal *snapshot_principal(const struct snapshot *s, const char *id);
const struct principal *snapshot_principal_key(const struct snapshot *s, const char *id, const char *key_id);
const struct principal *snapshot_principal_by_curve(const struct snapshot *s, const char *curve_public);
const struct principal *snapshot_principal_by_token(const struct snapshot *s, const char *token_sha256);

bool principal_owns_source(const struct principal *p, const char *source);
/* May this principal see a matter or event of that division and audience (architecture.md, Feed)?
 * A unit's principals do not see what is about their organ: there the audience decides, not the division. */
bool principal_may_see(const struct principal *p, const char *division, const char *audience);
/* May this principal act for that unit? */
bool principal_acts_for(const struct principal *p, const struct unit *unit);

#endif

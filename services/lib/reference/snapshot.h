/* The registry's facts in memory: an immutable snapshot, replaced whole when the mirror moves.
 *
 * A decision takes one snapshot (snapshot_get .. snapshot_put) and stores its position. Lookups
 * never block and never allocate; what they return lives as long as the snapshot.
 *
 * A snapshot is built for one civil day: units and divisions outside their window [valid_from,
 * valid_to) on that day count as absent. The mirror builds a new one when the day changes. */
#ifndef LUJIAN_REFERENCE_SNAPSHOT_H
#define LUJIAN_REFERENCE_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "law/calendar.h"

struct snapshot;

struct division {
    const char *code, *name, *parent, *replaced_by;
    int level;                    /* DIVISION_LEVEL_* of the contract */
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
    const struct snapshot *reference; /* resolves replaced divisions; may be NULL */
};

/* The process's current snapshot, counted; never NULL once the mirror was opened. */
const struct snapshot *snapshot_get(void);
/* One more hold on a snapshot that is held already. */
const struct snapshot *snapshot_ref(const struct snapshot *s);
void snapshot_put(const struct snapshot *s); /* NULL is nothing */

/* One stored row: a packed ReferenceRow and the position in the registry's stream that told it. */
struct reference_row {
    int64_t position;
    const uint8_t *data;
    size_t size;
};

/* Builds a snapshot from rows in any order: of two rows with one key the greater position counts.
 * Rows of kinds that this release does not know are passed over. ERR_UNPROCESSABLE: rows that no
 * facts can be made of (a notice that contradicts itself); ERR_INVALID_ARGUMENT: a row that is not
 * of the contract. The caller holds it. */
int snapshot_build(struct snapshot **ret, const struct reference_row *rows, int count,
                   int64_t position, int32_t day);
/* Makes it the process's current one; takes the caller's hold over. */
void snapshot_install(struct snapshot *s);

int64_t snapshot_position(const struct snapshot *s); /* of the registry's stream */
int32_t snapshot_day(const struct snapshot *s);      /* the civil day that it was built for */
const struct calendar *snapshot_calendar(const struct snapshot *s);
/* Position of the newest calendar notice: what moves when a calendar does. */
int64_t snapshot_calendar_position(const struct snapshot *s);

/* Follows replaced_by, takes 370000 for 37 (and any code filled up with zeros); NULL where there is
 * none. A code that is out of force and has no successor is found as itself. */
const struct division *snapshot_division(const struct snapshot *s, const char *code);
/* In force only; NULL otherwise. */
const struct unit *snapshot_unit(const struct snapshot *s, const char *code);
/* Of the division, or of its nearest ancestor that has one; NULL only in an empty registry. */
const struct unit *snapshot_default_unit(const struct snapshot *s, const char *division);
const struct unit *snapshot_supervision_body(const struct snapshot *s, const char *division);
/* The division one level up that exists; the province is its own superior. */
const struct division *snapshot_superior(const struct snapshot *s, const char *division);
/* Does the subtree of `scope` hold `division`, literally or through replaced_by? "" holds all; a
 * division of "" is the whole province's and lies in a province's scope. */
bool snapshot_covers(const struct snapshot *s, const char *scope, const char *division);
/* Prefixes of all codes in the subtree of `division`: its own, and replaced codes elsewhere that
 * lead into it. NULL-terminated, in the arena. For SQL over rows that keep the code they were
 * written under. */
const char *const *snapshot_scope(const struct snapshot *s, struct arena *arena,
                                  const char *division);

/* By code, or by Chinese name where unique; "" = other. NULL = unknown. */
const struct category *snapshot_category(const struct snapshot *s, const char *code_or_name);
/* division x category -> unit; falls back upwards and ends at a default unit. */
const struct unit *snapshot_route(const struct snapshot *s, const char *division,
                                  const char *category);

/* The rule of that kind in force that day; NULL where there is none. */
const struct deadline_rule *snapshot_deadline_rule(const struct snapshot *s, const char *kind,
                                                   int32_t day);
/* One version, in force or not: what a clock that stored it is computed by. NULL = unknown. */
const struct deadline_rule *snapshot_deadline_rule_version(const struct snapshot *s, const char *id,
                                                           uint32_t version);
/* The rungs of that kind in force that day, in order; count in ret_count. */
const struct ladder_rule *const *snapshot_ladder(const struct snapshot *s, const char *kind,
                                                 int32_t day, int *ret_count);

/* Active keys only. All rows of one principal share roles, jurisdiction, units and sources: those
 * of its newest active row. */
const struct principal *snapshot_principal(const struct snapshot *s, const char *id);
const struct principal *snapshot_principal_key(const struct snapshot *s, const char *id,
                                               const char *key_id);
const struct principal *snapshot_principal_by_curve(const struct snapshot *s,
                                                    const char *curve_public);
const struct principal *snapshot_principal_by_token(const struct snapshot *s,
                                                    const char *token_sha256);

bool principal_owns_source(const struct principal *p, const char *source);
/* May this principal see a matter or event of that division and audience? A
 * unit's principals do not see what is about an organ of theirs: for them the audience decides
 * where there is one, not the division. Centres and supervision bodies see what lies in their
 * division; a county's body has the first order of such a matter too. Operators, edges and services
 * see all. */
bool principal_may_see(const struct principal *p, const char *division, const char *audience);
/* Operators, edges and services: no jurisdiction bounds what they see. */
bool principal_sees_all(const struct principal *p);
/* For SQL: what an audience must begin with to be seen; NULL = it does not matter. */
const char *principal_audience(const struct principal *p);
/* May this principal act for that unit: one of its list, or without a list any of its
 * jurisdiction's subtree? Roles are the method table's business. */
bool principal_acts_for(const struct principal *p, const struct unit *unit);

#endif

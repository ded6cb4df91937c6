/* Private to reference/: what a snapshot is made of. All of it lives in the snapshot's arena. */
#ifndef LUJIAN_REFERENCE_SNAPSHOT_INSIDE_H
#define LUJIAN_REFERENCE_SNAPSHOT_INSIDE_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/map.h"
#include "lujian/registry/v1/reference.lj.h"
#include "reference/snapshot.h"

#define DIVISION_DEPTH_MAX 16 /* steps upwards or along replaced_by: more is a loop */
#define DIVISION_CODE_MAX  12
#define CATEGORY_DEPTH_MAX 8

/* The faces' structs stand first, so that a pointer to one is a pointer to its node. */
struct division_node {
    struct division d;
    struct division_node *parent;                  /* in force, nearest above; NULL at the top */
    struct division_node *resolved;                /* where replaced_by leads; mostly itself */
    const struct unit *default_unit, *supervision; /* its own or inherited */
    bool own_default, own_supervision;
    bool has_routes;
    uint32_t index;
};

/* Keys of the pair maps: hashed as bytes, so nothing may pad them. */
struct pair_key {
    uint32_t first, second;
};

struct unit_node {
    struct unit u;
    struct pair_key key; /* division, department: of kind department */
};

struct category_node {
    struct category c;
    struct category_node *parent;
    uint32_t index;
};

struct department {
    const char *name;
    uint32_t index;
};

struct route_node {
    struct pair_key key; /* division, category */
    const struct department *department;
    const struct unit
        *unit; /* in force; NULL where a department is named, or the unit is not there */
};

struct deadline_node {
    struct deadline_rule rule;
    struct deadline_node *next; /* of the same kind */
};

/* The ladder of one kind, from one change of its rules to the next. */
struct ladder_span {
    int32_t from; /* first day */
    const struct ladder_rule **rules;
    int count;
};

struct ladder_kind {
    const char *kind;
    struct ladder_rule **rules; /* all, in any order */
    int rule_count, rule_capacity;
    struct ladder_span *spans; /* ascending; the first begins with time */
    int span_count;
};

struct principal_node {
    struct principal p;
    int64_t position;
    struct principal_node *next; /* another active key of the same principal */
};

struct snapshot {
    atomic_int holds;
    struct arena arena;
    int64_t position, calendar_position;
    int32_t day;

    struct map divisions;        /* code -> division_node */
    struct division_node *root;  /* the province */
    struct map units;            /* code -> unit_node, in force only */
    struct map departments;      /* name -> department */
    struct map department_units; /* pair_key -> unit_node */
    struct map categories;       /* code -> category_node */
    struct map category_names; /* name_zh -> category_node; the ambiguous marker where not unique */
    struct map routes;         /* pair_key -> route_node */
    struct map deadline_kinds; /* kind -> deadline_node */
    struct map deadline_versions;  /* "id\x1fversion" -> deadline_node */
    struct map ladders;            /* kind -> ladder_kind */
    struct map principals;         /* id -> principal_node, its newest active key first */
    struct map curve_keys, tokens; /* -> principal_node */
    const struct calendar *calendar;
};

/* Rows sorted into their kinds, as unpacked into the snapshot's arena, ascending by position. */
struct row_list {
    struct row_item {
        const ReferenceRow *row;
        int64_t position;
    } * items;
    int count;
};

/* The stages of a build; each reads its kinds of rows and what the stages before it made. */
int build_divisions(struct snapshot *s, const struct row_list *rows);
int build_units(struct snapshot *s, const struct row_list *rows);
int build_categories(struct snapshot *s, const struct row_list *rows);
int build_routes(struct snapshot *s, const struct row_list *rows);
int build_calendar(struct snapshot *s, const struct row_list *rows);
int build_rules(struct snapshot *s, const struct row_list *rows);
int build_principals(struct snapshot *s, const struct row_list *rows);

/* "" = 0. */
int reference_day(const char *text, int32_t *ret_day);
bool in_force(int32_t valid_from, int32_t valid_to, int32_t day);

/* Strips zeros that only fill up; false where the text is no division code. */
bool division_normalise(const char *code, char out[DIVISION_CODE_MAX + 1]);
/* Follows replaced_by; NULL = unknown. */
struct division_node *division_find(const struct snapshot *s, const char *code);
/* The same, or the nearest known above, or the province; NULL only in an empty registry. */
struct division_node *division_nearest(const struct snapshot *s, const char *code);
/* Two chances of one place: the later valid_from is in force, then the lesser code. */
bool unit_precedes(const struct unit *a, const struct unit *b);

struct category_node *category_find(const struct snapshot *s, const char *code_or_name);

#endif

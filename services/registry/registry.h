/* The registry service: its facts, their rules, its rows. The only private header. */
#ifndef LUJIAN_REGISTRY_REGISTRY_H
#define LUJIAN_REGISTRY_REGISTRY_H

#include "base/map.h"
#include "lujian/registry/v1/registry.lj.h"
#include "service/service.h"

/* ---- facts.c: all rows that stand, as one load sees them ---- */

/* One row. Its texts live in the facts' arena. */
struct fact {
    const char *kind, *key; /* "unit", "370102-default" */
    const char *division;   /* "" = the whole province's */
    const ReferenceRow *row;
    const uint8_t *data; /* the row packed: two rows are equal when these bytes are */
    size_t size;
    bool replaced; /* a later row of the same key stands; groups pass it over */
    bool fresh;    /* taken by this very load */
};

/* Facts that must agree with each other: units of one place, versions of one rule, ... */
struct fact_link {
    const struct fact *fact;
    struct fact_link *next;
};

struct facts {
    struct arena arena;
    struct map by_key; /* "kind:key" -> fact */
    struct map groups; /* "what:of what" -> fact_link */
};

void facts_init(struct facts *f);
void facts_clear(struct facts *f);
/* Copies the row: unpacks `data`, which must be a row that was packed by fact_describe. */
int facts_add_packed(struct facts *f, const uint8_t *data, size_t size);
/* Adds or replaces. */
void facts_put(struct facts *f, const struct fact *fact);
const struct fact *facts_get(const struct facts *f, const char *kind, const char *key);
/* The first of a group that stands; then the others. NULL = no more. */
const struct fact_link *facts_group(const struct facts *f, const char *group);
const struct fact_link *fact_link_next(const struct fact_link *link);

/* ---- rules_*.c: pure; no I/O, no clock ---- */

/* Why a row is not taken. */
struct row_refusal {
    const char *reason; /* stable, lower_snake */
    const char *detail; /* for the operator; at most ROW_DETAIL_MAX bytes */
};
#define ROW_DETAIL_MAX 256

/* What a check stands on. */
struct row_check {
    struct arena *arena;
    const struct facts *facts;
};

/* Kind, key, division and packed form of a row, in the arena. NULL = it is of no kind. */
struct fact *fact_describe(struct arena *arena, const ReferenceRow *row);
/* The groups that a fact belongs to, as names in the arena; their count. */
#define FACT_GROUPS_MAX 4
int fact_groups(struct arena *arena, const struct fact *fact, const char *names[FACT_GROUPS_MAX]);
/* The subject of the row's event: "kind:key", or, where that is too long, with a digest for the
 * key. */
const char *fact_subject(struct arena *arena, const struct fact *fact);
/* Is there a kind of that name? */
bool fact_kind_known(const char *kind);

/* The fact against all that stands. NULL = it may be taken. */
const struct row_refusal *rules_check_row(const struct row_check *c, const struct fact *fact);
const struct row_refusal *row_refuse(const struct row_check *c, const char *reason,
                                     const char *format, ...) __attribute__((format(printf, 3, 4)));
/* [from, to) as days; 0 = open. */
struct window {
    int32_t from, to;
};
const struct row_refusal *rules_window(const struct row_check *c, const char *valid_from,
                                       const char *valid_to, struct window *ret);
bool windows_overlap(struct window a, struct window b);

/* One check for each kind of row, and the groups of those kinds that have any. */
const struct row_refusal *rules_check_division(const struct row_check *c, const struct fact *fact);
const struct row_refusal *rules_check_unit(const struct row_check *c, const struct fact *fact);
const struct row_refusal *rules_check_category(const struct row_check *c, const struct fact *fact);
const struct row_refusal *rules_check_route(const struct row_check *c, const struct fact *fact);
const struct row_refusal *rules_check_calendar(const struct row_check *c, const struct fact *fact);
const struct row_refusal *rules_check_deadline(const struct row_check *c, const struct fact *fact);
const struct row_refusal *rules_check_ladder(const struct row_check *c, const struct fact *fact);
const struct row_refusal *rules_check_principal(const struct row_check *c, const struct fact *fact);
int rules_unit_groups(struct arena *arena, const ReferenceRow *row, const char **names);
int rules_category_groups(struct arena *arena, const ReferenceRow *row, const char **names);
int rules_deadline_groups(struct arena *arena, const ReferenceRow *row, const char **names);
int rules_ladder_groups(struct arena *arena, const ReferenceRow *row, const char **names);
int rules_principal_groups(struct arena *arena, const ReferenceRow *row, const char **names);

/* May this principal read that event of the registry's stream? Principals are not for everyone. */
bool rules_may_see_event(const struct principal *reader, const struct log_record *event);

/* ---- store_row.c: the only code that knows columns ---- */

extern const struct pg_module registry_module;
/* Takes the right to change facts until the transaction ends; false = another load has it. */
int store_take_turn(struct tx *tx, bool *ret_mine);
/* The same, waiting for it: at start only. */
int store_wait_turn(struct tx *tx);
/* All rows into the facts. */
int store_rows_read(struct pg *pg, struct facts *facts);
int store_rows_write(struct tx *tx, const struct fact *const *facts, int count);
/* The journal of loads. */
int store_load_insert(struct tx *tx, const char *id, const char *principal,
                      const LoadResponse *answer);
int store_load_read(struct pg *pg, struct arena *arena, const char *id, LoadResponse *out);
struct row_filter {
    const char *kind;
    const char *const *divisions; /* prefixes, NULL-terminated; NULL = all */
    const char *after;            /* keys greater than this; "" = from the first */
    int count_max;
};
struct listed_row {
    const char *key;
    ReferenceRow *row;
};
int store_rows_list(struct pg *pg, struct arena *arena, const struct row_filter *filter,
                    struct listed_row **ret_rows, int *ret_count);

/* ---- handle_load.c, handle_list.c ---- */

/* Takes the rows that may be taken: writes and tells them, counts changed and unchanged, names
 * faults. Needs the turn and tx->now_ms. */
int registry_take_rows(struct tx *tx, ReferenceRow *const *rows, size_t count, LoadResponse *out);
int registry_load_apply(struct request *rq, const void *in, void *out);
int registry_load_view(struct request *rq, const char *aggregate, void *out);
int registry_list_check(struct request *rq, const void *in);
int registry_list_rows(struct request *rq, const void *in, void *out);

/* ---- bootstrap.c ---- */

/* Writes the first operator from the file that `lujian keygen --operator` made, unless that key is
 * known. "" = there is none. */
int registry_bootstrap(struct pg *pg, const char *path);
int registry_start(struct service *service);

#endif

/* Reference rows for tests: those of deploy/seed, and rows of a test's own.
 *
 *     struct reference_fixture f;
 *     reference_fixture_init(&f);
 *     reference_fixture_load_seed(&f);            (all CSV files; positions count on from 1)
 *     Principal p = PRINCIPAL_INIT; ...
 *     reference_fixture_add(&f, REFERENCE_ROW_ROW_PRINCIPAL, &p.base);
 *     struct snapshot *s = reference_fixture_build(&f, day);  (aborts where it cannot)
 *     snapshot_install(s);                        (or snapshot_put)
 *     reference_fixture_clear(&f);
 */
#ifndef LUJIAN_REFERENCE_TESTS_REFERENCE_FIXTURE_H
#define LUJIAN_REFERENCE_TESTS_REFERENCE_FIXTURE_H

#include "lujian/registry/v1/reference.lj.h"
#include "reference/snapshot.h"

struct reference_fixture {
    struct arena arena;
    struct reference_row *rows;
    int count, capacity;
};

void reference_fixture_init(struct reference_fixture *f);
void reference_fixture_clear(struct reference_fixture *f);
void reference_fixture_load_seed(struct reference_fixture *f);
/* The row of that kind; its position is the row's number, from 1. */
void reference_fixture_add(struct reference_fixture *f, int row_case,
                           const ProtobufCMessage *message);
/* A notice of that year with those days: { "2027-01-01", DAY_KIND_OFF } ... */
struct reference_fixture_day {
    const char *day;
    int kind;
};
void reference_fixture_add_notice(struct reference_fixture *f, int year,
                                  const struct reference_fixture_day *days, int count);
/* Rows of a test's own; NULL = an empty field. Texts may go once it returned. */
void reference_fixture_division(struct reference_fixture *f, const char *code,
                                const char *valid_from, const char *valid_to,
                                const char *replaced_by);
void reference_fixture_unit(struct reference_fixture *f, const char *code, const char *division,
                            int kind, const char *department, const char *valid_from,
                            const char *valid_to);
void reference_fixture_category(struct reference_fixture *f, const char *code, const char *parent,
                                const char *name);
void reference_fixture_route(struct reference_fixture *f, const char *division,
                             const char *category, const char *department, const char *unit);
void reference_fixture_principal(struct reference_fixture *f, const char *id, const char *key,
                                 Role role, const char *jurisdiction, const char *unit,
                                 const char *source, const char *token, bool revoked);
/* In working days. */
void reference_fixture_deadline(struct reference_fixture *f, const char *id, uint32_t version,
                                const char *kind, uint32_t count, const char *from, const char *to);
/* So many hours before due_at. */
void reference_fixture_rung(struct reference_fixture *f, const char *id, uint32_t version,
                            const char *kind, Rung rung, uint32_t count, const char *from,
                            const char *to);
struct snapshot *reference_fixture_build(struct reference_fixture *f, int32_t day);

#endif

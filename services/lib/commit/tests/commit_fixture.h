/* A small service for tests of the skeleton: notes, on the contract's complaints methods, with
 * tables of its own.
 *
 * file makes a note (natural key source, external_id); sign moves it from dispatched to signed and
 * refuses a second time; contact counts: each execution adds one to `acts`. Where a text asks for
 * it, a handler fails as handlers can: extend's reason "sql_error", "late_error" (a queued write
 * that fails at the commit), "serialization" (40001), "internal"; return's reason "slow" holds the
 * row for as long as the test's gate is closed. */
#ifndef LUJIAN_COMMIT_TESTS_COMMIT_FIXTURE_H
#define LUJIAN_COMMIT_TESTS_COMMIT_FIXTURE_H

#include <stdatomic.h>

#include "commit/request.h"
#include "lujian/complaints/v1/complaint.lj.h"

#define NOTE_DIVISION "370102"

extern const struct pg_module note_module;
extern const struct method_handler note_methods[]; /* ends with a NULL method */
extern const struct pg_query Q_NOTE_LOCK;

/* Executions of apply, committed or not. */
extern atomic_long note_applies;
/* How often "serialization" still fails. */
extern atomic_int note_serialization_failures;

const struct method_handler *note_handler(const struct method_info *method);

/* For tests, over any connection. */
int64_t note_count(struct pg *pg);                /* notes */
int64_t note_acts(struct pg *pg, const char *id); /* contacts that took effect */
int64_t note_events(struct pg *pg);               /* events in the log */
/* A note in state dispatched, made without a command; its id. */
void note_insert(struct pg *pg, const char *id);

#endif

/* Migrations: forward only, each in a transaction of its own together with its row in
 * schema_migration.
 *
 * Invariants: one process migrates a database at a time (an advisory lock of the session); what was
 * applied never changes (its SHA-256 is compared); what a newer binary applied is left alone, for
 * an older one runs on it too. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pg/pg_inside.h"

/* Somebody else's migration of a large table may take its time. */
#define MIGRATE_TIMEOUT_MS (60 * 60 * 1000)

static const struct pg_query applied_query = {
    .name = "migration_applied",
    .sql = "SELECT number, sha256 FROM schema_migration WHERE module = $1 ORDER BY number",
};
static const struct pg_query insert_query = {
    .name = "migration_insert",
    .sql = "INSERT INTO schema_migration (module, number, name, sha256) VALUES ($1, $2, $3, $4)",
};

/* -- lint: database time (when a row was applied is for operators, no rule reads it) */
static const char open_sql[] = "SELECT pg_advisory_lock(" PG_LOCK_CLASS ", " PG_LOCK_MIGRATE ");"
                               "CREATE TABLE IF NOT EXISTS schema_migration ("
                               " module text NOT NULL,"
                               " number integer NOT NULL,"
                               " name text NOT NULL,"
                               " sha256 text NOT NULL,"
                               " applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),"
                               " PRIMARY KEY (module, number))";

static int apply(struct pg *pg, const char *module, const struct pg_migration *m)
{
    struct arena arena;
    arena_init(&arena, 0);
    int r = pg_begin(pg);
    if (r >= 0)
        r = pg_script(pg, m->sql);
    if (r >= 0)
        r = pg_write(
            pg, &insert_query,
            PG_ARGS(pg_text(module), pg_int(m->number), pg_text(m->name), pg_text(m->sha256)));
    if (r >= 0 && pg_commit_with(pg, &arena, NULL, PG_NO_ARGS, NULL) != PG_DONE)
        r = err_last()->code;
    if (r < 0)
        pg_rollback(pg);
    arena_clear(&arena);
    return r < 0 ? err_wrap(r, "migration %s %04d_%s", module, m->number, m->name) : 0;
}

static int migrate_module(struct pg *pg, const struct pg_module *module, struct arena *arena)
{
    struct pg_rows applied;
    int r = pg_read(pg, arena, &applied_query, PG_ARGS(pg_text(module->name)), &applied);
    if (r < 0)
        return r;
    int row = 0;
    for (const struct pg_migration *m = module->migrations; m && m->number; m++) {
        int64_t number = row < applied.count ? pg_row_int(&applied, row, 0) : INT64_MAX;
        if (number < m->number)
            return err_set(ERR_INTERNAL, "migration %s %d was applied but is not known",
                           module->name, (int)number);
        if (number > m->number) {
            if (row < applied.count)
                return err_set(ERR_INTERNAL, "migration %s %d was left out by those after it",
                               module->name, m->number);
            r = apply(pg, module->name, m);
            if (r < 0)
                return r;
            continue;
        }
        if (strcmp(pg_row_text(&applied, row, 1), m->sha256) != 0)
            return err_set(ERR_INTERNAL, "migration %s %04d_%s was changed after it was applied",
                           module->name, m->number, m->name);
        row++;
    }
    return 0;
}

int pg_migrate(const char *uri, const struct pg_module *const *modules)
{
    struct pg *pg;
    int r = pg_open(&pg, &(struct pg_options){ .uri = uri,
                                               .application_name = "lujian migrate",
                                               .answer_timeout_ms = MIGRATE_TIMEOUT_MS });
    if (r < 0)
        return r;
    struct arena arena;
    arena_init(&arena, 0);
    r = pg_script(pg, open_sql);
    if (r >= 0)
        r = pg_prepare(pg, &applied_query, applied_query.name);
    if (r >= 0)
        r = pg_prepare(pg, &insert_query, insert_query.name);
    if (r >= 0)
        r = pg_drain(pg);
    for (; r >= 0 && *modules; modules++)
        r = migrate_module(pg, *modules, &arena);
    pg_close(pg); /* and with it the lock */
    arena_clear(&arena);
    return r;
}

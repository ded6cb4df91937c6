/* The first operator: written at start from the file that `lujian keygen --operator` made, once.
 *
 * A key that the registry knows is left as it is, also where it was revoked: the file then says
 * nothing any more. Whoever can write the registry's files can come back in by a new key: a way
 * out, and no weaker than the database. */
#include "base/err.h"
#include "base/flat.h"
#include "base/log.h"
#include "reference/mirror.h"
#include "registry.h"

static int read_operator(struct arena *arena, const char *path, ReferenceRow **ret)
{
    struct flat_value values[] = {
        { .name = "principal" },
        { .name = "key_id" },
        { .name = "curve_public", .optional = true },
        { .name = "token_sha256", .optional = true },
        { 0 },
    };
    struct wire_fault fault;
    int r = flat_read(path, values);
    if (r < 0)
        return r;
    Principal *p = wire_new(arena, &principal_rules);
    p->id = arena_strdup(arena, flat_text(values, "principal"));
    p->key_id = arena_strdup(arena, flat_text(values, "key_id"));
    p->curve_public = arena_strdup(arena, flat_text(values, "curve_public"));
    p->token_sha256 = arena_strdup(arena, flat_text(values, "token_sha256"));
    p->name = arena_strdup(arena, "operator");
    p->n_roles = 1;
    p->roles = arena_array(arena, Role, 1);
    p->roles[0] = ROLE_OPERATOR;
    r = wire_check(&principal_rules, &p->base, &fault);
    if (r < 0)
        return err_wrap(r, "%s", path);
    ReferenceRow *row = wire_new(arena, &reference_row_rules);
    row->row_case = REFERENCE_ROW_ROW_PRINCIPAL;
    row->principal = p;
    *ret = row;
    return 0;
}

/* Is the key there, whatever else its row says? */
static int is_known(struct tx *tx, const ReferenceRow *row, bool *ret)
{
    struct facts facts;
    facts_init(&facts);
    int r = store_rows_read(tx->pg, &facts);
    if (r >= 0) {
        const struct fact *fact = fact_describe(tx->arena, row);
        *ret = facts_get(&facts, fact->kind, fact->key) != NULL;
    }
    facts_clear(&facts);
    return r;
}

static int write_operator(struct tx *tx, ReferenceRow *row, bool *ret_wrote)
{
    LoadResponse *out = wire_new(tx->arena, &load_response_rules);
    bool known = false;
    int r = store_wait_turn(tx);
    if (r >= 0)
        r = tx_now(tx);
    if (r >= 0)
        r = is_known(tx, row, &known);
    if (r < 0 || known)
        return r;
    r = registry_take_rows(tx, &row, 1, out);
    if (r >= 0 && out->n_faults)
        return err_set(ERR_UNPROCESSABLE, "first operator: %s", out->faults[0]->detail);
    *ret_wrote = r >= 0;
    return r;
}

static int bootstrap(struct pg *pg, struct arena *arena, const char *path)
{
    ReferenceRow *row = NULL;
    struct tx tx;
    bool wrote = false;
    int r = read_operator(arena, path, &row);
    if (r >= 0)
        r = tx_begin(&tx, pg, arena);
    if (r < 0)
        return r;
    r = write_operator(&tx, row, &wrote);
    if (r < 0 || !wrote) {
        struct err_detail why = *err_last();
        tx_rollback(&tx);
        return r < 0 ? err_restore(&why) : 0;
    }
    /* Not knowing is a failure too: the next start finds the key, or writes it. */
    if (tx_commit(&tx) != PG_DONE)
        return err_wrap(err_last()->code, "write the first operator");
    log_line(LOG_INFO, "first operator written", LF_TEXT("principal", row->principal->id),
             LF_TEXT("key", row->principal->key_id));
    return 0;
}

int registry_bootstrap(struct pg *pg, const char *path)
{
    struct arena arena;
    if (!*path)
        return 0;
    arena_init(&arena, 0);
    int r = bootstrap(pg, &arena, path);
    arena_clear(&arena);
    if (r != ERR_NOT_FOUND)
        return r;
    /* It may be taken away once it has been read. */
    log_line(LOG_INFO, "no bootstrap file");
    return 0;
}

int registry_start(struct service *service)
{
    static const struct pg_module *const modules[] = { &log_module, &reference_module,
                                                       &registry_module, NULL };
    const struct conf *conf = service_conf(service);
    struct pg_options options = {
        .uri = conf_text(conf, "database"),
        .application_name = "registry bootstrap",
        .modules = modules,
    };
    struct pg *pg;
    if (!*conf_text(conf, "bootstrap"))
        return 0;
    int r = pg_open(&pg, &options);
    if (r < 0)
        return r;
    r = registry_bootstrap(pg, conf_text(conf, "bootstrap"));
    pg_close(pg);
    return r;
}

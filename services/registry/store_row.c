/* Rows of the registry and the journal of loads: the only code that knows columns. */
#include "base/err.h"
#include "base/util.h"
#include "registry.h"
#include "registry_sql.h"

const struct pg_module registry_module = {
    .name = "registry",
    .queries = registry_queries,
    .migrations = registry_migrations,
};

int store_take_turn(struct tx *tx, bool *ret_mine)
{
    struct pg_rows rows;
    int r = tx_read(tx, &Q_REGISTRY_TURN, PG_NO_ARGS, &rows);
    if (r < 0)
        return err_wrap(r, "take the turn to load");
    *ret_mine = pg_row_bool(&rows, 0, 0);
    return 0;
}

int store_wait_turn(struct tx *tx)
{
    struct pg_rows rows;
    int r = tx_read(tx, &Q_REGISTRY_TURN_WAIT, PG_NO_ARGS, &rows);
    return r < 0 ? err_wrap(r, "wait for the turn to load") : 0;
}

int store_rows_read(struct pg *pg, struct facts *facts)
{
    struct pg_rows rows;
    int r = pg_read(pg, &facts->arena, &Q_REGISTRY_ROWS, PG_NO_ARGS, &rows);
    for (int i = 0; r >= 0 && i < rows.count; i++) {
        size_t size;
        const uint8_t *data = pg_row_bytes(&rows, i, 0, &facts->arena, &size);
        r = facts_add_packed(facts, data, size);
    }
    return r < 0 ? err_wrap(r, "read the rows that stand") : 0;
}

int store_rows_write(struct tx *tx, const struct fact *const *facts, int count)
{
    struct pg_array kinds, keys, divisions, data;
    struct pg_array *const all[] = { &kinds, &keys, &divisions, &data };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        pg_array_init(all[i]);
    for (int i = 0; i < count; i++) {
        pg_array_add_text(&kinds, facts[i]->kind);
        pg_array_add_text(&keys, facts[i]->key);
        pg_array_add_text(&divisions, facts[i]->division);
        pg_array_add_bytes(&data, facts[i]->data, facts[i]->size);
    }
    int r =
        tx_write(tx, &Q_REGISTRY_ROWS_WRITE,
                 PG_ARGS(pg_array_param(&kinds), pg_array_param(&keys), pg_array_param(&divisions),
                         pg_array_param(&data), pg_int(tx->now_ms)));
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        pg_array_clear(all[i]);
    return r;
}

int store_load_insert(struct tx *tx, const char *id, const char *principal,
                      const LoadResponse *answer)
{
    uint8_t *data;
    size_t size;
    wire_pack(tx->arena, &answer->base, &data, &size);
    return tx_write(tx, &Q_REGISTRY_LOAD_INSERT,
                    PG_ARGS(pg_text(id), pg_int(tx->now_ms), pg_text(principal),
                            pg_int(answer->changed), pg_int(answer->unchanged),
                            pg_int((int64_t)answer->n_faults), pg_bytes(data, size)));
}

int store_load_read(struct pg *pg, struct arena *arena, const char *id, LoadResponse *out)
{
    struct pg_rows rows;
    ProtobufCMessage *message;
    struct wire_fault fault;
    int r = pg_read(pg, arena, &Q_REGISTRY_LOAD_READ, PG_ARGS(pg_text(id)), &rows);
    if (r < 0)
        return err_wrap(r, "read load %s", id);
    if (rows.count == 0)
        return err_set(ERR_NOT_FOUND, "no load %s", id);
    size_t size;
    const uint8_t *data = pg_row_bytes(&rows, 0, 0, arena, &size);
    r = wire_unpack(&load_response_rules, arena, data, size, &message, &fault);
    if (r < 0)
        return err_wrap(ERR_INTERNAL, "answer of load %s", id);
    *out = *(LoadResponse *)(void *)message;
    return 0;
}

int store_rows_list(struct pg *pg, struct arena *arena, const struct row_filter *filter,
                    struct listed_row **ret_rows, int *ret_count)
{
    struct pg_rows rows;
    struct pg_array divisions;
    pg_array_init(&divisions);
    for (const char *const *d = filter->divisions; d && *d; d++)
        pg_array_add_text(&divisions, *d);
    int r = pg_read(pg, arena, &Q_REGISTRY_ROWS_LIST,
                    PG_ARGS(pg_text(filter->kind), pg_text(filter->after),
                            filter->divisions ? pg_array_param(&divisions) : pg_null(),
                            pg_int(filter->count_max)),
                    &rows);
    pg_array_clear(&divisions);
    if (r < 0)
        return err_wrap(r, "list %s", filter->kind);

    struct listed_row *list = arena_array(arena, struct listed_row, rows.count + 1);
    for (int i = 0; i < rows.count; i++) {
        ProtobufCMessage *message;
        struct wire_fault fault;
        size_t size;
        const uint8_t *data = pg_row_bytes(&rows, i, 1, arena, &size);
        list[i].key = pg_row_text(&rows, i, 0);
        r = wire_unpack(&reference_row_rules, arena, data, size, &message, &fault);
        if (r < 0)
            return err_wrap(ERR_INTERNAL, "%s %s", filter->kind, list[i].key);
        list[i].row = (ReferenceRow *)(void *)message;
    }
    *ret_rows = list;
    *ret_count = rows.count;
    return 0;
}

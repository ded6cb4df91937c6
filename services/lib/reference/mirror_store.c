/* The mirror's rows: events in, packed rows out. The only code here that knows columns. */
#include <string.h>

#include "reference_sql.h"

#include "base/err.h"
#include "base/map.h"
#include "reference/mirror_inside.h"
#include "reference/snapshot_inside.h"
#include "wire/wire.h"

const struct pg_module reference_module = {
    .name = "reference",
    .queries = reference_queries,
    .migrations = reference_migrations,
};

struct change {
    const ReferenceChanged *data;
    int64_t position;
};

/* Unpacks; of two events of one key the later takes the earlier's place. */
static int collect(struct arena *arena, const struct log_record *records, int count,
                   struct change *changes, int *ret_count)
{
    struct map seen;
    map_init(&seen);
    int r = 0, used = 0;
    for (int i = 0; i < count; i++) {
        ProtobufCMessage *message;
        struct wire_fault fault;
        if (strcmp(records[i].type, reference_changed_event.type) != 0)
            continue;
        r = wire_unpack(&reference_changed_rules, arena, records[i].data, records[i].size, &message,
                        &fault);
        if (r < 0) {
            r = err_wrap(r, "event %lld of the registry", (long long)records[i].position);
            break;
        }
        const ReferenceChanged *data = (const ReferenceChanged *)message;
        const char *key = arena_printf(arena, "%s\x1f%s", data->kind, data->key);
        struct change *change = map_get(&seen, key);
        if (!change) {
            change = &changes[used++];
            map_put(&seen, key, change);
        }
        *change = (struct change){ .data = data, .position = records[i].position };
    }
    map_clear(&seen);
    *ret_count = used;
    return r;
}

static int upsert(struct tx *tx, const struct change *changes, int count)
{
    struct pg_array kinds, keys, positions, datas;
    pg_array_init(&kinds);
    pg_array_init(&keys);
    pg_array_init(&positions);
    pg_array_init(&datas);
    for (int i = 0; i < count; i++) {
        static const ReferenceRow nothing = REFERENCE_ROW_INIT;
        const ReferenceRow *row = changes[i].data->row ? changes[i].data->row : &nothing;
        uint8_t *data;
        size_t size;
        wire_pack(tx->arena, &row->base, &data, &size);
        pg_array_add_text(&kinds, changes[i].data->kind);
        pg_array_add_text(&keys, changes[i].data->key);
        pg_array_add_int(&positions, changes[i].position);
        pg_array_add_bytes(&datas, data, size);
    }
    int r = tx_write(tx, &Q_MIRROR_UPSERT,
                     PG_ARGS(pg_array_param(&kinds), pg_array_param(&keys),
                             pg_array_param(&positions), pg_array_param(&datas)));
    pg_array_clear(&kinds);
    pg_array_clear(&keys);
    pg_array_clear(&positions);
    pg_array_clear(&datas);
    return r;
}

int mirror_apply(struct tx *tx, const struct log_record *records, int count)
{
    if (!count)
        return 0;
    struct change *changes = arena_array(tx->arena, struct change, count);
    int change_count;
    int r = collect(tx->arena, records, count, changes, &change_count);
    if (r >= 0 && change_count)
        r = upsert(tx, changes, change_count);
    if (r >= 0)
        r = tx_write(tx, &Q_MIRROR_ADVANCE, PG_ARGS(pg_int(records[count - 1].position)));
    if (r < 0 || !change_count)
        return r;
    return mirror_notify(tx);
}

int mirror_reached(struct tx *tx)
{
    return tx_write(tx, &Q_MIRROR_REACH, PG_NO_ARGS);
}

int mirror_notify(struct tx *tx)
{
    return tx_write(tx, &Q_MIRROR_NOTIFY, PG_NO_ARGS);
}

int mirror_read_state(struct tx *tx, struct mirror_state *ret)
{
    struct pg_rows rows;
    int r = tx_read(tx, &Q_MIRROR_STATE, PG_NO_ARGS, &rows);
    if (r < 0)
        return r;
    *ret = (struct mirror_state){ .applied = pg_row_int(&rows, 0, 0),
                                  .reached = pg_row_bool(&rows, 0, 1),
                                  .version = pg_row_int(&rows, 0, 2) };
    return 0;
}

int mirror_take(struct tx *tx, int64_t *ret_applied)
{
    struct pg_rows rows;
    int r = tx_read(tx, &Q_MIRROR_TAKE, PG_NO_ARGS, &rows);
    if (r < 0 || !rows.count)
        return r;
    *ret_applied = pg_row_int(&rows, 0, 0);
    return 1;
}

int mirror_read_rows(struct tx *tx, struct reference_row **ret_rows, int *ret_count,
                     struct mirror_state *ret)
{
    struct pg_rows rows;
    int r = tx_read(tx, &Q_MIRROR_ROWS, PG_NO_ARGS, &rows);
    if (r < 0)
        return r;
    struct reference_row *list = arena_array(tx->arena, struct reference_row, rows.count + 1);
    int used = 0;
    for (int i = 0; i < rows.count; i++) {
        if (pg_row_is_null(&rows, i, 0))
            continue; /* an empty mirror is one row of state alone */
        list[used].position = pg_row_int(&rows, i, 0);
        list[used].data = pg_row_bytes(&rows, i, 1, tx->arena, &list[used].size);
        used++;
    }
    *ret_rows = list;
    *ret_count = used;
    *ret = (struct mirror_state){ .applied = pg_row_int(&rows, 0, 2),
                                  .reached = pg_row_bool(&rows, 0, 3),
                                  .version = pg_row_int(&rows, 0, 4) };
    return 0;
}

/* Rows in and out of the cache, and whether they stand (see the header). */
#include "service/cached.h"

#include <string.h>

#include "base/err.h"
#include "base/sha.h"
#include "log/log_unchanged.h"
#include "lujian/cache/v1/rows.lj.h"

#define KEY_BYTES  16                      /* of the digest: no two questions meet */
#define MOVE_AFTER (LOG_UNCHANGED_MAX / 4) /* events that a page lags behind before it is moved */
#define ROWS_MAX   4096

/* ---- keys: the statement's text and every parameter, with their lengths ---- */

static void add(struct sha256 *s, const char *data, int64_t size)
{
    sha256_add(s, &size, sizeof(size));
    if (size > 0)
        sha256_add(s, data, (size_t)size);
}

static const char *key_of(struct arena *arena, const struct pg_query *query,
                          const struct pg_param *params, int param_count)
{
    struct sha256 s;
    uint8_t digest[SHA256_SIZE];
    char hex[2 * KEY_BYTES + 1];
    sha256_init(&s);
    add(&s, query->sql, (int64_t)strlen(query->sql));
    for (int i = 0; i < param_count; i++) {
        char room[PG_PARAM_TEXT_SIZE];
        int length;
        const char *value = pg_param_value(&params[i], room, &length);
        add(&s, value, value ? length : -1);
    }
    sha256_end(&s, digest);
    hex_encode(digest, KEY_BYTES, hex);
    return arena_printf(arena, "%s:%s", query->name, hex);
}

/* ---- rows as bytes ---- */

static CachedRow *row_pack(struct arena *arena, const struct pg_rows *rows, int row)
{
    CachedRow *out = wire_new(arena, &cached_row_rules);
    size_t first = (size_t)row * (size_t)rows->columns, bytes = 0;
    out->n_sizes = (size_t)rows->columns;
    out->sizes = arena_array(arena, uint32_t, rows->columns);
    for (int c = 0; c < rows->columns; c++) {
        if (!rows->values[first + (size_t)c])
            continue;
        out->sizes[c] = (uint32_t)rows->lengths[first + (size_t)c] + 1;
        bytes += out->sizes[c];
    }
    out->text.len = bytes;
    out->text.data = arena_alloc(arena, bytes);
    uint8_t *at = out->text.data;
    for (int c = 0; c < rows->columns; c++) {
        if (out->sizes[c])
            memcpy(at, rows->values[first + (size_t)c], out->sizes[c]);
        at += out->sizes[c];
    }
    return out;
}

static void sets_pack(struct arena *arena, const struct pg_rows *sets, int set_count,
                      uint8_t **ret_data, size_t *ret_size)
{
    CachedSets *out = wire_new(arena, &cached_sets_rules);
    out->sets = arena_array(arena, CachedSet *, set_count);
    out->n_sets = (size_t)set_count;
    for (int i = 0; i < set_count; i++) {
        CachedSet *set = out->sets[i] = wire_new(arena, &cached_set_rules);
        set->columns = (uint32_t)sets[i].columns;
        set->n_rows = (size_t)sets[i].count;
        set->rows = arena_array(arena, CachedRow *, sets[i].count);
        for (int row = 0; row < sets[i].count; row++)
            set->rows[row] = row_pack(arena, &sets[i], row);
    }
    wire_pack(arena, &out->base, ret_data, ret_size);
}

/* False: not of our making. Values stay where they are in the message. */
static bool row_unpack(const CachedRow *row, size_t columns, const char **values, int *lengths)
{
    size_t at = 0;
    if (row->n_sizes != columns)
        return false;
    for (size_t c = 0; c < columns; c++) {
        size_t size = row->sizes[c];
        if (size == 0)
            continue;
        if (size > row->text.len - at || row->text.data[at + size - 1] != '\0')
            return false;
        values[c] = (const char *)row->text.data + at;
        lengths[c] = (int)size - 1;
        at += size;
    }
    return at == row->text.len;
}

static bool set_unpack(struct arena *arena, const CachedSet *set, struct pg_rows *ret)
{
    *ret = (struct pg_rows){ .count = (int)set->n_rows, .columns = (int)set->columns };
    size_t cells = set->n_rows * set->columns;
    ret->values = arena_array(arena, const char *, cells);
    ret->lengths = arena_array(arena, int, cells);
    for (size_t i = 0; i < set->n_rows; i++)
        if (!row_unpack(set->rows[i], set->columns, ret->values + i * set->columns,
                        ret->lengths + i * set->columns))
            return false;
    return true;
}

static bool sets_unpack(struct arena *arena, const uint8_t *data, size_t size, struct pg_rows *sets,
                        int set_count)
{
    ProtobufCMessage *message;
    struct wire_fault fault;
    if (wire_unpack(&cached_sets_rules, arena, data, size, &message, &fault) < 0)
        return false;
    const CachedSets *in = (const void *)message;
    if (in->n_sets != (size_t)set_count)
        return false;
    for (int i = 0; i < set_count; i++)
        if (!set_unpack(arena, in->sets[i], &sets[i]))
            return false;
    return true;
}

/* ---- the questions ---- */

/* False: nothing of our making is there, and nothing is left to be judged. */
static bool candidate(struct cached *c, struct pg_rows *sets, int set_count,
                      struct cache_version *ret_version)
{
    const uint8_t *data;
    size_t size;
    if (!cache_get(c->rq->cache, c->kind, c->key, c->rq->arena, ret_version, &data, &size))
        return false;
    if (sets_unpack(c->rq->arena, data, size, sets, set_count))
        return true;
    cache_judge(c->rq->cache, c->kind, false);
    return false;
}

int cached_row(struct request *rq, const struct pg_query *query, const struct pg_query *standing,
               const struct pg_param *params, int param_count, struct pg_rows *sets, int set_count,
               struct cached *ret)
{
    *ret = (struct cached){ .rq = rq, .kind = CACHE_ROW };
    if (!cache_used(rq->cache, CACHE_ROW))
        return 0;
    struct cache_version found;
    ret->key = key_of(rq->arena, query, params, param_count);
    if (!candidate(ret, sets, set_count, &found))
        return 0;
    struct pg_rows now;
    int r = pg_read(rq->pg, rq->arena, standing, params, param_count, &now);
    if (r < 0)
        return r;
    bool stands = now.count == 1 && pg_row_int(&now, 0, 0) == found.epoch &&
                  pg_row_int(&now, 0, 1) == found.number;
    cache_judge(rq->cache, CACHE_ROW, stands);
    return stands;
}

int cached_page(struct request *rq, const struct scope *scope, const struct pg_query *query,
                const struct pg_param *params, int param_count, struct pg_rows *sets, int set_count,
                struct cached *ret)
{
    *ret = (struct cached){ .rq = rq, .kind = CACHE_PAGE };
    if (!cache_used(rq->cache, CACHE_PAGE))
        return 0;
    struct cache_version found = { 0 };
    struct log_standing now;
    ret->key = key_of(rq->arena, query, params, param_count);
    bool there = candidate(ret, sets, set_count, &found);
    /* Also where nothing was found: the page that is read next is one of this head, or a later. */
    int r = log_unchanged(rq->pg, rq->arena, found.number, scope_param(rq->arena, scope->prefixes),
                          &now);
    if (r < 0)
        return r;
    ret->version = (struct cache_version){ now.epoch, now.head };
    if (!there)
        return 0;
    bool stands = now.unchanged && now.epoch == found.epoch;
    cache_judge(rq->cache, CACHE_PAGE, stands);
    if (stands && now.head - found.number > MOVE_AFTER)
        cache_move(rq->cache, ret->key, found, now.head);
    return stands;
}

void cached_keep(struct cached *c, const struct pg_rows *sets, int set_count)
{
    if (!c->key)
        return;
    for (int i = 0; i < set_count; i++)
        if (sets[i].count > ROWS_MAX)
            return;
    uint8_t *data;
    size_t size;
    sets_pack(c->rq->arena, sets, set_count, &data, &size);
    cache_put(c->rq->cache, c->kind, c->key, c->version, data, size);
}

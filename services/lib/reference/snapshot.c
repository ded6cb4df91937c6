/* The snapshot as a whole: who holds it, which one is current, and how it is put together.
 *
 * Invariant: what is reachable from a snapshot never changes after snapshot_build returned it, so
 * readers need no lock; only the pointer to the current one has one. */
#include "reference/snapshot.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "reference/snapshot_inside.h"
#include "wire/wire.h"

static pthread_mutex_t current_lock = PTHREAD_MUTEX_INITIALIZER;
static struct snapshot *current;

static void snapshot_free(struct snapshot *s)
{
    struct map *maps[] = { &s->divisions,
                           &s->units,
                           &s->departments,
                           &s->department_units,
                           &s->categories,
                           &s->category_names,
                           &s->routes,
                           &s->deadline_kinds,
                           &s->deadline_versions,
                           &s->ladders,
                           &s->principals,
                           &s->curve_keys,
                           &s->tokens };
    for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
        map_clear(maps[i]);
    arena_clear(&s->arena);
    free(s);
}

const struct snapshot *snapshot_get(void)
{
    pthread_mutex_lock(&current_lock);
    struct snapshot *s = current;
    if (s)
        atomic_fetch_add_explicit(&s->holds, 1, memory_order_relaxed);
    pthread_mutex_unlock(&current_lock);
    return s;
}

/* The faces hand out const pointers, for the facts are constant; the count of holds is not one. */
static struct snapshot *holds_of(const struct snapshot *s)
{
    union {
        const struct snapshot *shared;
        struct snapshot *own;
    } u = { .shared = s };
    return u.own;
}

const struct snapshot *snapshot_ref(const struct snapshot *s)
{
    atomic_fetch_add_explicit(&holds_of(s)->holds, 1, memory_order_relaxed);
    return s;
}

void snapshot_put(const struct snapshot *s)
{
    if (!s)
        return;
    struct snapshot *own = holds_of(s);
    int before = atomic_fetch_sub_explicit(&own->holds, 1, memory_order_acq_rel);
    assert_always(before > 0);
    if (before == 1)
        snapshot_free(own);
}

void snapshot_install(struct snapshot *s)
{
    pthread_mutex_lock(&current_lock);
    struct snapshot *old = current;
    current = s;
    pthread_mutex_unlock(&current_lock);
    snapshot_put(old);
}

int64_t snapshot_position(const struct snapshot *s)
{
    return s->position;
}

int32_t snapshot_day(const struct snapshot *s)
{
    return s->day;
}

const struct calendar *snapshot_calendar(const struct snapshot *s)
{
    return s->calendar;
}

int64_t snapshot_calendar_position(const struct snapshot *s)
{
    return s->calendar_position;
}

int reference_day(const char *text, int32_t *ret_day)
{
    if (!text[0]) {
        *ret_day = 0;
        return 0;
    }
    return day_parse(text, ret_day);
}

bool in_force(int32_t valid_from, int32_t valid_to, int32_t day)
{
    return (!valid_from || day >= valid_from) && (!valid_to || day < valid_to);
}

static int compare_positions(const void *a, const void *b)
{
    const struct row_item *x = a, *y = b;
    return x->position < y->position ? -1 : x->position > y->position;
}

static int unpack_rows(struct snapshot *s, const struct reference_row *rows, int count,
                       struct row_list *ret)
{
    *ret = (struct row_list){ .items = arena_array(&s->arena, struct row_item, count ? count : 1) };
    for (int i = 0; i < count; i++) {
        ProtobufCMessage *message;
        struct wire_fault fault;
        int r = wire_unpack(&reference_row_rules, &s->arena, rows[i].data, rows[i].size, &message,
                            &fault);
        if (r < 0)
            return err_wrap(r, "reference row at position %lld", (long long)rows[i].position);
        ret->items[ret->count++] =
            (struct row_item){ .row = (const ReferenceRow *)message, .position = rows[i].position };
    }
    qsort(ret->items, (size_t)ret->count, sizeof(ret->items[0]), compare_positions);
    return 0;
}

int snapshot_build(struct snapshot **ret, const struct reference_row *rows, int count,
                   int64_t position, int32_t day)
{
    static int (*const stages[])(struct snapshot * s, const struct row_list *rows) = {
        build_divisions, build_units, build_categories, build_routes,
        build_calendar,  build_rules, build_principals,
    };

    struct snapshot *s = calloc(1, sizeof(*s));
    assert_always(s);
    arena_init(&s->arena, 0);
    atomic_init(&s->holds, 1);
    s->position = position;
    s->day = day;

    struct row_list list;
    int r = unpack_rows(s, rows, count, &list);
    for (size_t i = 0; r >= 0 && i < sizeof(stages) / sizeof(stages[0]); i++)
        r = stages[i](s, &list);
    if (r < 0) {
        snapshot_free(s);
        return r;
    }
    *ret = s;
    return 0;
}

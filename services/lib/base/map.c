/* Hash map: linear probing, at most three quarters full; a removal moves later entries of its run
 * back, so that there are no tombstones. The hash is seeded per process: whoever chooses keys
 * cannot choose collisions. */
#include "base/map.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/rand.h"

#define MAP_CAPACITY_FIRST 16 /* a power of two, as all capacities */

static uint64_t map_seed;
static pthread_once_t map_seed_once = PTHREAD_ONCE_INIT;

static void map_seed_init(void)
{
    map_seed = rand_u64();
}

static uint64_t map_hash(const char *key, size_t key_length)
{
    pthread_once(&map_seed_once, map_seed_init);
    return hash_bytes(key, key_length, map_seed);
}

void map_init(struct map *m)
{
    memset(m, 0, sizeof(*m));
}

void map_clear(struct map *m)
{
    free(m->slots);
    map_init(m);
}

/* The slot that holds the key, or the empty one where it would be put. Needs capacity > 0. */
static struct map_slot *map_find(const struct map *m, const char *key, size_t key_length,
                                 uint64_t hash)
{
    size_t mask = m->capacity - 1;
    for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
        struct map_slot *slot = &m->slots[i];
        if (!slot->value)
            return slot;
        if (slot->hash == hash && slot->key_length == key_length &&
            (!key_length || memcmp(slot->key, key, key_length) == 0))
            return slot;
    }
}

static void map_grow(struct map *m)
{
    struct map old = *m;
    m->capacity = old.capacity ? old.capacity * 2 : MAP_CAPACITY_FIRST;
    m->slots = calloc(m->capacity, sizeof(*m->slots));
    assert_always(m->slots);
    for (size_t i = 0; i < old.capacity; i++) {
        const struct map_slot *slot = &old.slots[i];
        if (slot->value)
            *map_find(m, slot->key, slot->key_length, slot->hash) = *slot;
    }
    free(old.slots);
}

void map_put(struct map *m, const char *key, void *value)
{
    map_put_bytes(m, key, strlen(key), value);
}

void map_put_bytes(struct map *m, const char *key, size_t key_length, void *value)
{
    assert_always(value);
    if (m->count + 1 > m->capacity / 4 * 3)
        map_grow(m);
    uint64_t hash = map_hash(key, key_length);
    struct map_slot *slot = map_find(m, key, key_length, hash);
    if (!slot->value)
        m->count++;
    /* The key is taken over too: the old one may go with the old value. */
    *slot = (struct map_slot){ .key = key, .key_length = key_length, .value = value, .hash = hash };
}

void *map_get(const struct map *m, const char *key)
{
    return map_get_bytes(m, key, strlen(key));
}

void *map_get_bytes(const struct map *m, const char *key, size_t key_length)
{
    if (!m->count)
        return NULL;
    return map_find(m, key, key_length, map_hash(key, key_length))->value;
}

void *map_remove(struct map *m, const char *key)
{
    return map_remove_bytes(m, key, strlen(key));
}

void *map_remove_bytes(struct map *m, const char *key, size_t key_length)
{
    if (!m->count)
        return NULL;
    struct map_slot *hole = map_find(m, key, key_length, map_hash(key, key_length));
    void *value = hole->value;
    if (!value)
        return NULL;

    size_t mask = m->capacity - 1;
    size_t at = (size_t)(hole - m->slots);
    for (size_t i = (at + 1) & mask; m->slots[i].value; i = (i + 1) & mask) {
        /* An entry may fill the hole unless its home lies behind the hole (cyclically). */
        size_t home = (size_t)m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - at) & mask)) {
            m->slots[at] = m->slots[i];
            at = i;
        }
    }
    m->slots[at] = (struct map_slot){ 0 };
    m->count--;
    return value;
}

/* Hash map from byte strings to pointers: open addressing, keys are borrowed and must outlive the
 * map. */
#ifndef LUJIAN_BASE_MAP_H
#define LUJIAN_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_slot {
    const char *key;
    size_t key_length;
    void *value; /* NULL = empty or removed */
    uint64_t hash;
};

struct map {
    struct map_slot *slots;
    size_t capacity;
    size_t count;
};

void map_init(struct map *m);
void map_clear(struct map *m);
/* Replaces; `value` must not be NULL. */
void map_put(struct map *m, const char *key, void *value);
void map_put_bytes(struct map *m, const char *key, size_t key_length, void *value);
void *map_get(const struct map *m, const char *key);
void *map_get_bytes(const struct map *m, const char *key, size_t key_length);
void *map_remove(struct map *m, const char *key);
void *map_remove_bytes(struct map *m, const char *key, size_t key_length);

#define MAP_EACH(m, slot)                                                                          \
    for (const struct map_slot *slot = (m)->slots; slot && slot < (m)->slots + (m)->capacity;      \
         slot++)                                                                                   \
        if (slot->value)

#endif

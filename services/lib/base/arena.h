/* Arena: memory that lives as long as one request or one snapshot and is freed in one step. */
#ifndef LUJIAN_BASE_ARENA_H
#define LUJIAN_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *head;
    size_t used_bytes; /* sum of all that was handed out since the last reset */
    size_t bytes_max;  /* limit; 0 = none */
};

void arena_init(struct arena *a, size_t bytes_max);
void arena_clear(struct arena *a);
/* Forgets all contents but keeps one block for reuse. */
void arena_reset(struct arena *a);

/* Zeroed, aligned to 16. Aborts when the machine is out of memory. Counts against the limit but is
 * not refused by it: our own small needs must not fail because a peer's message filled the arena.
 */
void *arena_alloc(struct arena *a, size_t size_bytes);
/* NULL when the limit would be passed: for memory whose size a peer decides. */
void *arena_try_alloc(struct arena *a, size_t size_bytes);
char *arena_strdup(struct arena *a, const char *text);
char *arena_strndup(struct arena *a, const char *text, size_t length);
void *arena_memdup(struct arena *a, const void *data, size_t size_bytes);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *a, const char *format, va_list args);

#define arena_new(a, type)          ((type *)arena_alloc((a), sizeof(type)))
#define arena_array(a, type, count) ((type *)arena_alloc((a), sizeof(type) * (size_t)(count)))

#endif

/* Arena: a chain of blocks, each twice the one before up to a cap; nothing is freed one by one.
 *
 * Invariant: the head block is the one that small requests are cut from. A request too large for it
 * gets a block of its own behind the head, so that the rest of the head is not lost. In sanitizer
 * builds the part of a block that nobody holds is poisoned: a pointer kept over a reset is
 * reported, not read. */
#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/util.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(addr, size)   ((void)(addr), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(addr, size) ((void)(addr), (void)(size))
#endif

#define ARENA_ALIGN       16
#define ARENA_BLOCK_FIRST ((size_t)4096)
#define ARENA_BLOCK_MAX   ((size_t)256 * 1024)
/* A larger block is given back at a reset: one giant request must not cost its memory for ever. */
#define ARENA_KEEP_MAX ((size_t)1024 * 1024)

struct arena_block {
    struct arena_block *next;
    size_t capacity;
    size_t used;
    _Alignas(ARENA_ALIGN) char data[];
};

void arena_init(struct arena *a, size_t bytes_max)
{
    *a = (struct arena){ .bytes_max = bytes_max };
}

static void block_free(struct arena_block *b)
{
    ASAN_UNPOISON_MEMORY_REGION(b->data, b->capacity);
    free(b);
}

void arena_clear(struct arena *a)
{
    for (struct arena_block *b = a->head, *next; b; b = next) {
        next = b->next;
        block_free(b);
    }
    a->head = NULL;
    a->used_bytes = 0;
}

void arena_reset(struct arena *a)
{
    struct arena_block *keep = NULL;
    for (struct arena_block *b = a->head, *next; b; b = next) {
        next = b->next;
        if (b->capacity <= ARENA_KEEP_MAX && (!keep || b->capacity > keep->capacity)) {
            if (keep)
                block_free(keep);
            keep = b;
        } else {
            block_free(b);
        }
    }
    if (keep) {
        keep->next = NULL;
        keep->used = 0;
        ASAN_POISON_MEMORY_REGION(keep->data, keep->capacity);
    }
    a->head = keep;
    a->used_bytes = 0;
}

static struct arena_block *block_new(size_t capacity)
{
    struct arena_block *b = malloc(sizeof(*b) + capacity);
    assert_always(b);
    b->next = NULL;
    b->capacity = capacity;
    b->used = 0;
    ASAN_POISON_MEMORY_REGION(b->data, b->capacity);
    return b;
}

static void *block_cut(struct arena_block *b, size_t size)
{
    char *p = b->data + b->used;
    b->used += size;
    ASAN_UNPOISON_MEMORY_REGION(p, size);
    return memset(p, 0, size);
}

void *arena_alloc(struct arena *a, size_t size_bytes)
{
    assert_always(size_bytes <= PTRDIFF_MAX - ARENA_BLOCK_MAX);
    size_t size = (MAX(size_bytes, (size_t)1) + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    a->used_bytes += size;

    struct arena_block *head = a->head;
    if (head && head->capacity - head->used >= size)
        return block_cut(head, size);

    size_t capacity = head ? MIN(head->capacity * 2, ARENA_BLOCK_MAX) : ARENA_BLOCK_FIRST;
    capacity = MAX(capacity, ARENA_BLOCK_FIRST);
    if (head && size > capacity / 4) {
        struct arena_block *own = block_new(size);
        own->next = head->next;
        head->next = own;
        return block_cut(own, size);
    }
    struct arena_block *b = block_new(MAX(capacity, size));
    b->next = head;
    a->head = b;
    return block_cut(b, size);
}

void *arena_try_alloc(struct arena *a, size_t size_bytes)
{
    if (size_bytes > PTRDIFF_MAX - ARENA_BLOCK_MAX)
        return NULL;
    size_t size = (MAX(size_bytes, (size_t)1) + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (a->bytes_max && (a->used_bytes > a->bytes_max || size > a->bytes_max - a->used_bytes))
        return NULL;
    return arena_alloc(a, size_bytes);
}

char *arena_strdup(struct arena *a, const char *text)
{
    return arena_memdup(a, text, strlen(text) + 1);
}

char *arena_strndup(struct arena *a, const char *text, size_t length)
{
    length = strnlen(text, length);
    char *copy = arena_alloc(a, length + 1);
    memcpy(copy, text, length);
    return copy;
}

void *arena_memdup(struct arena *a, const void *data, size_t size_bytes)
{
    void *copy = arena_alloc(a, size_bytes);
    if (size_bytes)
        memcpy(copy, data, size_bytes);
    return copy;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(a, format, args);
    va_end(args);
    return text;
}

char *arena_vprintf(struct arena *a, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    assert_always(length >= 0);

    char *text = arena_alloc(a, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, args);
    return text;
}

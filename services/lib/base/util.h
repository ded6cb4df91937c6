/* Small macros that every file may use. */
#ifndef LUJIAN_BASE_UTIL_H
#define LUJIAN_BASE_UTIL_H

#include <stddef.h>

#define ARRAY_LEN(a)     (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)        ((a) < (b) ? (a) : (b))
#define MAX(a, b)        ((a) > (b) ? (a) : (b))
#define CLEANUP(fn)      __attribute__((cleanup(fn)))
#define UNUSED           __attribute__((unused))
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

#endif

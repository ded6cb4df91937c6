/* Small macros that every file may use. */
#ifndef LUJIAN_BASE_UTIL_H
#define LUJIAN_BASE_UTIL_H

#include <stddef.h>
#include <sys/param.h> /* MIN, MAX: libuv's header brings these, and two definitions clash */

#define ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))
#define CLEANUP(fn)                     __attribute__((cleanup(fn)))
#define UNUSED                          __attribute__((unused))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif

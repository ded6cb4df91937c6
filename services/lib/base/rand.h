/* Randomness and identifiers. */
#ifndef LUJIAN_BASE_RAND_H
#define LUJIAN_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

#define UUID_TEXT_SIZE 37

void rand_bytes(void *out, size_t size);
uint64_t rand_u64(void);
uint64_t hash_bytes(const void *data, size_t size,
                    uint64_t seed); /* stable across machines and releases */

/* Version 7 (RFC 9562): time-ordered, for things that are born here. */
void uuid_v7(int64_t instant_ms, char out[UUID_TEXT_SIZE]);
/* Version 5 (RFC 9562) in Lujian's own namespace, for things derived from a cause: what runs twice
 * makes one thing. `name` is e.g. "card\x1f<clock>\x1f<term>\x1f<rung>". */
void uuid_v5(const char *name, size_t name_length, char out[UUID_TEXT_SIZE]);
/* Lower-case canonical text form? */
int uuid_check(const char *text);

#endif

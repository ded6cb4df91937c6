/* SHA-256 and HMAC-SHA-256, hexadecimal text, and comparison of secrets. */
#ifndef LUJIAN_BASE_SHA_H
#define LUJIAN_BASE_SHA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE      32
#define SHA256_TEXT_SIZE 65 /* in hexadecimal, and NUL */

void sha256(const void *data, size_t size, uint8_t ret_digest[SHA256_SIZE]);
void hmac_sha256(const void *key, size_t key_size, const void *data, size_t size,
                 uint8_t ret_digest[SHA256_SIZE]);

/* The digest of parts end to end: init, add, add, ..., end. Parts are not set apart by anything:
 * where their borders matter, add their lengths too. `end` frees; `clear` is for leaving early and
 * may follow `end`. */
struct sha256 {
    void *state;
};

void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t size);
void sha256_end(struct sha256 *s, uint8_t ret_digest[SHA256_SIZE]);
void sha256_clear(struct sha256 *s);

/* Lower-case; `out` has room for 2 * size + 1 bytes. */
void hex_encode(const void *data, size_t size, char *out);
/* Exactly 2 * size digits of either case and nothing else; false leaves `out` undefined. */
bool hex_decode(const char *text, void *out, size_t size);

/* Equal? Takes the same time wherever the two differ. */
bool secret_equal(const void *a, const void *b, size_t size);

#endif

/* CURVE keys: pairs in Z85, checked, and the file that a process keeps its own in. */
#ifndef LUJIAN_BUS_CURVE_H
#define LUJIAN_BUS_CURVE_H

#include <stdbool.h>

#define CURVE_KEY_SIZE 41 /* 40 characters of Z85 and NUL */

struct curve_keys {
    char public_key[CURVE_KEY_SIZE];
    char secret_key[CURVE_KEY_SIZE];
};

void curve_keypair(struct curve_keys *ret);
/* 40 characters that decode to 32 bytes? */
bool curve_key_check(const char *z85);
/* The public half of a secret key; ERR_INVALID_ARGUMENT where it is none. */
int curve_public_of(const char *secret_key, char ret_public_key[CURVE_KEY_SIZE]);

/* `public = ...` and `secret = ...`. Refused (ERR_INVALID_ARGUMENT) when others may read the file,
 * when a key is missing or malformed, or when the two are not a pair; ERR_NOT_FOUND when there is
 * no file. No text ever names the secret. */
int curve_file_read(const char *path, struct curve_keys *ret);
/* Mode 0600, replaced whole. */
int curve_file_write(const char *path, const struct curve_keys *keys);

#endif

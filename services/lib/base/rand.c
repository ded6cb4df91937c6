/* Randomness from libcrypto, drawn in blocks; a keyed hash (SipHash-2-4) and UUIDs of versions 5
 * and 7. */
#include "base/rand.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"

/* Lujian's own namespace for version 5, d69b3178-e743-446c-97b3-1dc438fbea6c. Never change it:
 * every derived card and order depends on it. */
static const uint8_t uuid_namespace[16] = { 0xd6, 0x9b, 0x31, 0x78, 0xe7, 0x43, 0x44, 0x6c,
                                            0x97, 0xb3, 0x1d, 0xc4, 0x38, 0xfb, 0xea, 0x6c };

/* A draw from libcrypto costs a microsecond and a system call, however few bytes it is for. What is
 * handed out is wiped here, and a child that is forked begins anew. */
static _Thread_local struct {
    unsigned char bytes[1024];
    size_t left; /* the first so many are still to be given */
} pool;

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void forget(void)
{
    pool.left = 0;
}

static void forget_in_children(void)
{
    pthread_atfork(NULL, NULL, forget);
}

static void draw(unsigned char *out, size_t size)
{
    pthread_once(&fork_once, forget_in_children);
    int ok = RAND_bytes(out, (int)size);
    assert_always(ok == 1);
}

void rand_bytes(void *out, size_t size)
{
    unsigned char *p = out;
    while (size > 0) {
        if (!pool.left) {
            draw(pool.bytes, sizeof(pool.bytes));
            pool.left = sizeof(pool.bytes);
        }
        size_t part = size < pool.left ? size : pool.left;
        pool.left -= part;
        memcpy(p, pool.bytes + pool.left, part);
        OPENSSL_cleanse(pool.bytes + pool.left, part);
        p += part;
        size -= part;
    }
}

uint64_t rand_u64(void)
{
    uint64_t value;
    rand_bytes(&value, sizeof(value));
    return value;
}

static uint64_t rotate(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static void sip_rounds(uint64_t v[4], int count)
{
    for (int i = 0; i < count; i++) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

/* Little-endian on every machine, up to 8 bytes. */
static uint64_t load_le(const uint8_t *p, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)p[i] << (8 * i);
    return value;
}

/* SipHash-2-4 under the key (seed, 0). */
uint64_t hash_bytes(const void *data, size_t size, uint64_t seed)
{
    uint64_t v[4] = { UINT64_C(0x736f6d6570736575) ^ seed, UINT64_C(0x646f72616e646f6d),
                      UINT64_C(0x6c7967656e657261) ^ seed, UINT64_C(0x7465646279746573) };
    const uint8_t *p = data;
    size_t whole = size / 8 * 8;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t word = load_le(p + i, 8);
        v[3] ^= word;
        sip_rounds(v, 2);
        v[0] ^= word;
    }
    uint64_t word = (uint64_t)size << 56;
    if (size > whole)
        word |= load_le(p + whole, size - whole);
    v[3] ^= word;
    sip_rounds(v, 2);
    v[0] ^= word;
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* Sets version and variant (RFC 9562, 4.1 and 4.2) and writes the text form. */
static void uuid_format(uint8_t bytes[16], int version, char out[UUID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | version << 4);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    char *p = out;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = digits[bytes[i] >> 4];
        *p++ = digits[bytes[i] & 15];
    }
    *p = '\0';
}

void uuid_v7(int64_t instant_ms, char out[UUID_TEXT_SIZE])
{
    uint8_t bytes[16];
    rand_bytes(bytes, sizeof(bytes));
    for (int i = 0; i < 6; i++)
        bytes[i] = (uint8_t)((uint64_t)instant_ms >> (8 * (5 - i)));
    uuid_format(bytes, 7, out);
}

static EVP_MD *sha1_md;
static pthread_once_t sha1_once = PTHREAD_ONCE_INIT;

/* Once: a fetch costs more than a name's digest. */
static void sha1_fetch(void)
{
    sha1_md = EVP_MD_fetch(NULL, "SHA1", NULL);
    assert_always(sha1_md);
}

void uuid_v5(const char *name, size_t name_length, char out[UUID_TEXT_SIZE])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    pthread_once(&sha1_once, sha1_fetch);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestInit_ex(ctx, sha1_md, NULL) == 1 &&
              EVP_DigestUpdate(ctx, uuid_namespace, sizeof(uuid_namespace)) == 1 &&
              EVP_DigestUpdate(ctx, name, name_length) == 1 &&
              EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
    assert_always(ok);
    EVP_MD_CTX_free(ctx);
    uuid_format(digest, 5, out);
}

int uuid_check(const char *text)
{
    for (int i = 0; i < UUID_TEXT_SIZE - 1; i++) {
        char c = text[i];
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (dash ? c != '-' : !hex)
            return 0;
    }
    return text[UUID_TEXT_SIZE - 1] == '\0';
}

/* SHA-256 by libcrypto, its algorithm fetched once: a fetch each time costs more than a short
 * digest. */
#include "base/sha.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <string.h>

#include "base/err.h"

static EVP_MD *sha256_md;
static pthread_once_t sha256_once = PTHREAD_ONCE_INIT;

static void sha256_fetch(void)
{
    sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
    assert_always(sha256_md);
}

static const EVP_MD *sha256_algorithm(void)
{
    pthread_once(&sha256_once, sha256_fetch);
    return sha256_md;
}

void sha256(const void *data, size_t size, uint8_t ret_digest[SHA256_SIZE])
{
    int ok = EVP_Digest(data, size, ret_digest, NULL, sha256_algorithm(), NULL);
    assert_always(ok == 1);
}

void hmac_sha256(const void *key, size_t key_size, const void *data, size_t size,
                 uint8_t ret_digest[SHA256_SIZE])
{
    assert_always(key_size <= 1 << 20);
    unsigned length = SHA256_SIZE;
    /* libcrypto takes a NULL key for "the key of before". */
    const void *result = HMAC(sha256_algorithm(), key_size ? key : "", (int)key_size, data, size,
                              ret_digest, &length);
    assert_always(result && length == SHA256_SIZE);
}

void sha256_init(struct sha256 *s)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_always(ctx && EVP_DigestInit_ex(ctx, sha256_algorithm(), NULL) == 1);
    s->state = ctx;
}

void sha256_add(struct sha256 *s, const void *data, size_t size)
{
    int ok = EVP_DigestUpdate(s->state, data, size);
    assert_always(ok == 1);
}

void sha256_end(struct sha256 *s, uint8_t ret_digest[SHA256_SIZE])
{
    int ok = EVP_DigestFinal_ex(s->state, ret_digest, NULL);
    assert_always(ok == 1);
    sha256_clear(s);
}

void sha256_clear(struct sha256 *s)
{
    EVP_MD_CTX_free(s->state);
    s->state = NULL;
}

void hex_encode(const void *data, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = data;
    for (size_t i = 0; i < size; i++) {
        *out++ = digits[p[i] >> 4];
        *out++ = digits[p[i] & 15];
    }
    *out = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool hex_decode(const char *text, void *out, size_t size)
{
    uint8_t *p = out;
    for (size_t i = 0; i < size; i++) {
        int high = hex_digit(text[2 * i]);
        int low = high < 0 ? -1 : hex_digit(text[2 * i + 1]);
        if (low < 0)
            return false;
        p[i] = (uint8_t)(high << 4 | low);
    }
    return text[2 * size] == '\0';
}

bool secret_equal(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}

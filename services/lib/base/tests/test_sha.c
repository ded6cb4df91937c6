/* Digests against published vectors (FIPS 180-4 examples, RFC 4231), hexadecimal both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/sha.h"
#include "base/util.h"

static void test_sha256(void **state UNUSED)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t digest[SHA256_SIZE];
        char text[SHA256_TEXT_SIZE];
        size_t length = strlen(cases[i].in);
        sha256(cases[i].in, length, digest);
        hex_encode(digest, sizeof(digest), text);
        assert_string_equal(text, cases[i].out);
        for (size_t cut = 0; cut <= length; cut++) {
            struct sha256 s;
            sha256_init(&s);
            sha256_add(&s, cases[i].in, cut);
            sha256_add(&s, cases[i].in + cut, length - cut);
            sha256_end(&s, digest);
            hex_encode(digest, sizeof(digest), text);
            assert_string_equal(text, cases[i].out);
            sha256_clear(&s);
        }
    }
    struct sha256 unfinished;
    sha256_init(&unfinished);
    sha256_add(&unfinished, NULL, 0);
    sha256_clear(&unfinished);
}

static void test_hmac(void **state UNUSED)
{
    uint8_t key[131], data[50], digest[SHA256_SIZE];
    char text[SHA256_TEXT_SIZE];
    memset(key, 0x0b, 20);
    hmac_sha256(key, 20, "Hi There", 8, digest);
    hex_encode(digest, sizeof(digest), text);
    assert_string_equal(text, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, digest);
    hex_encode(digest, sizeof(digest), text);
    assert_string_equal(text, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, 20);
    memset(data, 0xdd, sizeof(data));
    hmac_sha256(key, 20, data, sizeof(data), digest);
    hex_encode(digest, sizeof(digest), text);
    assert_string_equal(text, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    memset(key, 0xaa, sizeof(key));
    hmac_sha256(key, sizeof(key), "Test Using Larger Than Block-Size Key - Hash Key First", 54,
                digest);
    hex_encode(digest, sizeof(digest), text);
    assert_string_equal(text, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    hmac_sha256(NULL, 0, NULL, 0, digest);
    hex_encode(digest, sizeof(digest), text);
    assert_string_equal(text, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void test_hex(void **state UNUSED)
{
    uint8_t all[256], back[256];
    char text[513];
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (uint8_t)i;
    hex_encode(all, sizeof(all), text);
    assert_true(hex_decode(text, back, sizeof(back)));
    assert_memory_equal(all, back, sizeof(all));
    assert_true(hex_decode("AbCd", back, 2));
    assert_int_equal(back[0], 0xab);
    assert_true(hex_decode("", back, 0));
    static const char *const bad[] = { "",       "a",    "ab",   "abc", "abcde",
                                       "abcdef", "abcg", "gbcd", "ab d" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(hex_decode(bad[i], back, 2));
}

static void test_secret_equal(void **state UNUSED)
{
    assert_true(secret_equal("token", "token", 5));
    assert_false(secret_equal("token", "tokeN", 5));
    assert_false(secret_equal("token", "Token", 5));
    assert_true(secret_equal("a", "b", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_hmac),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_secret_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Hash against libcrypto's SipHash, UUIDs against their definition and fixed values. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/rand.h"
#include "base/util.h"

/* SipHash-2-4 by libcrypto, key = seed little-endian and eight zeros. */
static uint64_t siphash_openssl(const uint8_t *data, size_t size, uint64_t seed)
{
    uint8_t key[16] = { 0 }, out[8];
    for (int i = 0; i < 8; i++)
        key[i] = (uint8_t)(seed >> (8 * i));
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    assert_non_null(mac);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
    unsigned size_out = 8;
    OSSL_PARAM params[] = { OSSL_PARAM_construct_uint(OSSL_MAC_PARAM_SIZE, &size_out),
                            OSSL_PARAM_construct_end() };
    size_t length;
    assert_int_equal(EVP_MAC_init(ctx, key, sizeof(key), params), 1);
    assert_int_equal(EVP_MAC_update(ctx, data, size), 1);
    assert_int_equal(EVP_MAC_final(ctx, out, &length, sizeof(out)), 1);
    assert_int_equal(length, 8);
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value |= (uint64_t)out[i] << (8 * i);
    return value;
}

static void test_hash(void **state UNUSED)
{
    static const uint64_t seeds[] = { 0, 1, UINT64_C(0x0706050403020100), UINT64_MAX };
    uint8_t data[70];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7 + 3);
    for (size_t s = 0; s < ARRAY_LEN(seeds); s++) {
        for (size_t size = 0; size <= sizeof(data); size++)
            assert_int_equal(hash_bytes(data, size, seeds[s]),
                             siphash_openssl(data, size, seeds[s]));
    }
}

static void test_random(void **state UNUSED)
{
    uint8_t a[64] = { 0 }, b[64] = { 0 };
    rand_bytes(a, sizeof(a));
    rand_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    rand_bytes(a, 0);
    assert_int_not_equal(rand_u64(), rand_u64());
}

static void test_uuid_v7(void **state UNUSED)
{
    char early[UUID_TEXT_SIZE], late[UUID_TEXT_SIZE], same[UUID_TEXT_SIZE];
    /* RFC 9562, appendix A.6: 0x017F22E279B0 ms. */
    uuid_v7(INT64_C(0x017F22E279B0), early);
    uuid_v7(INT64_C(0x017F22E279B1), late);
    uuid_v7(INT64_C(0x017F22E279B1), same);
    assert_memory_equal(early, "017f22e2-79b0-7", 15);
    assert_true(strchr("89ab", early[19]) != NULL);
    assert_true(strcmp(early, late) < 0);
    assert_string_not_equal(late, same);
    for (int i = 0; i < 1000; i++) {
        uuid_v7(i, early);
        assert_true(uuid_check(early));
    }
}

/* Computed with Python: uuid.uuid5(uuid.UUID('d69b3178-e743-446c-97b3-1dc438fbea6c'), name). */
static void test_uuid_v5(void **state UNUSED)
{
    static const struct {
        const char *name, *uuid;
        size_t length;
    } cases[] = {
        { "", "bb9568f4-0210-5e31-a0ef-cb1718b25982", 0 },
        { "card\037017f22e2-79b0-7cc3-98c4-dc0c0c07398f\0371\037yellow",
          "9c2921e0-6713-523a-883d-19adb53d3ef6", 50 },
        { "鲁鉴", "268102e4-d047-5542-8357-d3723a641bd5", 6 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[UUID_TEXT_SIZE];
        uuid_v5(cases[i].name, cases[i].length, text);
        assert_string_equal(text, cases[i].uuid);
        assert_true(uuid_check(text));
    }
}

static void test_uuid_check(void **state UNUSED)
{
    static const char *const bad[] = { "",
                                       "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
                                       "017f22e2-79b0-7cc3-98c4-dc0c0c07398ff",
                                       "017F22E2-79B0-7CC3-98C4-DC0C0C07398F",
                                       "017f22e279b07cc398c4dc0c0c07398f",
                                       "017f22e2-79b0-7cc3-98c4_dc0c0c07398f",
                                       "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
                                       "{17f22e2-79b0-7cc3-98c4-dc0c0c07398}",
                                       "017f22e27-9b0-7cc3-98c4-dc0c0c07398f" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (uuid_check(bad[i]))
            fail_msg("accepted %s", bad[i]);
    }
    assert_true(uuid_check("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash),       cmocka_unit_test(test_random),
        cmocka_unit_test(test_uuid_v7),    cmocka_unit_test(test_uuid_v5),
        cmocka_unit_test(test_uuid_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

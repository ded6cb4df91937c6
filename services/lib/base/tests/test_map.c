/* Map: against a plain array as model, over long random sequences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/map.h"
#include "base/util.h"

enum { KEYS = 500 };

static void test_basics(void **state UNUSED)
{
    struct map m;
    int one = 1, two = 2;
    map_init(&m);
    assert_null(map_get(&m, "a"));
    assert_null(map_remove(&m, "a"));
    map_put(&m, "a", &one);
    map_put(&m, "a", &two);
    map_put(&m, "", &one);
    assert_int_equal(m.count, 2);
    assert_ptr_equal(map_get(&m, "a"), &two);
    assert_ptr_equal(map_get(&m, ""), &one);
    map_put_bytes(&m, "a\0b", 3, &one);
    assert_ptr_equal(map_get_bytes(&m, "a\0b", 3), &one);
    assert_null(map_get_bytes(&m, "a\0c", 3));
    assert_ptr_equal(map_get_bytes(&m, "ab", 1), &two);
    assert_null(map_remove_bytes(&m, "a\0c", 3));
    assert_ptr_equal(map_remove_bytes(&m, "a\0b", 3), &one);
    assert_null(map_get_bytes(&m, "a\0b", 3));
    assert_ptr_equal(map_get(&m, "a"), &two);
    map_clear(&m);
    assert_int_equal(m.count, 0);
    assert_null(map_get(&m, "a"));
}

static void test_replaced_key_is_the_new_one(void **state UNUSED)
{
    struct map m;
    int one = 1;
    char first[] = "key", second[] = "key";
    map_init(&m);
    map_put(&m, first, &one);
    map_put(&m, second, &one);
    memset(first, 'x', 3);
    assert_ptr_equal(map_get(&m, "key"), &one);
    map_clear(&m);
}

static void test_against_model(void **state UNUSED)
{
    static char keys[KEYS][8];
    static int values[KEYS];
    void *model[KEYS] = { 0 };
    size_t count = 0;
    for (int i = 0; i < KEYS; i++)
        snprintf(keys[i], sizeof(keys[i]), "k%d", i);

    struct map m;
    map_init(&m);
    uint64_t x = 88172645463325252u;
    for (int step = 0; step < 100000; step++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        int i = (int)(x % KEYS);
        /* In waves, so that the map fills and empties. */
        bool put = (x >> 32) % 100 < (step / 5000 % 2 ? 30u : 70u);
        if (put) {
            count += !model[i];
            model[i] = &values[(x >> 20) % KEYS];
            map_put(&m, keys[i], model[i]);
        } else {
            count -= model[i] != NULL;
            assert_ptr_equal(map_remove(&m, keys[i]), model[i]);
            model[i] = NULL;
        }
        assert_int_equal(m.count, count);
        int probe = (int)(x >> 40) % KEYS;
        assert_ptr_equal(map_get(&m, keys[probe]), model[probe]);
    }
    size_t seen = 0;
    MAP_EACH (&m, slot) {
        size_t i = (size_t)(slot->key - keys[0]) / sizeof(keys[0]);
        assert_ptr_equal(slot->value, model[i]);
        seen++;
    }
    assert_int_equal(seen, count);
    map_clear(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basics),
        cmocka_unit_test(test_replaced_key_is_the_new_one),
        cmocka_unit_test(test_against_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Arena: alignment, zeroing, limits, reuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/util.h"

static void test_sizes(void **state UNUSED)
{
    struct arena a;
    arena_init(&a, 0);
    static const size_t sizes[] = { 0, 1, 15, 16, 17, 1000, 4095, 4096, 4097, 70000, 1, 300000, 3 };
    unsigned char *p[ARRAY_LEN(sizes)];
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        p[i] = arena_alloc(&a, sizes[i]);
        assert_int_equal((uintptr_t)p[i] % 16, 0);
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(p[i][j], 0);
        memset(p[i], (int)i + 1, sizes[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(p[i][j], i + 1);
    }
    arena_clear(&a);
    assert_null(a.head);
    assert_int_equal(a.used_bytes, 0);
}

static void test_many_rounds(void **state UNUSED)
{
    struct arena a;
    arena_init(&a, 0);
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < 500; i++) {
            size_t size = (i * 37 + (size_t)round * 11) % 900;
            unsigned char *p = arena_alloc(&a, size);
            for (size_t j = 0; j < size; j++)
                assert_int_equal(p[j], 0);
            memset(p, 0xff, size);
        }
        arena_reset(&a);
        assert_int_equal(a.used_bytes, 0);
        assert_non_null(a.head);
    }
    arena_clear(&a);
}

static void test_limit(void **state UNUSED)
{
    struct arena a;
    arena_init(&a, 1024);
    assert_non_null(arena_try_alloc(&a, 1000));
    assert_int_equal(a.used_bytes, 1008);
    assert_null(arena_try_alloc(&a, 17));
    assert_non_null(arena_try_alloc(&a, 16));
    assert_null(arena_try_alloc(&a, 1));
    assert_null(arena_try_alloc(&a, SIZE_MAX));
    assert_null(arena_try_alloc(&a, SIZE_MAX - 8));
    assert_non_null(arena_alloc(&a, 100));
    assert_null(arena_try_alloc(&a, 1));
    arena_reset(&a);
    /* What counts is the size as it is handed out, in whole sixteens. */
    a.bytes_max = 1020;
    assert_non_null(arena_try_alloc(&a, 1008));
    assert_null(arena_try_alloc(&a, 12));
    a.bytes_max = 1024;
    arena_reset(&a);
    assert_non_null(arena_try_alloc(&a, 1024));
    arena_clear(&a);
}

static void test_giant_is_given_back(void **state UNUSED)
{
    struct arena a;
    arena_init(&a, 0);
    arena_alloc(&a, 8 << 20);
    arena_reset(&a);
    assert_null(a.head);
    arena_alloc(&a, 10);
    arena_alloc(&a, 8 << 20);
    void *before = a.head;
    arena_reset(&a);
    assert_ptr_equal(a.head, before);
    arena_clear(&a);
}

static void test_texts(void **state UNUSED)
{
    struct arena a;
    arena_init(&a, 0);
    char source[] = "complaint";
    char *copy = arena_strdup(&a, source);
    char *part = arena_strndup(&a, source, 4);
    char *past = arena_strndup(&a, source, 400);
    char *raw = arena_memdup(&a, source, 3);
    void *none = arena_memdup(&a, NULL, 0);
    source[0] = 'X';
    assert_string_equal(copy, "complaint");
    assert_string_equal(part, "comp");
    assert_string_equal(past, "complaint");
    assert_memory_equal(raw, "com", 3);
    assert_non_null(none);
    assert_string_equal(arena_printf(&a, "%s-%d", "a", 12), "a-12");
    assert_string_equal(arena_printf(&a, "%s", ""), "");
    char *wide = arena_printf(&a, "%9000d", 1);
    assert_int_equal(strlen(wide), 9000);
    int *numbers = arena_array(&a, int, 10);
    assert_int_equal(numbers[9], 0);
    arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes), cmocka_unit_test(test_many_rounds),
        cmocka_unit_test(test_limit), cmocka_unit_test(test_giant_is_given_back),
        cmocka_unit_test(test_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The door's table: an id speaks for one connection at a time, and for none that is gone. */
#include "rig.h"

#include "bus/door_table.h"

static const uint8_t id_a[] = { 0, 1, 2, 3, 4 }, id_b[] = { 0, 1, 2, 3, 5 },
                     id_c[] = { 0, 1, 2, 3, 6 };
static int gone;

static void on_gone(void *ctx UNUSED, const struct door_address *who UNUSED)
{
    gone++;
}

static int setup(void **state)
{
    static struct door_table t;
    door_table_init(&t, on_gone, NULL);
    gone = 0;
    *state = &t;
    return 0;
}

static int teardown(void **state)
{
    door_table_clear(*state);
    return 0;
}

static void test_bound_until_disconnect(void **state)
{
    struct door_table *t = *state;
    door_table_accepted(t, 7);
    assert_null(door_table_find(t, id_a, 7, "anna/k1"));
    struct door_address a = door_table_bind(t, id_a, 7, "anna/k1");
    assert_true(door_table_holds(t, &a));
    assert_non_null(door_table_find(t, id_a, 7, "anna/k1"));
    assert_null(door_table_find(t, id_a, 8, "anna/k1"));
    assert_null(door_table_find(t, id_a, 7, "bert/k1"));
    door_table_disconnected(t, 7);
    assert_false(door_table_holds(t, &a));
    assert_null(door_table_find(t, id_a, 7, "anna/k1"));
    assert_int_equal(gone, 1);
    door_table_disconnected(t, 7);
    door_table_disconnected(t, 5000); /* never heard of */
    assert_int_equal(gone, 1);
}

static void test_reused_id(void **state)
{
    struct door_table *t = *state;
    door_table_accepted(t, 7);
    door_table_accepted(t, 300);
    struct door_address anna = door_table_bind(t, id_a, 7, "anna/k1");
    struct door_address bert = door_table_bind(t, id_a, 300, "bert/k1");
    assert_false(door_table_holds(t, &anna));
    assert_true(door_table_holds(t, &bert));
    assert_int_equal(gone, 1);
    /* The same user again, on another connection: what was asked on the first is not answered on
     * the second. */
    struct door_address again = door_table_bind(t, id_a, 7, "bert/k1");
    assert_false(door_table_holds(t, &bert));
    assert_true(door_table_holds(t, &again));
    struct door_address forged = again;
    strcpy(forged.user, "anna/k1");
    assert_false(door_table_holds(t, &forged));
}

/* A message that comes after its connection's end binds nothing, and takes nothing from the next
 * owner of its descriptor. */
static void test_late_messages(void **state)
{
    struct door_table *t = *state;
    door_table_accepted(t, 7);
    door_table_disconnected(t, 7);
    struct door_address late = door_table_bind(t, id_a, 7, "anna/k1");
    assert_int_equal(late.connection, 0);
    assert_false(door_table_holds(t, &late));
    assert_int_equal(t->by_id.count, 0);

    door_table_accepted(t, 7);
    struct door_address next = door_table_bind(t, id_b, 7, "bert/k1");
    struct door_address later = door_table_bind(t, id_c, 7, "anna/k1");
    assert_true(door_table_holds(t, &next));
    assert_true(door_table_holds(t, &later));
    door_table_disconnected(t, 7);
    assert_int_equal(t->by_id.count, 0);
    assert_int_equal(gone, 2);
}

static void test_bounded(void **state)
{
    struct door_table *t = *state;
    door_table_accepted(t, 7);
    for (uint8_t i = 0; i < 200; i++) {
        const uint8_t id[] = { 0, 9, 9, 9, i };
        door_table_bind(t, id, 7, "anna/k1");
    }
    assert_true(t->by_id.count <= 4);
    assert_int_equal(gone + (int)t->by_id.count, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bound_until_disconnect, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reused_id, setup, teardown),
        cmocka_unit_test_setup_teardown(test_late_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

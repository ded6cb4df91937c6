/* peers.ini: what is read, and that a file with any fault changes nothing. */
#include "rig.h"

#include <unistd.h>

#include "base/buf.h"
#include "bus/peers.h"

static char path[64];
static struct curve_keys keys[3];

static int read_text(const char *text, struct peers *ret)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return peers_read(path, ret);
}

static void test_good_file(void **state UNUSED)
{
    char text[1024];
    snprintf(text, sizeof(text),
             "; who is where\n"
             "[complaints-1]\nservice = complaints\ndoor = tcp://127.0.0.1:4001\n"
             "pulse = tcp://127.0.0.1:4002\nadmin = http://127.0.0.1:4003\npublic_key = %s\n\n"
             "[complaints-2]\npublic_key=%s\nservice=complaints\ndoor=tcp://10.0.0.2:4001\n"
             "[gateway-1]\nservice = gateway\nadmin = http://127.0.0.1:5000\npublic_key = %s\n",
             keys[0].public_key, keys[1].public_key, keys[2].public_key);
    struct peers p;
    assert_int_equal(read_text(text, &p), 0);
    assert_int_equal(p.count, 3);
    const struct peer *one = peers_by_key(&p, keys[0].public_key);
    assert_non_null(one);
    assert_string_equal(one->instance, "complaints-1");
    assert_string_equal(one->service, "complaints");
    assert_string_equal(one->door, "tcp://127.0.0.1:4001");
    assert_string_equal(one->pulse, "tcp://127.0.0.1:4002");
    assert_string_equal(one->admin, "http://127.0.0.1:4003");
    const struct peer *edge = peers_by_instance(&p, "gateway-1");
    assert_non_null(edge);
    assert_string_equal(edge->door, "");
    assert_string_equal(edge->pulse, "");
    assert_null(peers_by_instance(&p, "gateway-2"));
    assert_null(peers_by_key(&p, keys[0].secret_key));
    peers_clear(&p);
    assert_int_equal(p.count, 0);
    assert_int_equal(read_text("", &p), 0);
    assert_int_equal(p.count, 0);
    peers_clear(&p);
}

static void test_faults(void **state UNUSED)
{
    struct peers p = { .count = -1 };
    assert_int_equal(peers_read("/nonexistent/peers.ini", &p), ERR_NOT_FOUND);
    const char *k = keys[0].public_key;
    char texts[11][1024];
    memset(texts, 0, sizeof(texts));
    snprintf(texts[0], 1024, "service = x\npublic_key = %s\n", k);
    snprintf(texts[1], 1024, "[a]\npublic_key = %s\n", k);
    snprintf(texts[2], 1024, "[a]\nservice = x\n");
    snprintf(texts[3], 1024, "[a]\nservice = x\npublic_key = %.39s\n", k);
    snprintf(texts[4], 1024, "[a]\nservice = x\npublic_key = %s\ndoor = 127.0.0.1:1\n", k);
    snprintf(texts[5], 1024, "[a]\nservice = x\npublic_key = %s\ndoors = tcp://h:1\n", k);
    snprintf(texts[6], 1024, "[a]\nservice = x\nservice = y\npublic_key = %s\n", k);
    snprintf(texts[7], 1024,
             "[a]\nservice = x\npublic_key = %s\n[b]\nservice = x\npublic_key = %s\n", k, k);
    snprintf(texts[8], 1024, "[a]\nservice = x\npublic_key = %s\nnonsense\n", k);
    snprintf(texts[9], 1024, "[a]\nservice = x\npublic_key = %s\nadmin = %0250d\n", k, 1);
    snprintf(texts[10], 1024, "[a]\nservice = x\npublic_key = %s\n  y\n", k);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(read_text(texts[i], &p), ERR_INVALID_ARGUMENT);
        assert_non_null(strstr(err_last()->text, path));
        assert_int_equal(p.count, -1);
    }
}

static void test_too_many(void **state UNUSED)
{
    struct buf text;
    struct peers p;
    buf_init(&text, 0);
    for (int i = 0; i <= PEERS_MAX; i++) {
        struct curve_keys pair;
        if (i == PEERS_MAX) {
            assert_int_equal(read_text(buf_text(&text), &p), 0);
            assert_int_equal(p.count, PEERS_MAX);
            peers_clear(&p);
        }
        curve_keypair(&pair);
        buf_printf(&text, "[x-%d]\nservice = x\npublic_key = %s\n", i, pair.public_key);
    }
    assert_int_equal(read_text(buf_text(&text), &p), ERR_INVALID_ARGUMENT);
    buf_clear(&text);
}

int main(void)
{
    strcpy(path, "/tmp/lujian-peers-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        curve_keypair(&keys[i]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_file),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_too_many),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}

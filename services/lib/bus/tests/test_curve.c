/* Keys and their file: pairs hold, half-good files are refused, no error text names a secret. */
#include "rig.h"

#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

static void write_text(const char *name, const char *text, mode_t mode)
{
    FILE *f = fopen(path_of(name), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(path_of(name), mode), 0);
}

static void test_pairs(void **state UNUSED)
{
    struct curve_keys a, b;
    char public_key[CURVE_KEY_SIZE] = "untouched";
    curve_keypair(&a);
    curve_keypair(&b);
    assert_string_not_equal(a.public_key, b.public_key);
    assert_true(curve_key_check(a.public_key));
    assert_true(curve_key_check(a.secret_key));
    assert_int_equal(curve_public_of("short", public_key), ERR_INVALID_ARGUMENT);
    assert_string_equal(public_key, "untouched");
    assert_int_equal(curve_public_of(a.secret_key, public_key), 0);
    assert_string_equal(public_key, a.public_key);
}

static void test_key_check(void **state UNUSED)
{
    assert_true(curve_key_check("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"));
    const char *bad[] = {
        "",
        "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf",   /* 39 */
        "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf77", /* 41 */
        "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf~",  /* not Z85 */
        "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8 yf7",
        "#####rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H", /* over 2^32 */
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(curve_key_check(bad[i]));
}

static void test_file(void **state UNUSED)
{
    struct curve_keys a, b, c = { "untouched", "" };
    struct stat st;
    curve_keypair(&a);
    assert_int_equal(curve_file_read(path_of("keys"), &c), ERR_NOT_FOUND);
    assert_int_equal(curve_file_write(path_of("keys"), &a), 0);
    assert_int_equal(stat(path_of("keys"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(curve_file_read(path_of("keys"), &b), 0);
    assert_memory_equal(&a, &b, sizeof(a));

    assert_int_equal(chmod(path_of("keys"), 0640), 0);
    assert_int_equal(curve_file_read(path_of("keys"), &c), ERR_INVALID_ARGUMENT);
    assert_string_equal(c.public_key, "untouched");

    /* A service manager's credential: an access list's mask shows as the group's bits. */
    char folder[256];
    snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path_of("keys"), '/') - path_of("keys")),
             path_of("keys"));
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    assert_int_equal(chmod(path_of("keys"), 0440), 0);
    assert_int_equal(curve_file_read(path_of("keys"), &b), 0);
    assert_int_equal(chmod(path_of("keys"), 0444), 0);
    assert_int_equal(curve_file_read(path_of("keys"), &c), ERR_INVALID_ARGUMENT);
    setenv("CREDENTIALS_DIRECTORY", "/elsewhere", 1);
    assert_int_equal(chmod(path_of("keys"), 0440), 0);
    assert_int_equal(curve_file_read(path_of("keys"), &c), ERR_INVALID_ARGUMENT);
    unsetenv("CREDENTIALS_DIRECTORY");
}

static void test_bad_files(void **state UNUSED)
{
    struct curve_keys a, b, c = { "untouched", "" };
    curve_keypair(&a);
    curve_keypair(&b);
    char texts[4][256];
    snprintf(texts[0], sizeof(texts[0]), "public = %s\n", a.public_key);
    snprintf(texts[1], sizeof(texts[1]), "secret = %s\n", a.secret_key);
    snprintf(texts[2], sizeof(texts[2]), "public = %s\nsecret = %s\n", b.public_key, a.secret_key);
    snprintf(texts[3], sizeof(texts[3]), "public = %s\nsecret = %.39s\n", a.public_key,
             a.secret_key);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        write_text("bad", texts[i], 0600);
        assert_int_equal(curve_file_read(path_of("bad"), &c), ERR_INVALID_ARGUMENT);
        assert_string_equal(c.public_key, "untouched");
        assert_null(strstr(err_last()->text, a.secret_key));
    }
    write_text("bad", "", 0600);
    assert_int_equal(curve_file_read(path_of("bad"), &c), ERR_INVALID_ARGUMENT);
    /* Sections, comments and other names are of no concern. */
    char good[256];
    snprintf(good, sizeof(good), "; made by hand\n[curve]\nname = x\nsecret=%s\npublic = %s\n",
             a.secret_key, a.public_key);
    write_text("good", good, 0400);
    assert_int_equal(curve_file_read(path_of("good"), &c), 0);
    assert_string_equal(c.public_key, a.public_key);
}

int main(void)
{
    strcpy(dir, "/tmp/lujian-curve-XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_key_check),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_bad_files),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    const char *names[] = { "keys", "bad", "good" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unlink(path_of(names[i]));
    rmdir(dir);
    return failed;
}

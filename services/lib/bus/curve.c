/* CURVE keys and their file. */
#include "bus/curve.h"

#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zmq.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/sha.h"

#define CURVE_FILE_MAX 4096
#define CURVE_BYTES    32

void curve_keypair(struct curve_keys *ret)
{
    /* Fails only where the library was built without CURVE: then nothing here can work. */
    assert_always(zmq_curve_keypair(ret->public_key, ret->secret_key) == 0);
}

bool curve_key_check(const char *z85)
{
    uint8_t bytes[CURVE_BYTES];
    if (strlen(z85) != CURVE_KEY_SIZE - 1)
        return false;
    bool good = zmq_z85_decode(bytes, z85) != NULL;
    explicit_bzero(bytes, sizeof(bytes));
    return good;
}

int curve_public_of(const char *secret_key, char ret_public_key[CURVE_KEY_SIZE])
{
    if (!curve_key_check(secret_key) || zmq_curve_public(ret_public_key, secret_key) < 0)
        return err_set(ERR_INVALID_ARGUMENT, "not a CURVE secret key");
    return 0;
}

static int take_key(void *arg, const char *section, const char *name, const char *value)
{
    (void)section;
    struct curve_keys *keys = arg;
    char *into = strcmp(name, "public") == 0   ? keys->public_key
                 : strcmp(name, "secret") == 0 ? keys->secret_key
                                               : NULL;
    if (into && curve_key_check(value))
        memcpy(into, value, CURVE_KEY_SIZE);
    return 1;
}

static int keys_check(const struct curve_keys *keys, const char *path)
{
    char public_key[CURVE_KEY_SIZE];
    if (!keys->public_key[0] || !keys->secret_key[0])
        return err_set(ERR_INVALID_ARGUMENT, "%s: a key is missing or malformed", path);
    if (curve_public_of(keys->secret_key, public_key) < 0 ||
        !secret_equal(public_key, keys->public_key, CURVE_KEY_SIZE))
        return err_set(ERR_INVALID_ARGUMENT, "%s: the two keys are not a pair", path);
    return 0;
}

/* What the service manager handed to this process alone is its own whatever the mode says: it may
 * be readable by an access list, whose mask shows as the group's bits. */
static bool is_credential(const char *path)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    size_t length = folder ? strlen(folder) : 0;
    return length && strncmp(path, folder, length) == 0 && path[length] == '/';
}

int curve_file_read(const char *path, struct curve_keys *ret)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return err_errno(errno == ENOENT ? ERR_NOT_FOUND : ERR_INTERNAL, errno, "%s", path);
    mode_t others = is_credential(path) ? S_IRWXO : S_IRWXG | S_IRWXO;
    if (st.st_mode & others)
        return err_set(ERR_INVALID_ARGUMENT, "%s: others than its owner have access to it", path);

    struct buf text;
    struct curve_keys keys = { 0 };
    buf_init(&text, CURVE_FILE_MAX);
    int r = file_read(path, CURVE_FILE_MAX, &text);
    if (r >= 0) {
        ini_parse_string(buf_text(&text), take_key, &keys);
        r = keys_check(&keys, path);
    }
    if (text.data)
        explicit_bzero(text.data, text.capacity);
    buf_clear(&text);
    if (r >= 0) {
        *ret = keys;
        r = 0;
    }
    explicit_bzero(&keys, sizeof(keys));
    return r;
}

int curve_file_write(const char *path, const struct curve_keys *keys)
{
    struct buf text;
    buf_init(&text, CURVE_FILE_MAX);
    buf_printf(&text, "public = %s\nsecret = %s\n", keys->public_key, keys->secret_key);
    int r = file_write(path, text.data, text.size, 0600);
    explicit_bzero(text.data, text.capacity);
    buf_clear(&text);
    return r;
}

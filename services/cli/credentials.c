/* Credentials: the file that says who one is, and new ones. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/flat.h"
#include "base/rand.h"
#include "base/sha.h"
#include "bus/curve.h"
#include "cli.h"

#define TOKEN_BYTES 32

/* Keys in a file that others can read are theirs too. */
static int check_private(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return err_errno(ERR_NOT_FOUND, errno, "%s", path);
    if (st.st_mode & (S_IRWXG | S_IRWXO))
        return err_set(ERR_INVALID_ARGUMENT, "%s: others may read it: chmod 600 it", path);
    return 0;
}

static int read_file(const char *path, struct credentials *ret)
{
    struct flat_value values[] = {
        { .name = "principal" },
        { .name = "key_id" },
        { .name = "curve_public" },
        { .name = "curve_secret" },
        { .name = "token", .optional = true },
        { 0 },
    };
    char public_key[CURVE_KEY_SIZE];
    int r = check_private(path);
    if (r == 0)
        r = flat_read(path, values);
    if (r < 0)
        return r;
    const char *secret = flat_text(values, "curve_secret");
    r = curve_public_of(secret, public_key);
    if (r < 0 || strcmp(public_key, flat_text(values, "curve_public")) != 0)
        return err_set(ERR_INVALID_ARGUMENT, "%s: curve_public and curve_secret are not a pair",
                       path);
    snprintf(ret->principal, sizeof(ret->principal), "%s", flat_text(values, "principal"));
    snprintf(ret->key_id, sizeof(ret->key_id), "%s", flat_text(values, "key_id"));
    memcpy(ret->curve_public, public_key, sizeof(ret->curve_public));
    snprintf(ret->curve_secret, sizeof(ret->curve_secret), "%s", secret);
    snprintf(ret->token, sizeof(ret->token), "%s", flat_text(values, "token"));
    return 0;
}

int credentials_read(const struct cli *cli, struct credentials *ret)
{
    if (!*cli->credentials) {
        usage_error("", "who are you? Name a file: --credentials FILE or LUJIAN_CREDENTIALS");
        return ERR_UNAUTHENTICATED;
    }
    int r = read_file(cli->credentials, ret);
    if (r < 0)
        error_print("credentials");
    return r;
}

int credentials_write(const char *path, const struct credentials *c)
{
    struct buf text;
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return err_errno(errno == EEXIST ? ERR_REFUSED : ERR_INTERNAL, errno, "%s", path);
    buf_init(&text, 0);
    buf_printf(&text,
               "principal = %s\nkey_id = %s\ncurve_public = %s\ncurve_secret = %s\ntoken = %s\n",
               c->principal, c->key_id, c->curve_public, c->curve_secret, c->token);
    bool whole = write(file, text.data, text.size) == (ssize_t)text.size && fsync(file) == 0;
    int why = errno;
    explicit_bzero(text.data, text.capacity);
    buf_clear(&text);
    close(file);
    if (whole)
        return 0;
    unlink(path);
    return err_errno(ERR_INTERNAL, why, "%s", path);
}

void credentials_make(const char *principal, const char *key_id, struct credentials *ret)
{
    uint8_t token[TOKEN_BYTES];
    struct curve_keys keys;
    *ret = (struct credentials){ 0 };
    snprintf(ret->principal, sizeof(ret->principal), "%s", principal);
    snprintf(ret->key_id, sizeof(ret->key_id), "%s", key_id);
    curve_keypair(&keys);
    memcpy(ret->curve_public, keys.public_key, sizeof(ret->curve_public));
    memcpy(ret->curve_secret, keys.secret_key, sizeof(ret->curve_secret));
    rand_bytes(token, sizeof(token));
    hex_encode(token, sizeof(token), ret->token);
    explicit_bzero(&keys, sizeof(keys));
}

void token_hash(const char *token, char ret_digits[65])
{
    uint8_t digest[SHA256_SIZE];
    sha256(token, strlen(token), digest);
    hex_encode(digest, sizeof(digest), ret_digits);
}

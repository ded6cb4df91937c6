/* Identities of callers: sealed at rest with AES-256-GCM, the key named beside the seal, masked by
 * the reader's role.
 *
 * The complaint's id is bound into the seal, so that a sealed identity moved to another row does
 * not open. */
#include <openssl/evp.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/rand.h"
#include "base/sha.h"
#include "base/util.h"
#include "complaints.h"

#define KEY_SIZE   32
#define NONCE_SIZE 12
#define TAG_SIZE   16
#define KEYS_MAX   16

struct caller_key {
    char name[33];
    uint8_t bytes[KEY_SIZE];
};

static struct caller_key keys[KEYS_MAX]; /* keys[0] seals; all open */
static int key_count;
static EVP_CIPHER *aes_256_gcm; /* fetched once: a fetch costs more than a seal */

/* Cuts the line end off in place. */
static bool hex_decode_line(struct buf *data, size_t size, uint8_t bytes[KEY_SIZE])
{
    data->data[size] = '\0';
    return hex_decode((const char *)data->data, bytes, KEY_SIZE);
}

static int read_key(const char *folder, const char *name, struct caller_key *key)
{
    char path[512];
    struct buf data;
    snprintf(path, sizeof(path), "%s/%s.key", folder, name);
    buf_init(&data, 0);
    int r = file_read(path, 4096, &data);
    /* Text: 64 hexadecimal digits, perhaps with a line end. */
    size_t size = strcspn(buf_text(&data), "\r\n");
    if (r == 0 &&
        (size != 2 * KEY_SIZE || data.size > size + 2 || !hex_decode_line(&data, size, key->bytes)))
        r = err_set(ERR_INVALID_ARGUMENT, "key %s is not %d hexadecimal digits", name,
                    2 * KEY_SIZE);
    if (r == 0)
        snprintf(key->name, sizeof(key->name), "%s", name);
    if (data.data)
        OPENSSL_cleanse(data.data, data.size);
    buf_clear(&data);
    return r;
}

int caller_keys_open(const struct service *service)
{
    const struct conf *conf = service_conf(service);
    char list[512];
    snprintf(list, sizeof(list), "%s", conf_text(conf, "caller-keys"));
    char *rest = list, *name;
    key_count = 0;
    if (!aes_256_gcm)
        aes_256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    if (!aes_256_gcm)
        return err_set(ERR_INTERNAL, "libcrypto has no AES-256-GCM");
    while ((name = strsep(&rest, ","))) {
        if (key_count == KEYS_MAX)
            return err_set(ERR_INVALID_ARGUMENT, "caller-keys names more than %d keys", KEYS_MAX);
        int r = read_key(conf_text(conf, "keys-dir"), name, &keys[key_count]);
        if (r < 0)
            return err_wrap(r, "open the caller key %s", name);
        key_count++;
    }
    return key_count > 0 ? 0 : err_set(ERR_INVALID_ARGUMENT, "caller-keys names no key");
}

int caller_seal(struct arena *arena, const char *complaint_id, const Caller *caller,
                struct complaint_row *row)
{
    row->caller_key = NULL;
    row->caller_sealed = NULL;
    row->confidential = caller && caller->confidential;
    row->wants_reply = caller && caller->wants_reply;
    if (!caller || (!*caller->name && !*caller->phone))
        return 0;

    Caller *identity = wire_new(arena, &caller_rules);
    identity->name = caller->name;
    identity->phone = caller->phone;
    uint8_t *plain;
    size_t size;
    wire_pack(arena, &identity->base, &plain, &size);

    uint8_t *sealed = arena_alloc(arena, NONCE_SIZE + size + TAG_SIZE);
    rand_bytes(sealed, NONCE_SIZE);
    EVP_CIPHER_CTX *gcm = EVP_CIPHER_CTX_new();
    int length;
    assert_always(
        gcm && EVP_EncryptInit_ex(gcm, aes_256_gcm, NULL, keys[0].bytes, sealed) == 1 &&
        EVP_EncryptUpdate(gcm, NULL, &length, (const uint8_t *)complaint_id,
                          (int)strlen(complaint_id)) == 1 &&
        EVP_EncryptUpdate(gcm, sealed + NONCE_SIZE, &length, plain, (int)size) == 1 &&
        EVP_EncryptFinal_ex(gcm, sealed + NONCE_SIZE + length, &length) == 1 &&
        EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_GCM_GET_TAG, TAG_SIZE, sealed + NONCE_SIZE + size) == 1);
    EVP_CIPHER_CTX_free(gcm);
    OPENSSL_cleanse(plain, size);
    row->caller_sealed = sealed;
    row->caller_sealed_size = NONCE_SIZE + size + TAG_SIZE;
    row->caller_key = keys[0].name;
    return 0;
}

static const struct caller_key *find_key(const char *name)
{
    for (int i = 0; i < key_count; i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

static bool gcm_open(const struct caller_key *key, const struct complaint_row *row, uint8_t *plain)
{
    size_t size = row->caller_sealed_size - NONCE_SIZE - TAG_SIZE;
    const uint8_t *sealed = row->caller_sealed;
    EVP_CIPHER_CTX *gcm = EVP_CIPHER_CTX_new();
    int length;
    bool ok = gcm && EVP_DecryptInit_ex(gcm, aes_256_gcm, NULL, key->bytes, sealed) == 1 &&
              EVP_DecryptUpdate(gcm, NULL, &length, (const uint8_t *)row->id,
                                (int)strlen(row->id)) == 1 &&
              EVP_DecryptUpdate(gcm, plain, &length, sealed + NONCE_SIZE, (int)size) == 1 &&
              EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_GCM_SET_TAG, TAG_SIZE,
                                  (void *)(uintptr_t)(sealed + NONCE_SIZE + size)) == 1 &&
              EVP_DecryptFinal_ex(gcm, plain + length, &length) == 1;
    EVP_CIPHER_CTX_free(gcm);
    return ok;
}

int caller_open(struct arena *arena, const struct complaint_row *row, Caller *out)
{
    out->confidential = row->confidential;
    out->wants_reply = row->wants_reply;
    if (!row->caller_sealed)
        return 0;
    const struct caller_key *key = find_key(row->caller_key);
    if (!key)
        return err_set(ERR_INTERNAL, "the caller of %s is sealed with key %s, which is not here",
                       row->id, row->caller_key);
    if (row->caller_sealed_size < NONCE_SIZE + TAG_SIZE)
        return err_set(ERR_INTERNAL, "the caller of %s is cut short", row->id);

    size_t size = row->caller_sealed_size - NONCE_SIZE - TAG_SIZE;
    uint8_t *plain = arena_alloc(arena, size + 1);
    ProtobufCMessage *message;
    struct wire_fault fault;
    if (!gcm_open(key, row, plain) ||
        wire_unpack(&caller_rules, arena, plain, size, &message, &fault) < 0)
        return err_set(ERR_INTERNAL, "the caller of %s does not open", row->id);
    out->name = ((Caller *)(void *)message)->name;
    out->phone = ((Caller *)(void *)message)->phone;
    return 0;
}

/* First character kept: 张*. */
static char *mask_name(struct arena *arena, const char *name)
{
    if (!*name)
        return arena_strdup(arena, "");
    size_t first = 1;
    while (((unsigned char)name[first] & 0xc0) == 0x80)
        first++;
    return arena_printf(arena, "%.*s*", (int)first, name);
}

static bool is_ascii(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] >= 0x80)
            return false;
    return true;
}

/* First three and last four digits kept: 138****1234. What is shorter, or would be cut within a
 * character (0531-88812345转801), is hidden whole. */
static char *mask_phone(struct arena *arena, const char *phone)
{
    size_t length = strlen(phone);
    if (length < 11 || !is_ascii(phone, 3) || !is_ascii(phone + length - 4, 4))
        return arena_strdup(arena, length ? "****" : "");
    return arena_printf(arena, "%.3s****%s", phone, phone + length - 4);
}

void caller_mask(struct arena *arena, const struct complaint_row *row,
                 const struct principal *reader, const struct snapshot *reference, Caller *caller)
{
    bool centre = (reader->roles & ROLE_BIT_HOTLINE) && principal_owns_source(reader, row->source);
    const struct unit *unit = rules_handling_unit(reference, row);
    bool handles = (reader->roles & ROLE_BIT_UNIT) && unit && principal_acts_for(reader, unit);
    if (centre || (handles && !row->confidential))
        return;
    if (row->confidential) {
        caller->name = arena_strdup(arena, *caller->name ? "*" : "");
        caller->phone = arena_strdup(arena, *caller->phone ? "****" : "");
        return;
    }
    caller->name = mask_name(arena, caller->name);
    caller->phone = mask_phone(arena, caller->phone);
}

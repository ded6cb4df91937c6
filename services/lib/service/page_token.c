/* Page tokens: where a list goes on, sealed so that a caller can neither make one nor use
 * another's.
 *
 * A token is base64url of 16 bytes of HMAC-SHA-256 and the last key. The HMAC is over the
 * principal, the method, the digest of the request without its page fields, and the key: another
 * principal, another list or another filter is a forgery. A second key, where there is one, opens
 * and never seals: so one takes the place of another with no token refused. */
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/file.h"
#include "base/rand.h"
#include "base/sha.h"
#include "base/util.h"
#include "service/replica.h"

#define MAC_SIZE     16
#define LAST_KEY_MAX 320 /* so that a token has at most 512 characters */
#define TOKEN_MAX    512
#define KEY_CHARS    (2 * SHA256_SIZE)

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* ERR_NOT_FOUND where there is no such file. */
static int key_read(const struct service *s, const char *name, uint8_t out[SHA256_SIZE])
{
    CLEANUP(buf_clear) struct buf path, text;
    buf_init(&path, 0);
    buf_init(&text, 0);
    buf_printf(&path, "%s/%s", s->settings.keys_dir, name);
    int r = file_read(buf_text(&path), KEY_CHARS + 2, &text);
    if (r < 0)
        return r;
    char *end = text.data ? strchr((char *)text.data, '\n') : NULL;
    if (end)
        *end = '\0';
    if (!hex_decode(buf_text(&text), out, SHA256_SIZE))
        return err_set(ERR_INVALID_ARGUMENT, "%s is not %d hexadecimal digits", buf_text(&path),
                       KEY_CHARS);
    return 0;
}

int page_key_load(struct service *s)
{
    s->page_key_count = 1;
    if (!s->settings.keys_dir[0]) {
        rand_bytes(s->page_keys[0], sizeof(s->page_keys[0]));
        log_line(LOG_WARN, "PAGE-KEY-OF-THIS-PROCESS");
        return 0;
    }
    int r = key_read(s, "page.key", s->page_keys[0]);
    if (r < 0)
        return err_wrap(r, "page key");
    r = key_read(s, "page-other.key", s->page_keys[1]);
    if (r == 0)
        s->page_key_count = 2;
    return r == ERR_NOT_FOUND ? 0 : r;
}

static char *base64_encode(struct arena *arena, const uint8_t *data, size_t size)
{
    char *text = arena_alloc(arena, size * 4 / 3 + 4);
    char *out = text;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t v = (uint32_t)data[i] << 16 | (left > 1 ? (uint32_t)data[i + 1] << 8 : 0) |
                     (left > 2 ? data[i + 2] : 0);
        for (size_t k = 0; k < 4 && k <= left; k++)
            *out++ = digits[v >> (18 - 6 * k) & 63];
    }
    return text;
}

/* The size, or 0 where the text is not one. Bits that are left over must be 0: one token has one
 * text. */
static size_t base64_decode(const char *text, uint8_t *out, size_t size_max)
{
    size_t size = 0;
    uint32_t v = 0;
    unsigned bits = 0;
    for (; *text; text++) {
        const char *digit = strchr(digits, *text);
        if (!digit)
            return 0;
        v = v << 6 | (uint32_t)(digit - digits);
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        if (size == size_max)
            return 0;
        out[size++] = (uint8_t)(v >> bits);
        v &= (1u << bits) - 1;
    }
    return bits < 6 && v == 0 ? size : 0;
}

/* The request without what differs from page to page. */
static void filter_digest(struct request *rq, const ProtobufCMessage *message, uint8_t out[32])
{
    const ProtobufCMessageDescriptor *d = message->descriptor;
    ProtobufCMessage *copy = arena_memdup(rq->arena, message, d->sizeof_message);
    for (unsigned i = 0; i < d->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &d->fields[i];
        if (strcmp(f->name, "page_token") == 0)
            *(const char **)((char *)copy + f->offset) = "";
        else if (strcmp(f->name, "page_size") == 0 && (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
            *(uint32_t *)((char *)copy + f->quantifier_offset) = 0;
        else if (strcmp(f->name, "page_size") == 0)
            *(uint32_t *)((char *)copy + f->offset) = 0;
    }
    wire_digest(rq->method->name, copy, out);
}

static void token_mac(struct request *rq, const uint8_t page_key[SHA256_SIZE],
                      const ProtobufCMessage *message, const char *last_key,
                      uint8_t out[SHA256_SIZE])
{
    uint8_t filter[SHA256_SIZE];
    filter_digest(rq, message, filter);
    struct buf text;
    buf_init(&text, 0);
    buf_printf(&text, "%s\n%s\n", rq->actor->id, rq->method->name);
    buf_add(&text, filter, sizeof(filter));
    buf_add_text(&text, last_key);
    hmac_sha256(page_key, SHA256_SIZE, text.data, text.size, out);
    buf_clear(&text);
}

const char *page_token_seal(struct request *rq, const void *request_message, const char *last_key)
{
    size_t length = strlen(last_key);
    assert_always(length > 0 && length <= LAST_KEY_MAX);
    uint8_t mac[SHA256_SIZE];
    token_mac(rq, rq->service->page_keys[0], request_message, last_key, mac);
    uint8_t *token = arena_alloc(rq->arena, MAC_SIZE + length);
    memcpy(token, mac, MAC_SIZE);
    memcpy(token + MAC_SIZE, last_key, length);
    return base64_encode(rq->arena, token, MAC_SIZE + length);
}

int page_token_open(struct request *rq, const void *request_message, const char *token,
                    const char **ret_last_key)
{
    if (!token[0]) {
        *ret_last_key = NULL;
        return 0;
    }
    uint8_t data[TOKEN_MAX];
    size_t size = base64_decode(token, data, sizeof(data));
    if (size > MAC_SIZE) {
        char *key = arena_strndup(rq->arena, (const char *)data + MAC_SIZE, size - MAC_SIZE);
        bool good = false;
        for (int i = 0; i < rq->service->page_key_count; i++) {
            uint8_t mac[SHA256_SIZE];
            token_mac(rq, rq->service->page_keys[i], request_message, key, mac);
            good |= secret_equal(mac, data, MAC_SIZE);
        }
        if (good && strlen(key) == size - MAC_SIZE) {
            *ret_last_key = key;
            return 0;
        }
    }
    return reject(rq, ERR_INVALID_ARGUMENT, "page_token_invalid", "page_token",
                  "the page token is not one of this list, filter and caller");
}

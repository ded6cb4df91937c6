/* Small needs: clocks, randomness, keys, texts, packing. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "inside.h"

static int64_t clock_ms(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t now_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

int64_t deadline_ms(int timeout_ms)
{
    return timeout_ms < 0 ? INT64_MAX : now_ms() + timeout_ms;
}

int random_bytes(void *out, size_t size)
{
    return getrandom(out, size, 0) == (ssize_t)size ? 0 : -1; /* up to 256 bytes come whole */
}

/* RFC 9562, 5.7. */
int key_make(char key[KEY_SIZE])
{
    uint8_t b[16];
    if (random_bytes(b, sizeof(b)) < 0)
        return -1;
    uint64_t ms = (uint64_t)clock_ms(CLOCK_REALTIME);
    for (int i = 0; i < 6; i++)
        b[i] = (uint8_t)(ms >> (8 * (5 - i)));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x70);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    char *at = key;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = "0123456789abcdef"[b[i] >> 4];
        *at++ = "0123456789abcdef"[b[i] & 15];
    }
    *at = 0;
    return 0;
}

bool key_is_good(const char *key)
{
    size_t size = strnlen(key, KEY_SIZE);
    for (size_t i = 0; i < size; i++)
        if (key[i] <= ' ' || key[i] > '~')
            return false;
    return size > 0 && size < KEY_SIZE;
}

char *text_copy(const char *text)
{
    return strdup(text ? text : "");
}

char *text_borrowed(const char *text)
{
    return (char *)(uintptr_t)(text ? text : "");
}

void *message_pack(const ProtobufCMessage *message, size_t *ret_size)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *data = malloc(size ? size : 1);
    if (data)
        *ret_size = protobuf_c_message_pack(message, data);
    return data;
}

/* Whatever text comes, reading ends with a verdict; what was read and obeys the rules is written
 * and read again as the same message and written as the same text. */
#include <string.h>

#include "base/err.h"
#include "fuzz.h"
#include "json/json.h"

#define ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)

static void write_and_read(const struct message_rules *rules, struct arena *arena,
                           const ProtobufCMessage *message)
{
    struct wire_fault fault = { 0 };
    struct buf json = { 0 }, once_more = { 0 };
    ProtobufCMessage *back;
    uint8_t *a, *b;
    size_t a_size, b_size;
    json_from_message(rules, message, &json);
    /* Escapes make text longer: what was read may be too long when written. */
    if (json.size <= JSON_BYTES_MAX) {
        assert_always(json_to_message(rules, arena, buf_text(&json), json.size, &back, &fault) ==
                      0);
        wire_pack(arena, message, &a, &a_size);
        wire_pack(arena, back, &b, &b_size);
        assert_always(a_size == b_size && memcmp(a, b, a_size) == 0);
        json_from_message(rules, back, &once_more);
        assert_always(strcmp(buf_text(&json), buf_text(&once_more)) == 0);
    }
    buf_clear(&json);
    buf_clear(&once_more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct message_rules *rules = fuzz_rules(&data, &size);
    struct wire_fault fault = { 0 };
    struct arena arena;
    ProtobufCMessage *message;
    arena_init(&arena, ARENA_BYTES_MAX);
    if (json_to_message(rules, &arena, (const char *)data, size, &message, &fault) < 0)
        assert_always(fault.reason);
    else if (wire_check(rules, message, &fault) == 0)
        write_and_read(rules, &arena, message);
    arena_clear(&arena);
    return 0;
}

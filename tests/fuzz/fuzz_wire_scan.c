/* Whatever bytes come, the scan ends with a verdict; what it lets pass unpacks, is let pass by the
 * check, and comes out of packing as something that the scan lets pass again. */
#include "base/err.h"
#include "fuzz.h"
#include "wire/wire.h"

#define ARENA_BYTES_MAX ((size_t)256 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct message_rules *rules = fuzz_rules(&data, &size);
    struct wire_fault fault = { 0 };
    if (wire_scan(rules, data, size, &fault) < 0) {
        assert_always(fault.reason);
        return 0;
    }
    struct arena arena;
    ProtobufCMessage *message;
    uint8_t *again, digest[32];
    size_t again_size;
    arena_init(&arena, ARENA_BYTES_MAX);
    assert_always(wire_unpack(rules, &arena, data, size, &message, &fault) == 0);
    assert_always(wire_check(rules, message, &fault) == 0);
    wire_pack(&arena, message, &again, &again_size);
    assert_always(wire_scan(rules, again, again_size, &fault) == 0);
    wire_digest("fuzz", message, digest);
    arena_clear(&arena);
    return 0;
}

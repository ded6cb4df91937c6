/* What a peer may send as the head of an answer or as a feed's frame: reading ends with a verdict,
 * and the skim of a frame that obeys the contract counts the events and finds the `through` that
 * unpacking does. */
#include <string.h>

#include "base/err.h"
#include "bus/envelope.h"
#include "fuzz.h"
#include "lujian/bus/v1/log.lj.h"
#include "wire/wire.h"

#define ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)

static void check_frame(struct arena *arena, const uint8_t *data, size_t size)
{
    uint32_t events;
    const char *through;
    size_t through_size;
    struct wire_fault fault;
    ProtobufCMessage *message;
    bool skimmed = envelope_frame_skim(data, size, &events, &through, &through_size) == 0;
    if (wire_unpack(&follow_response_rules, arena, data, size, &message, &fault) < 0)
        return;
    const FollowResponse *frame = (const FollowResponse *)(void *)message;
    assert_always(skimmed && events == frame->n_events);
    assert_always(strlen(frame->through) == through_size);
    assert_always(memcmp(frame->through, through, through_size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct envelope_answer answer = { 0 };
    arena_init(&arena, ARENA_BYTES_MAX);
    if (envelope_answer_read(&arena, data, size, &answer) == 0)
        assert_always(answer.code == 0 || err_info(answer.code)->code == answer.code);
    check_frame(&arena, data, size);
    arena_clear(&arena);
    return 0;
}

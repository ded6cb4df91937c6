/* Heads packed and read; frames skimmed. */
#include "bus/envelope.h"

#include <string.h>

#include "base/err.h"
#include "lujian/bus/v1/envelope.lj.h"
#include "wire/wire.h"

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_LENGTH = 2, WIRE_FIXED32 = 5 };
enum { FRAME_EVENTS = 1, FRAME_THROUGH = 2 }; /* fields of FollowResponse */

/* The generated structures hold char *, and packing only reads. */
static char *text_or_empty(const char *text)
{
    return (char *)(uintptr_t)(text ? text : "");
}

void envelope_request_pack(struct arena *arena, const struct envelope_request *request,
                           uint8_t **ret_data, size_t *ret_size)
{
    RequestHead head = REQUEST_HEAD_INIT;
    head.id = request->id;
    head.method = text_or_empty(request->method);
    head.key = text_or_empty(request->key);
    head.on_behalf = text_or_empty(request->on_behalf);
    head.traceparent = text_or_empty(request->traceparent);
    head.if_version = request->if_version;
    head.budget_ms = request->budget_ms;
    wire_pack(arena, &head.base, ret_data, ret_size);
}

int envelope_answer_read(struct arena *arena, const uint8_t *data, size_t size,
                         struct envelope_answer *ret)
{
    ProtobufCMessage *message;
    struct wire_fault fault;
    int r = wire_unpack(&response_head_rules, arena, data, size, &message, &fault);
    if (r < 0)
        return r;
    const ResponseHead *head = (const ResponseHead *)(void *)message;
    *ret = (struct envelope_answer){ .id = head->id };
    if (head->problem) {
        int error = (int)head->problem->error;
        ret->code = error > 0 ? err_info(-error)->code : ERR_INTERNAL;
        ret->retry_after_ms = head->problem->retry_after_ms;
        ret->draining =
            ret->code == ERR_NOT_EXECUTED && strcmp(head->problem->code, "draining") == 0;
    }
    return 0;
}

struct skim {
    const uint8_t *at, *end;
};

static bool skim_varint(struct skim *s, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && s->at < s->end; shift += 7) {
        uint8_t byte = *s->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            *ret = value;
            return true;
        }
    }
    return false;
}

/* Passes over one field's value; of a length-delimited one tells where it lies. */
static bool skim_value(struct skim *s, unsigned type, const uint8_t **ret_data, size_t *ret_size)
{
    uint64_t size;
    *ret_data = NULL;
    *ret_size = 0;
    switch (type) {
    case WIRE_VARINT:
        return skim_varint(s, &size);
    case WIRE_FIXED64:
        size = 8;
        break;
    case WIRE_FIXED32:
        size = 4;
        break;
    case WIRE_LENGTH:
        if (!skim_varint(s, &size))
            return false;
        break;
    default:
        return false;
    }
    if (size > (uint64_t)(s->end - s->at))
        return false;
    *ret_data = s->at;
    *ret_size = (size_t)size;
    s->at += size;
    return true;
}

int envelope_frame_skim(const uint8_t *data, size_t size, uint32_t *ret_events,
                        const char **ret_through, size_t *ret_through_size)
{
    struct skim s = { data, data + size };
    uint32_t events = 0;
    const char *through = "";
    size_t through_size = 0;
    while (s.at < s.end) {
        uint64_t tag;
        const uint8_t *value;
        size_t value_size;
        if (!skim_varint(&s, &tag) || !skim_value(&s, (unsigned)(tag & 7), &value, &value_size))
            return err_set(ERR_INVALID_ARGUMENT, "malformed frame of a feed");
        if (tag == (FRAME_EVENTS << 3 | WIRE_LENGTH))
            events++;
        if (tag == (FRAME_THROUGH << 3 | WIRE_LENGTH)) {
            through = (const char *)value;
            through_size = value_size;
        }
    }
    *ret_events = events;
    *ret_through = through;
    *ret_through_size = through_size;
    return 0;
}

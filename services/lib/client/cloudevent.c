/* CloudEvents 1.0 JSON. `source` names the service, never an instance: a replica's re-send must be
 * the same event. */
#include "client/cloudevent.h"

#include "base/time.h"
#include "lujian/contract.lj.h"
#include "json/json.h"

static void add_member(struct buf *out, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    buf_printf(out, ",\"%s\":", name);
    json_add_string(out, value);
}

void cloudevent_json(struct arena *arena, struct buf *out, const char *stream, const Event *event)
{
    char time_text[TIME_TEXT_SIZE];
    instant_format(event->time, time_text);
    buf_printf(out, "{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":\"/37/%s\"", event->id,
               stream);
    add_member(out, "type", event->type);
    add_member(out, "subject", event->subject);
    add_member(out, "time", time_text);
    buf_printf(out, ",\"position\":\"%lld\"", (long long)event->position);
    add_member(out, "partitionkey", event->subject);
    add_member(out, "correlationid", event->correlation);
    add_member(out, "traceparent", event->traceparent);
    buf_add_text(out, ",\"datacontenttype\":\"application/json\",\"data\":");

    const struct event_info *info = contract_event(event->type);
    ProtobufCMessage *data;
    struct wire_fault fault;
    if (info &&
        wire_unpack(info->data, arena, event->data.data, event->data.len, &data, &fault) == 0) {
        json_from_message(info->data, data, out);
    } else {
        buf_add_text(out, "{\"division\":");
        json_add_string(out, event->division);
        buf_add_char(out, '}');
    }
    buf_add_char(out, '}');
}

/* A complaint as the header has it, and as the contract has it. */
#include <string.h>

#include "inside.h"

_Static_assert((int)LUJIAN_CHANNEL_MEDIA == (int)CHANNEL_MEDIA &&
                   (int)LUJIAN_CHANNEL_PHONE == (int)CHANNEL_PHONE &&
                   (int)LUJIAN_TYPE_OTHER == (int)COMPLAINT_TYPE_OTHER &&
                   (int)LUJIAN_TYPE_COMPLAINT == (int)COMPLAINT_TYPE_COMPLAINT &&
                   (int)LUJIAN_URGENCY_CRITICAL == (int)URGENCY_CRITICAL,
               "the header's numbers are the contract's");

enum lujian_error complaint_pack(const struct lujian_complaint *c, void **ret_body,
                                 size_t *ret_size, struct problem *why)
{
    if (!c || c->size < sizeof(*c))
        return problem_set(why, LUJIAN_INVALID_ARGUMENT, "options",
                           "a complaint does not begin with LUJIAN_COMPLAINT_INIT");
    Caller caller = CALLER_INIT;
    caller.name = text_borrowed(c->caller_name);
    caller.phone = text_borrowed(c->caller_phone);
    caller.confidential = c->caller_confidential;
    caller.wants_reply = c->caller_wants_reply;
    FileRequest request = FILE_REQUEST_INIT;
    request.source = text_borrowed(c->source);
    request.external_id = text_borrowed(c->external_id);
    request.channel = (Channel)c->channel;
    request.type = (ComplaintType)c->type;
    request.received_at = c->received_at_ms;
    request.category = text_borrowed(c->category);
    request.title = text_borrowed(c->title);
    request.text = text_borrowed(c->text);
    request.division = text_borrowed(c->division);
    request.place = text_borrowed(c->place);
    request.urgency = (Urgency)c->urgency;
    request.about_enforcement = c->about_enforcement;
    bool has_caller = *caller.name || *caller.phone || caller.confidential || caller.wants_reply;
    request.caller = has_caller ? &caller : NULL;
    *ret_body = message_pack(&request.base, ret_size);
    if (!*ret_body)
        return problem_set(why, LUJIAN_NO_MEMORY, "no_memory", "no memory");
    return LUJIAN_OK;
}

void complaint_view(const Complaint *complaint, struct lujian_result *view)
{
    view->id = complaint->id;
    view->order_no = complaint->order_no;
    view->division = complaint->division;
    view->unit = complaint->unit;
    view->state = (int)complaint->state;
    view->filed_at_ms = complaint->filed_at;
    for (size_t i = 0; i < complaint->n_clocks; i++)
        if (complaint->clocks[i]->kind == CLOCK_KIND_REPLY)
            view->reply_due_at_ms = complaint->clocks[i]->due_at;
}

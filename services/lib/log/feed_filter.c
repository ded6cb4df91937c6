/* Who gets what: types, division, authority, and the rule of moved_out. */
#include <string.h>

#include "base/err.h"
#include "log/feed_inside.h"

#define PROVINCE_DIGITS 2

/* What is the whole province's ("") is seen by whoever asks for the province. */
static bool division_matches(const char *const *prefixes, const char *division)
{
    if (!prefixes)
        return true;
    for (; *prefixes; prefixes++) {
        size_t length = strlen(*prefixes);
        if (strncmp(division, *prefixes, length) == 0 ||
            (!division[0] && length <= PROVINCE_DIGITS))
            return true;
    }
    return false;
}

static bool type_matches(const struct feed_filter *filter, const char *type)
{
    for (size_t i = 0; i < filter->type_count; i++)
        if (strcmp(filter->types[i], type) == 0)
            return true;
    return filter->type_count == 0;
}

static bool sees(const struct feed_filter *filter, const struct log_record *record)
{
    return type_matches(filter, record->type) &&
           division_matches(filter->view->divisions, record->division) &&
           filter->authority->may_see(filter->authority->ctx, filter->view, record);
}

bool feed_is_moved_out(const struct log_record *record)
{
    const char *verb = strchr(record->type, '.');
    return verb && strncmp(verb, ".moved_out.", 11) == 0;
}

bool feed_gets(const struct feed_filter *filter, const struct log_record *record,
               const struct log_record *previous)
{
    if (!sees(filter, record))
        return false;
    if (!feed_is_moved_out(record) || !previous)
        return true;
    return strcmp(previous->subject, record->subject) != 0 || !sees(filter, previous);
}

/* The generated structure holds char *, and packing only reads. */
static char *readable(const char *text)
{
    return (char *)(uintptr_t)text;
}

void feed_event_fill(Event *event, const struct log_record *record)
{
    event->position = record->position;
    event->id = readable(record->id);
    event->type = readable(record->type);
    event->subject = readable(record->subject);
    event->division = readable(record->division);
    event->audience = readable(record->audience);
    event->time = record->time_ms;
    event->traceparent = readable(record->traceparent);
    event->correlation = readable(record->correlation);
    event->data.data = (uint8_t *)(uintptr_t)record->data;
    event->data.len = record->size;
}

int feed_cursor_read(const char *text, const char *stream, struct log_cursor *ret)
{
    *ret = (struct log_cursor){ 0 };
    if (text[0]) {
        int r = log_cursor_parse(text, ret);
        if (r < 0)
            return r;
        if (strcmp(ret->stream, stream) != 0)
            return err_set_reason(ERR_INVALID_ARGUMENT, "other_stream",
                                  "the cursor is of the stream %s, not of %s", ret->stream, stream);
        if (ret->epoch == 0)
            return err_set_reason(ERR_CURSOR_MISMATCH, "cursor_mismatch",
                                  "the cursor is of another epoch");
    }
    assert_always(strlen(stream) < sizeof(ret->stream));
    strcpy(ret->stream, stream);
    return 0;
}

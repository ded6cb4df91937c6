/* What the source has delivered and the engine has not taken yet: bounded by the credit that was
 * granted. */
#include <stdlib.h>
#include <string.h>

#include "log/consumer_inside.h"

static void frame_free(struct consumer_frame *frame)
{
    arena_clear(&frame->arena);
    free(frame);
}

static void frames_free(struct consumer_frame *frame)
{
    for (struct consumer_frame *next; frame; frame = next) {
        next = frame->next;
        frame_free(frame);
    }
}

static void record_copy(struct arena *arena, const struct log_record *from, struct log_record *to)
{
    *to = *from;
    to->id = arena_strdup(arena, from->id);
    to->type = arena_strdup(arena, from->type);
    to->subject = arena_strdup(arena, from->subject);
    to->division = arena_strdup(arena, from->division);
    to->audience = arena_strdup(arena, from->audience);
    to->correlation = arena_strdup(arena, from->correlation);
    to->traceparent = arena_strdup(arena, from->traceparent);
    to->data = arena_memdup(arena, from->data, from->size);
}

void consumer_deliver(struct consumer_engine *e, uint64_t generation,
                      const struct log_record *records, int count, const char *through)
{
    struct consumer_frame *frame = calloc(1, sizeof(*frame));
    assert_always(frame);
    arena_init(&frame->arena, 0);
    frame->count = count;
    frame->records = arena_array(&frame->arena, struct log_record, count);
    for (int i = 0; i < count; i++)
        record_copy(&frame->arena, &records[i], &frame->records[i]);
    bool understood = log_cursor_parse(through, &frame->through) >= 0 &&
                      !strcmp(frame->through.stream, e->options.stream);

    pthread_mutex_lock(&e->lock);
    bool wanted = generation == e->generation && !e->ended;
    if (wanted && understood) {
        if (e->last_frame)
            e->last_frame->next = frame;
        else
            e->first_frame = frame;
        e->last_frame = frame;
    } else if (wanted) {
        e->ended = ERR_INVALID_ARGUMENT;
    }
    pthread_cond_signal(&e->changed);
    pthread_mutex_unlock(&e->lock);
    if (!wanted || !understood)
        frame_free(frame);
}

void consumer_ended(struct consumer_engine *e, uint64_t generation, int code)
{
    pthread_mutex_lock(&e->lock);
    if (generation == e->generation && !e->ended)
        e->ended = code < 0 ? code : ERR_INTERNAL;
    pthread_cond_signal(&e->changed);
    pthread_mutex_unlock(&e->lock);
}

void consumer_inbox_clear(struct consumer_engine *e)
{
    pthread_mutex_lock(&e->lock);
    struct consumer_frame *frames = e->first_frame;
    e->first_frame = e->last_frame = NULL;
    e->ended = 0;
    pthread_mutex_unlock(&e->lock);
    frames_free(frames);
}

void consumer_batch_clear(struct consumer_batch *batch)
{
    frames_free(batch->spent);
    batch->spent = NULL;
    batch->count = batch->next = batch->credit = 0;
    batch->through = (struct log_cursor){ 0 };
    batch->in_hand = false;
}

void consumer_inbox_take(struct consumer_engine *e, struct consumer_batch *batch)
{
    size_t bytes = 0;
    pthread_mutex_lock(&e->lock);
    while (e->first_frame) {
        struct consumer_frame *frame = e->first_frame;
        batch->in_hand = true;
        while (frame->taken < frame->count && batch->count < CONSUMER_BATCH_EVENTS_MAX &&
               bytes < CONSUMER_BATCH_BYTES_MAX) {
            bytes += frame->records[frame->taken].size;
            batch->records[batch->count++] = frame->records[frame->taken++];
        }
        batch->through = frame->through;
        if (frame->taken < frame->count) {
            batch->through.position = 0; /* no further than its records */
            break;
        }
        batch->credit += frame->count;
        e->first_frame = frame->next;
        if (!e->first_frame)
            e->last_frame = NULL;
        frame->next = batch->spent;
        batch->spent = frame;
    }
    pthread_mutex_unlock(&e->lock);
}

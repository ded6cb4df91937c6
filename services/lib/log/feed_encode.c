/* Events encoded once: pieces of a FollowResponse, which put side by side are one. */
#include <string.h>

#include "base/err.h"
#include "log/feed_inside.h"

#define FIELD_EVENTS_TAG 0x0a /* field 1, length-delimited */
#define VARINT_MAX       10

void feed_encoder_init(struct feed_encoder *e)
{
    *e = (struct feed_encoder){ 0 };
}

static void pieces_drop(struct feed_pieces *p)
{
    tail_batch_unref(p->batch);
    arena_clear(&p->arena);
    *p = (struct feed_pieces){ 0 };
}

void feed_encoder_clear(struct feed_encoder *e)
{
    for (int i = 0; i < FEED_PIECES_KEPT; i++)
        if (e->kept[i].batch)
            pieces_drop(&e->kept[i]);
}

static struct feed_pieces *pieces_of(struct feed_encoder *e, struct tail_batch *batch)
{
    struct feed_pieces *oldest = &e->kept[0];
    for (int i = 0; i < FEED_PIECES_KEPT; i++) {
        if (e->kept[i].batch == batch)
            return &e->kept[i];
        if (e->kept[i].used < oldest->used)
            oldest = &e->kept[i];
    }
    if (oldest->batch)
        pieces_drop(oldest);
    oldest->batch = tail_batch_ref(batch);
    arena_init(&oldest->arena, 0);
    oldest->pieces = arena_array(&oldest->arena, struct feed_piece, batch->count);
    return oldest;
}

static size_t varint_write(uint8_t out[VARINT_MAX], uint64_t value)
{
    size_t size = 0;
    while (value >= 0x80) {
        out[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[size++] = (uint8_t)value;
    return size;
}

static void piece_make(struct feed_pieces *p, int index)
{
    Event event = EVENT_INIT;
    feed_event_fill(&event, &p->batch->records[index]);
    size_t size = protobuf_c_message_get_packed_size(&event.base);
    uint8_t length[VARINT_MAX];
    size_t length_size = varint_write(length, size);
    uint8_t *data = arena_alloc(&p->arena, 1 + length_size + size);
    data[0] = FIELD_EVENTS_TAG;
    memcpy(data + 1, length, length_size);
    assert_always(protobuf_c_message_pack(&event.base, data + 1 + length_size) == size);
    p->pieces[index] = (struct feed_piece){ data, 1 + length_size + size };
}

const struct feed_piece *feed_encode(struct feed_encoder *e, struct tail_batch *batch, int index)
{
    struct feed_pieces *p = pieces_of(e, batch);
    p->used = ++e->clock;
    if (!p->pieces[index].data)
        piece_make(p, index);
    return &p->pieces[index];
}

void feed_through_add(struct buf *body, const struct log_cursor *cursor)
{
    char text[LOG_CURSOR_TEXT_SIZE];
    uint8_t packed[LOG_CURSOR_TEXT_SIZE + 8];
    log_cursor_format(cursor, text);
    FollowResponse frame = FOLLOW_RESPONSE_INIT;
    frame.through = text;
    assert_always(protobuf_c_message_get_packed_size(&frame.base) <= sizeof(packed));
    buf_add(body, packed, protobuf_c_message_pack(&frame.base, packed));
}

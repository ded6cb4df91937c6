/* What goes out to a feed's reader: frames, `through`, and the end. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "log/feed_inside.h"
#include "lujian/bus/v1/envelope.lj.h"

#define SLOW_RETRY_MS 100 /* a peer whose queue is full is tried again */

static int feed_look(struct feed *feed, struct feed_view *ret)
{
    const struct feed_authority *a = &feed->feeds->options.authority;
    int r = a->look(a->ctx, feed->to.user, feed->on_behalf, feed->division, ret);
    if (r < 0) {
        feed->feeds->figures.revoked++;
        feed_end(feed, r);
    }
    return r;
}

static void feed_leave(struct feed *feed, struct feed_view *view)
{
    const struct feed_authority *a = &feed->feeds->options.authority;
    a->leave(a->ctx, view);
}

/* The head of every frame: the id alone. */
static int feed_send(struct feed *feed)
{
    struct feeds *fs = feed->feeds;
    uint8_t head[32];
    ResponseHead message = RESPONSE_HEAD_INIT;
    message.id = feed->key.id;
    size_t head_size = protobuf_c_message_pack(&message.base, head);
    int r =
        fs->options.send(fs->options.ctx, &feed->to, head, head_size, fs->body.data, fs->body.size);
    if (r == ERR_AGAIN) {
        fs->figures.slow++;
        feed->retry_ms = mono_ms() + SLOW_RETRY_MS;
        return r;
    }
    if (r < 0) {
        feed_close(feed);
        return r;
    }
    feed->sent_ms = mono_ms();
    fs->figures.frames++;
    return 0;
}

/* The frame under way. Nothing of it counts before it is sent. */
struct frame {
    int64_t position;
    uint32_t events, events_max;
    bool full;
};

static void frame_fill(struct feed *feed, struct frame *frame, struct tail_batch *batch,
                       const struct log_record *before, const struct feed_view *view)
{
    struct feeds *fs = feed->feeds;
    const struct feed_filter filter = { .types = feed->types,
                                        .type_count = feed->type_count,
                                        .authority = &fs->options.authority,
                                        .view = view };
    int64_t first = batch->records[0].position;
    for (int i = (int)MAX(feed->position + 1 - first, 0); i < batch->count; i++) {
        const struct log_record *record = &batch->records[i];
        const struct log_record *previous = i > 0 ? record - 1 : before;
        if (feed_gets(&filter, record, previous)) {
            if (frame->events == frame->events_max || fs->body.size >= FEED_FRAME_BYTES_MAX) {
                frame->full = true;
                return;
            }
            const struct feed_piece *piece = feed_encode(&fs->encoder, batch, i);
            buf_add(&fs->body, piece->data, piece->size);
            frame->events++;
        }
        frame->position = record->position;
    }
}

static void frame_through(struct feed *feed, int64_t position)
{
    struct log_cursor cursor = { .epoch = feed->epoch, .position = position };
    snprintf(cursor.stream, sizeof(cursor.stream), "%s", feed->feeds->options.stream);
    feed_through_add(&feed->feeds->body, &cursor);
}

enum feed_took feed_take(struct feed *feed, struct tail_batch *batch,
                         const struct log_record *before)
{
    struct feeds *fs = feed->feeds;
    struct frame frame = { .position = feed->position,
                           .events_max = MIN(feed->credit, FEED_FRAME_EVENTS_MAX) };
    struct feed_view view = { 0 };
    if (feed_look(feed, &view) < 0)
        return TOOK_END;
    buf_reset(&fs->body);
    frame_fill(feed, &frame, batch, before, &view);
    feed_leave(feed, &view);
    if (frame.events > 0) {
        frame_through(feed, frame.position);
        int r = feed_send(feed);
        if (r < 0)
            return r == ERR_AGAIN ? TOOK_NONE : TOOK_END;
        fs->figures.events += frame.events;
        feed->credit -= frame.events;
    }
    feed->position = frame.position;
    if (!frame.full)
        return TOOK_ALL;
    return feed->credit ? TOOK_SOME : TOOK_NONE;
}

bool feed_tell(struct feed *feed)
{
    struct feeds *fs = feed->feeds;
    struct feed_view view = { 0 };
    if (feed_look(feed, &view) < 0)
        return false;
    feed_leave(feed, &view);
    buf_reset(&fs->body);
    frame_through(feed, feed->position);
    int r = feed_send(feed);
    return r == 0 || r == ERR_AGAIN;
}

static const struct {
    int code;
    const char *zh;
} end_texts[] = {
    { ERR_PERMISSION_DENIED, "无权继续接收此事件流" },
    { ERR_UNAUTHENTICATED, "身份未获确认" },
    { ERR_CURSOR_MISMATCH, "游标与事件流不符" },
    { ERR_NOT_EXECUTED, "事件流已在本实例结束，请从游标处在其他实例继续" },
};

static const char *end_text_zh(int code)
{
    for (size_t i = 0; i < ARRAY_LEN(end_texts); i++)
        if (end_texts[i].code == code)
            return end_texts[i].zh;
    return "内部错误，请稍后重试";
}

void feed_end(struct feed *feed, int code)
{
    struct feeds *fs = feed->feeds;
    const struct err_detail *detail = err_last();
    /* What a database says is not the reader's business. */
    bool its_own = detail->code == code && code != ERR_INTERNAL && code != ERR_AGAIN;
    char reason[ERR_REASON_MAX], zh[256], en[ERR_TEXT_MAX];
    snprintf(reason, sizeof(reason), "%s",
             its_own && detail->reason[0] ? detail->reason : err_info(code)->name);
    snprintf(zh, sizeof(zh), "%s", end_text_zh(code));
    snprintf(en, sizeof(en), "%s", its_own ? detail->text : "an internal error: retry later");

    Problem problem = PROBLEM_INIT;
    problem.error = (ErrorCode) - (code == ERR_AGAIN ? ERR_INTERNAL : code);
    problem.code = reason;
    problem.detail_zh = zh;
    problem.detail_en = en;
    ResponseHead head = RESPONSE_HEAD_INIT;
    head.id = feed->key.id;
    head.problem = &problem;
    uint8_t *bytes;
    size_t size;
    arena_reset(&fs->arena);
    wire_pack(&fs->arena, &head.base, &bytes, &size);
    /* A slow peer misses the reason; the silence that follows tells it as much. */
    fs->options.send(fs->options.ctx, &feed->to, bytes, size, NULL, 0);
    feed_close(feed);
}

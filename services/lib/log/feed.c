/* Open feeds: what their readers ask for, and which there are. */
#include "log/feed.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "log/feed_inside.h"

#define CREDIT_MAX 10000

void feed_free(struct feed *feed)
{
    for (size_t i = 0; i < feed->type_count; i++)
        free(feed->types[i]);
    free(feed->types);
    free(feed->on_behalf);
    free(feed->division);
    free(feed);
}

void feed_close(struct feed *feed)
{
    struct feeds *fs = feed->feeds;
    if (feed->closed)
        return;
    feed->closed = true;
    feed_unlist(feed);
    map_remove_bytes(&fs->by_key, (const char *)&feed->key, sizeof(feed->key));
    if (feed->previous)
        feed->previous->next = feed->next;
    else
        fs->first = feed->next;
    if (feed->next)
        feed->next->previous = feed->previous;
    fs->figures.open--;
    if (!feed->reading) /* else its answer frees it */
        feed_free(feed);
}

void feeds_wake(struct feeds *fs)
{
    atomic_store(&fs->news, true);
    uv_async_send(&fs->async);
}

int feeds_open(struct feeds **ret, const struct feeds_options *options)
{
    struct feeds *fs = calloc(1, sizeof(*fs));
    assert_always(fs);
    fs->options = *options;
    atomic_init(&fs->news, false);
    assert_always(uv_async_init(loop_uv(options->loop), &fs->async, feeds_turn) == 0);
    fs->async.data = fs;
    feed_encoder_init(&fs->encoder);
    map_init(&fs->by_key);
    buf_init(&fs->body, 0);
    arena_init(&fs->arena, 0);
    int r = feed_reader_start(&fs->reader, options->pg, &fs->async);
    if (r < 0) {
        feeds_close(fs);
        return r;
    }
    fs->tick = loop_timer_new(options->loop, feeds_tick, fs);
    loop_timer_start(fs->tick, FEED_TICK_MS, FEED_TICK_MS);
    *ret = fs;
    return 0;
}

static void feeds_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void feeds_close(struct feeds *fs)
{
    if (!fs)
        return;
    loop_timer_free(fs->tick);
    while (fs->first)
        feed_close(fs->first);
    if (fs->reader) {
        feed_reader_stop(fs->reader);
        feed_reads_finish(fs); /* which frees those that were closed while they read */
        feed_reader_free(fs->reader);
    }
    feed_encoder_clear(&fs->encoder);
    map_clear(&fs->by_key);
    buf_clear(&fs->body);
    arena_clear(&fs->arena);
    uv_close((uv_handle_t *)&fs->async, feeds_closed);
}

/* ---- what readers ask ---- */

static const char *reader_of(const char *user, const char *on_behalf, size_t *ret_length)
{
    if (on_behalf[0]) {
        *ret_length = strlen(on_behalf);
        return on_behalf;
    }
    *ret_length = strcspn(user, "/"); /* principal/key-id */
    return user;
}

static int readers_feeds(const struct feeds *fs, const char *user, const char *on_behalf)
{
    size_t length, other_length;
    const char *reader = reader_of(user, on_behalf, &length);
    int count = 0;
    for (const struct feed *feed = fs->first; feed; feed = feed->next) {
        const char *other = reader_of(feed->to.user, feed->on_behalf, &other_length);
        count += length == other_length && memcmp(reader, other, length) == 0;
    }
    return count;
}

static int follow_check(struct feeds *fs, const struct door_address *from, const char *on_behalf,
                        const FollowRequest *in)
{
    if (fs->draining)
        return err_set_reason(ERR_NOT_EXECUTED, "draining", "this replica ends");
    if (fs->figures.open >= FEEDS_MAX)
        return err_set_reason(ERR_NOT_EXECUTED, "queue_full", "too many feeds are open");
    if (readers_feeds(fs, from->user, on_behalf) >= FEEDS_PER_READER_MAX)
        return err_set(ERR_RATE_LIMITED, "more than %d feeds of one reader", FEEDS_PER_READER_MAX);
    struct feed_view view = { 0 };
    const struct feed_authority *a = &fs->options.authority;
    int r = a->look(a->ctx, from->user, on_behalf, in->division, &view);
    if (r >= 0)
        a->leave(a->ctx, &view);
    return r;
}

static char *text_keep(const char *text)
{
    char *kept = strdup(text);
    assert_always(kept);
    return kept;
}

static struct feed *feed_new(struct feeds *fs, const struct door_address *from, uint64_t id,
                             const char *on_behalf, const FollowRequest *in)
{
    struct feed *feed = calloc(1, sizeof(*feed));
    assert_always(feed);
    feed->feeds = fs;
    feed->to = *from;
    feed->key = (struct feed_key){ .connection = from->connection, .id = id };
    feed->on_behalf = text_keep(on_behalf);
    feed->division = text_keep(in->division);
    feed->types = calloc(in->n_types + 1, sizeof(feed->types[0]));
    assert_always(feed->types);
    for (; feed->type_count < in->n_types; feed->type_count++)
        feed->types[feed->type_count] = text_keep(in->types[feed->type_count]);
    feed->credit = MIN(in->credit, CREDIT_MAX);
    feed->heard_ms = mono_ms();
    map_put_bytes(&fs->by_key, (const char *)&feed->key, sizeof(feed->key), feed);
    feed->next = fs->first;
    if (feed->next)
        feed->next->previous = feed;
    fs->first = feed;
    fs->figures.open++;
    fs->figures.opened++;
    return feed;
}

/* Most cursors are right by what the tail knows; the log itself is asked about the others: our own
 * tail may be a little behind the replica that the cursor comes from. */
static void feed_place(struct feed *feed, const struct log_cursor *cursor)
{
    int64_t epoch, head;
    tail_head(feed->feeds->options.tail, &epoch, &head);
    feed->epoch = cursor->epoch ? cursor->epoch : epoch;
    feed->position = cursor->position;
    bool known = epoch && feed->epoch == epoch && feed->position <= head;
    feed->state = known ? FEED_RUNNING : FEED_CHECKING;
    if (known)
        feed_due(feed);
    else
        feed_want_read(feed);
    uv_async_send(&feed->feeds->async);
}

static struct feed *feed_find(struct feeds *fs, const struct door_address *from, uint64_t id)
{
    const struct feed_key key = { .connection = from->connection, .id = id };
    return map_get_bytes(&fs->by_key, (const char *)&key, sizeof(key));
}

int feeds_follow(struct feeds *fs, const struct door_address *from, uint64_t id,
                 const char *on_behalf, const FollowRequest *in)
{
    struct log_cursor cursor;
    int r = feed_cursor_read(in->after, fs->options.stream, &cursor);
    if (r >= 0)
        r = follow_check(fs, from, on_behalf, in);
    if (r < 0)
        return r;
    struct feed *same = feed_find(fs, from, id);
    if (same)
        feed_close(same); /* its id means the new one from now on */
    feed_place(feed_new(fs, from, id, on_behalf, in), &cursor);
    return 0;
}

int feeds_credit(struct feeds *fs, const struct door_address *from, uint64_t id, uint32_t credit)
{
    struct feed *feed = feed_find(fs, from, id);
    if (!feed)
        return err_set(ERR_NOT_FOUND, "no such feed");
    feed->heard_ms = mono_ms();
    feed->credit = MIN(feed->credit + MIN(credit, CREDIT_MAX), CREDIT_MAX);
    feed_due(feed);
    uv_async_send(&fs->async);
    return 0;
}

int feeds_unfollow(struct feeds *fs, const struct door_address *from, uint64_t id)
{
    struct feed *feed = feed_find(fs, from, id);
    if (!feed)
        return err_set(ERR_NOT_FOUND, "no such feed");
    feed_close(feed);
    return 0;
}

void feeds_gone(struct feeds *fs, const struct door_address *who)
{
    struct feed *next;
    for (struct feed *feed = fs->first; feed; feed = next) {
        next = feed->next;
        if (feed->key.connection == who->connection)
            feed_close(feed);
    }
}

void feeds_drain(struct feeds *fs)
{
    fs->draining = true;
    while (fs->first)
        feed_end(fs->first, err_set_reason(ERR_NOT_EXECUTED, "draining", "this replica ends"));
}

void feeds_figures_read(const struct feeds *fs, struct feeds_figures *ret)
{
    *ret = fs->figures;
    for (const struct feed *feed = fs->first; feed; feed = feed->next) {
        ret->lagging += feed->slice || feed->reading || feed->wants_read;
        ret->waiting += feed->credit == 0;
    }
}

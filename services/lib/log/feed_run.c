/* The feeds' turns: whose it is, and where each gets its next events from.
 *
 * One feed runs for one frame at a time and then queues behind the others. A feed that the ring
 * does not reach any more asks for a slice of the log; a few slices are on their way at a time, and
 * each serves all that stand within it. */
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "base/time.h"
#include "base/util.h"
#include "log/feed_inside.h"

#define TELL_MS         700 /* with the tick: `through` at least once a second */
#define TURN_FRAMES_MAX 64  /* of one turn of the loop */
#define READ_RETRY_MS   500

/* ---- lists ---- */

void feed_due(struct feed *feed)
{
    struct feeds *fs = feed->feeds;
    if (feed->due)
        return;
    feed->due = true;
    feed->next_due = NULL;
    if (fs->due.last)
        fs->due.last->next_due = feed;
    else
        fs->due.first = feed;
    fs->due.last = feed;
}

static struct feed *feed_due_take(struct feeds *fs)
{
    struct feed *feed = fs->due.first;
    if (feed) {
        fs->due.first = feed->next_due;
        if (!fs->due.first)
            fs->due.last = NULL;
        feed->due = false;
    }
    return feed;
}

static void due_remove(struct feed *feed)
{
    if (!feed->due)
        return;
    struct feed_list *list = &feed->feeds->due;
    struct feed *previous = NULL;
    for (struct feed *at = list->first; at != feed; at = at->next_due)
        previous = at;
    if (previous)
        previous->next_due = feed->next_due;
    else
        list->first = feed->next_due;
    if (list->last == feed)
        list->last = previous;
    feed->due = false;
}

void feed_want_read(struct feed *feed)
{
    struct feeds *fs = feed->feeds;
    if (feed->wants_read || feed->reading)
        return;
    feed->wants_read = true;
    feed->next_read = NULL;
    if (fs->wanting.last)
        fs->wanting.last->next_read = feed;
    else
        fs->wanting.first = feed;
    fs->wanting.last = feed;
}

static void wanting_remove(struct feed *feed)
{
    if (!feed->wants_read)
        return;
    struct feed_list *list = &feed->feeds->wanting;
    struct feed *previous = NULL;
    for (struct feed *at = list->first; at != feed; at = at->next_read)
        previous = at;
    if (previous)
        previous->next_read = feed->next_read;
    else
        list->first = feed->next_read;
    if (list->last == feed)
        list->last = previous;
    feed->wants_read = false;
}

/* ---- one frame ---- */

static void slice_drop(struct feed *feed)
{
    if (!feed->slice)
        return;
    feed->feeds->slices_bytes -= feed->slice->bytes;
    tail_batch_unref(feed->slice);
    feed->slice = NULL;
}

void feed_unlist(struct feed *feed)
{
    slice_drop(feed);
    due_remove(feed);
    wanting_remove(feed);
}

static int mismatch(void)
{
    return err_set_reason(ERR_CURSOR_MISMATCH, "cursor_mismatch", "the cursor is of another epoch");
}

static void feed_mismatch(struct feed *feed)
{
    feed->feeds->figures.mismatched++;
    feed_end(feed, mismatch());
}

static bool batch_holds(const struct tail_batch *batch, int64_t position)
{
    return batch->count > 0 && batch->records[0].position <= position &&
           position < batch->records[0].position + batch->count;
}

/* Where a batch of the ring begins with a moved_out, what stands before it decides. False: the ring
 * has that no more, and the log must be read. */
static bool before_batch(struct feed *feed, const struct tail_batch *batch,
                         struct tail_batch **ret_holder, const struct log_record **ret_before)
{
    int64_t first = batch->records[0].position;
    *ret_holder = NULL;
    *ret_before = NULL;
    if (feed->position + 1 > first || first == 1 || !feed_is_moved_out(&batch->records[0]))
        return true;
    if (tail_get(feed->feeds->options.tail, first - 2, ret_holder) != 1)
        return false;
    *ret_before = &(*ret_holder)->records[first - 1 - (*ret_holder)->records[0].position];
    return true;
}

static enum feed_took feed_take_slice(struct feed *feed)
{
    enum feed_took took = feed_take(feed, feed->slice, NULL);
    if (took == TOOK_ALL)
        slice_drop(feed);
    return took == TOOK_ALL ? TOOK_SOME : took; /* there is more in the ring or the log */
}

static enum feed_took feed_take_ring(struct feed *feed)
{
    struct tail_batch *batch = NULL, *holder;
    const struct log_record *before;
    int r = tail_get(feed->feeds->options.tail, feed->position, &batch);
    if (r == 0)
        return TOOK_ALL;
    if (r > 0 && batch->epoch != feed->epoch) {
        tail_batch_unref(batch);
        feed_mismatch(feed);
        return TOOK_END;
    }
    if (r < 0 || !before_batch(feed, batch, &holder, &before)) {
        if (r > 0)
            tail_batch_unref(batch);
        feed_want_read(feed);
        return TOOK_NONE;
    }
    enum feed_took took = feed_take(feed, batch, before);
    tail_batch_unref(holder);
    tail_batch_unref(batch);
    return took == TOOK_ALL ? TOOK_SOME : took;
}

/* One frame. */
static void feed_run(struct feed *feed)
{
    int64_t epoch, head;
    if (feed->state != FEED_RUNNING || feed->reading || feed->retry_ms > mono_ms())
        return;
    tail_head(feed->feeds->options.tail, &epoch, &head);
    if (epoch == 0)
        return;
    if (epoch != feed->epoch) {
        feed_mismatch(feed);
        return;
    }
    enum feed_took took = TOOK_NONE;
    if (feed->credit > 0)
        took = feed->slice ? feed_take_slice(feed) : feed_take_ring(feed);
    if (took == TOOK_SOME)
        feed_due(feed);
    else if (took != TOOK_END && !feed->sent_ms && feed->position >= head)
        feed_tell(feed); /* the first word of a feed that has nothing to say yet */
}

/* ---- reads ---- */

static void reads_start(struct feeds *fs)
{
    while (fs->wanting.first && fs->reads_open < FEED_READS_MAX) {
        struct feed *feed = fs->wanting.first;
        wanting_remove(feed);
        feed->reading = true;
        struct feed_read *read = calloc(1, sizeof(*read));
        assert_always(read);
        *read = (struct feed_read){ .feed = feed,
                                    .check = feed->state == FEED_CHECKING,
                                    .epoch = feed->epoch,
                                    .position = feed->position };
        fs->reads_open++;
        feed_reader_ask(fs->reader, read);
    }
}

/* Who waits for credit lets go of his slice first: he can have it read again. */
static void slices_trim(struct feeds *fs)
{
    for (struct feed *feed = fs->first; feed; feed = feed->next) {
        if (fs->slices_bytes <= FEED_SLICES_BYTES_MAX)
            return;
        if (feed->credit == 0)
            slice_drop(feed);
    }
}

static void slice_keep(struct feed *feed, struct tail_batch *batch)
{
    slice_drop(feed);
    feed->slice = tail_batch_ref(batch);
    feed->feeds->slices_bytes += batch->bytes;
    slices_trim(feed->feeds);
    feed_due(feed);
}

/* All that wait for a read and stand within the slice are served by it. */
static void slice_share(struct feeds *fs, struct tail_batch *batch)
{
    struct feed *next;
    for (struct feed *feed = fs->wanting.first; feed; feed = next) {
        next = feed->next_read;
        if (feed->state == FEED_RUNNING && feed->epoch == batch->epoch &&
            batch_holds(batch, MAX(feed->position, 1)) && batch_holds(batch, feed->position + 1)) {
            wanting_remove(feed);
            slice_keep(feed, batch);
        }
    }
}

static void take_slice(struct feed *feed, struct feed_read *read)
{
    struct feeds *fs = feed->feeds;
    fs->figures.slices++;
    if (read->batch->epoch != feed->epoch) {
        feed_mismatch(feed);
    } else if (!batch_holds(read->batch, feed->position + 1)) {
        feed->retry_ms = mono_ms() + READ_RETRY_MS; /* nothing behind it after all */
    } else {
        slice_keep(feed, read->batch);
        slice_share(fs, read->batch);
    }
}

static void take_check(struct feed *feed, struct feed_read *read)
{
    feed->epoch = read->epoch;
    feed->state = FEED_RUNNING;
    feed_due(feed);
}

static void take_failure(struct feed *feed, struct feed_read *read)
{
    err_set_reason(read->code, read->detail.reason, "%s", read->detail.text);
    if (read->code == ERR_CURSOR_MISMATCH) {
        feed->feeds->figures.mismatched++;
        feed_end(feed, read->code);
    } else if (read->check) {
        log_error_last(LOG_WARN, "feed not opened");
        feed_end(feed, err_set(ERR_NOT_EXECUTED, "the log cannot be read now"));
    } else {
        log_error_last(LOG_WARN, "log not read for a feed");
        feed->retry_ms = mono_ms() + READ_RETRY_MS;
    }
}

void feed_reads_finish(struct feeds *fs)
{
    struct feed_read *read;
    while ((read = feed_reader_answer(fs->reader))) {
        struct feed *feed = read->feed;
        fs->reads_open--;
        feed->reading = false;
        if (feed->closed)
            feed_free(feed);
        else if (read->code < 0)
            take_failure(feed, read);
        else if (read->check)
            take_check(feed, read);
        else
            take_slice(feed, read);
        feed_read_free(read);
    }
}

/* ---- turns ---- */

void feeds_turn(uv_async_t *async)
{
    struct feeds *fs = async->data;
    if (atomic_exchange(&fs->news, false))
        for (struct feed *feed = fs->first; feed; feed = feed->next)
            feed_due(feed);
    feed_reads_finish(fs);
    struct feed *feed;
    for (int i = 0; i < TURN_FRAMES_MAX && (feed = feed_due_take(fs)); i++)
        feed_run(feed);
    reads_start(fs);
    if (fs->due.first)
        uv_async_send(&fs->async);
}

void feeds_tick(void *arg)
{
    struct feeds *fs = arg;
    int64_t now = mono_ms();
    struct feed *next;
    for (struct feed *feed = fs->first; feed; feed = next) {
        next = feed->next;
        if (now - feed->heard_ms >= FEED_SILENCE_MAX_MS) {
            fs->figures.silent++;
            feed_end(feed, err_set_reason(ERR_NOT_EXECUTED, "silent", "the reader is silent"));
        } else if (feed->state == FEED_RUNNING) {
            if (feed->retry_ms && feed->retry_ms <= now) {
                feed->retry_ms = 0;
                feed_due(feed);
            }
            if (!feed->retry_ms && now - feed->sent_ms >= TELL_MS)
                feed_tell(feed);
        } else {
            feed_want_read(feed);
        }
    }
    if (fs->due.first || fs->wanting.first)
        uv_async_send(&fs->async);
}

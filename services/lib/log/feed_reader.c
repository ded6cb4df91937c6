/* The thread that reads the log for feeds that lag, and looks their cursors up.
 *
 * One connection for all of them; one question after the other. An error closes the connection and
 * is the question's answer: the loop asks again later. */
#include <pthread.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/util.h"
#include "log/feed_inside.h"
#include "loop/thread.h"

struct feed_reader {
    const struct pg_options *pg_options;
    uv_async_t *done;
    pthread_t thread;
    struct queue *asked, *answered; /* of struct feed_read */
    atomic_bool stopping;
    struct pg *pg; /* the thread's own */
};

static struct tail_batch *batch_new(void)
{
    struct tail_batch *batch = calloc(1, sizeof(*batch));
    assert_always(batch);
    arena_init(&batch->arena, 0);
    atomic_init(&batch->refs, 1);
    return batch;
}

static int read_check(struct feed_reader *reader, struct feed_read *read)
{
    struct arena arena;
    int64_t head;
    arena_init(&arena, 0);
    int r = read->epoch ? log_cursor_check(reader->pg, &arena, read->epoch, read->position, "")
                        : log_head(reader->pg, &arena, &read->epoch, &head);
    arena_clear(&arena);
    return r;
}

static int read_slice(struct feed_reader *reader, struct feed_read *read)
{
    struct tail_batch *batch = batch_new();
    struct log_record *records;
    int64_t after = MAX(read->position - 1, 0);
    int r = log_read_slice(reader->pg, &batch->arena, after, FEED_READ_EVENTS, &batch->epoch,
                           &records, &batch->count);
    if (r >= 0) {
        batch->records = records;
        batch->bytes = batch->arena.used_bytes;
        read->batch = batch;
    } else {
        tail_batch_unref(batch);
    }
    return r;
}

static void read_answer(struct feed_reader *reader, struct feed_read *read)
{
    int r = atomic_load(&reader->stopping) ? err_set(ERR_AGAIN, "the feeds close") : 0;
    if (reader->pg && !pg_alive(reader->pg)) {
        pg_close(reader->pg);
        reader->pg = NULL;
    }
    if (r >= 0 && !reader->pg)
        r = pg_open(&reader->pg, reader->pg_options);
    if (r >= 0)
        r = read->check ? read_check(reader, read) : read_slice(reader, read);
    read->code = r < 0 ? r : 0;
    if (r < 0) {
        read->detail = *err_last();
        if (r != ERR_CURSOR_MISMATCH) {
            pg_close(reader->pg);
            reader->pg = NULL;
        }
    }
}

static void *reader_main(void *arg)
{
    struct feed_reader *reader = arg;
    struct feed_read *read;
    while ((read = queue_pop(reader->asked, -1))) {
        read_answer(reader, read);
        assert_always(queue_push(reader->answered, read));
        uv_async_send(reader->done);
    }
    pg_close(reader->pg);
    return NULL;
}

int feed_reader_start(struct feed_reader **ret, const struct pg_options *pg, uv_async_t *done)
{
    struct feed_reader *reader = calloc(1, sizeof(*reader));
    assert_always(reader);
    reader->pg_options = pg;
    reader->done = done;
    atomic_init(&reader->stopping, false);
    /* Room for all that can be under way. */
    reader->asked = queue_new(FEED_READS_MAX);
    reader->answered = queue_new(FEED_READS_MAX);
    int r = thread_start(&reader->thread, "feed-reader", reader_main, reader);
    if (r < 0) {
        queue_free(reader->asked);
        queue_free(reader->answered);
        free(reader);
        return r;
    }
    *ret = reader;
    return 0;
}

void feed_reader_stop(struct feed_reader *reader)
{
    atomic_store(&reader->stopping, true);
    queue_close(reader->asked);
    pthread_join(reader->thread, NULL);
}

void feed_reader_free(struct feed_reader *reader)
{
    queue_free(reader->asked);
    queue_free(reader->answered);
    free(reader);
}

void feed_reader_ask(struct feed_reader *reader, struct feed_read *read)
{
    assert_always(queue_push(reader->asked, read));
}

struct feed_read *feed_reader_answer(struct feed_reader *reader)
{
    return queue_pop(reader->answered, 0);
}

void feed_read_free(struct feed_read *read)
{
    tail_batch_unref(read->batch);
    free(read);
}

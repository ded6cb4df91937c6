/* A bounded ring under one mutex. Waiting is on the monotonic clock: a moved wall clock wakes
 * nobody and holds nobody. */
#include "loop/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/err.h"

struct queue {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    int capacity, first, length, waiting;
    bool closed;
    void *items[];
};

struct queue *queue_new(int capacity)
{
    assert_always(capacity > 0);
    struct queue *q = calloc(1, sizeof(*q) + (size_t)capacity * sizeof(q->items[0]));
    assert_always(q);
    q->capacity = capacity;
    pthread_mutex_init(&q->mutex, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&q->filled, &attr);
    pthread_condattr_destroy(&attr);
    return q;
}

void queue_free(struct queue *q)
{
    if (!q)
        return;
    pthread_cond_destroy(&q->filled);
    pthread_mutex_destroy(&q->mutex);
    free(q);
}

bool queue_push(struct queue *q, void *item)
{
    assert_always(item);
    pthread_mutex_lock(&q->mutex);
    bool room = !q->closed && q->length < q->capacity;
    if (room) {
        q->items[(q->first + q->length) % q->capacity] = item;
        q->length++;
        /* A signal costs a system call only where somebody waits. */
        if (q->waiting)
            pthread_cond_signal(&q->filled);
    }
    pthread_mutex_unlock(&q->mutex);
    return room;
}

static struct timespec deadline_after(int timeout_ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += timeout_ms / 1000;
    at.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

/* Under the mutex: until there is an item, the queue is closed, or the time is up. */
static void queue_wait(struct queue *q, int timeout_ms)
{
    if (q->length || q->closed || timeout_ms == 0)
        return;
    struct timespec at = { 0 };
    if (timeout_ms > 0)
        at = deadline_after(timeout_ms);
    q->waiting++;
    int r = 0;
    while (!q->length && !q->closed && r != ETIMEDOUT) {
        if (timeout_ms < 0)
            r = pthread_cond_wait(&q->filled, &q->mutex);
        else
            r = pthread_cond_timedwait(&q->filled, &q->mutex, &at);
    }
    q->waiting--;
}

int queue_pop_many(struct queue *q, void **items, int max, int timeout_ms)
{
    pthread_mutex_lock(&q->mutex);
    queue_wait(q, timeout_ms);
    int taken = 0;
    for (; taken < max && q->length; taken++) {
        items[taken] = q->items[q->first];
        q->first = (q->first + 1) % q->capacity;
        q->length--;
    }
    /* One signal stands for one item: whoever leaves some behind passes it on. */
    if (q->length && q->waiting)
        pthread_cond_signal(&q->filled);
    pthread_mutex_unlock(&q->mutex);
    return taken;
}

void *queue_pop(struct queue *q, int timeout_ms)
{
    void *item = NULL;
    return queue_pop_many(q, &item, 1, timeout_ms) == 1 ? item : NULL;
}

int queue_length(struct queue *q)
{
    pthread_mutex_lock(&q->mutex);
    int length = q->length;
    pthread_mutex_unlock(&q->mutex);
    return length;
}

void queue_close(struct queue *q)
{
    pthread_mutex_lock(&q->mutex);
    q->closed = true;
    pthread_cond_broadcast(&q->filled);
    pthread_mutex_unlock(&q->mutex);
}

/* A bounded queue between threads. */
#ifndef LUJIAN_LOOP_QUEUE_H
#define LUJIAN_LOOP_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

struct queue;

struct queue *queue_new(int capacity);
void queue_free(struct queue *q);
bool queue_push(struct queue *q, void *item); /* false when full or closed */
/* Waits up to timeout_ms (-1 = for ever) for an item; NULL on time-out or when closed and empty. */
void *queue_pop(struct queue *q, int timeout_ms);
/* Takes up to `max` without waiting beyond the first; the count taken. */
int queue_pop_many(struct queue *q, void **items, int max, int timeout_ms);
int queue_length(struct queue *q);
void queue_close(struct queue *q);

#endif

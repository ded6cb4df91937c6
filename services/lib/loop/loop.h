/* The loop: libuv under one thread that never blocks, a mailbox into it, timers and signals.
 *
 * All functions but loop_post and loop_stop belong to the thread that runs the loop (or will run
 * it, or ran it). */
#ifndef LUJIAN_LOOP_LOOP_H
#define LUJIAN_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct loop;

int loop_new(struct loop **ret);
/* Everything that was opened on the loop must be closed, and every thread that posts must be gone:
 * a handle left open is a bug and aborts. What was posted and never ran is dropped. */
void loop_free(struct loop *loop);
uv_loop_t *loop_uv(struct loop *loop);
/* Until loop_stop. A stop that came before ends the next run after what was posted before it. */
void loop_run(struct loop *loop);
/* From any thread. What was posted before the stop still runs. */
void loop_stop(struct loop *loop);

/* From any thread: runs fn(arg) on the loop thread, in the order posted. */
void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);

struct loop_timer;
struct loop_timer *loop_timer_new(struct loop *loop, void (*fn)(void *arg), void *arg);
/* From now, not from the start of this turn of the loop. Starting a started timer moves it. */
void loop_timer_start(struct loop_timer *timer, uint64_t after_ms, uint64_t repeat_ms);
void loop_timer_stop(struct loop_timer *timer);
void loop_timer_free(struct loop_timer *timer); /* NULL is fine; allowed in its own callback */

/* Calls fn(arg, number) on the loop thread for each of these signals, until freed. */
struct loop_signals;
int loop_signals_new(struct loop_signals **ret, struct loop *loop, const int *numbers, int count,
                     void (*fn)(void *arg, int number), void *arg);
void loop_signals_free(struct loop_signals *signals);

#endif

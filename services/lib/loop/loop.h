/* The loop: libuv under one thread that never blocks, a mailbox into it, timers and signals. */
#ifndef LUJIAN_LOOP_LOOP_H
#define LUJIAN_LOOP_LOOP_H

#include <stdint.h>
#include <uv.h>

struct loop;

int loop_new(struct loop **ret);
void loop_free(struct loop *loop);
uv_loop_t *loop_uv(struct loop *loop);
void loop_run(struct loop *loop); /* until loop_stop */
void loop_stop(struct loop *loop);

/* From any thread: runs fn(arg) on the loop thread, in the order posted. */
void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);

struct loop_timer;
struct loop_timer *loop_timer_new(struct loop *loop, void (*fn)(void *arg), void *arg);
void loop_timer_start(struct loop_timer *timer, uint64_t after_ms, uint64_t repeat_ms);
void loop_timer_stop(struct loop_timer *timer);
void loop_timer_free(struct loop_timer *timer);

#endif

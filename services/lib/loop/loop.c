/* The loop's thread, its mailbox, timers and signals.
 *
 * uv_async_send coalesces, so one wake-up must empty the mailbox: the whole list is taken at once,
 * and only the post that finds the list empty wakes the loop. Order is the order of the posts. */
#include "loop/loop.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/util.h"

#define CLOSE_TURNS_MAX                                                                            \
    16 /* a closed handle leaves within one turn; some close others when they leave */

struct post {
    struct post *next;
    void (*fn)(void *arg);
    void *arg;
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    pthread_mutex_t mutex;
    struct post *first; /* under the mutex, as `last` */
    struct post *last;
};

static struct post *mailbox_take(struct loop *loop)
{
    pthread_mutex_lock(&loop->mutex);
    struct post *first = loop->first;
    loop->first = loop->last = NULL;
    pthread_mutex_unlock(&loop->mutex);
    return first;
}

static void mailbox_run(uv_async_t *wake)
{
    struct post *next;
    for (struct post *post = mailbox_take(wake->data); post; post = next) {
        next = post->next;
        post->fn(post->arg);
        free(post);
    }
}

int loop_new(struct loop **ret)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    assert_always(loop);
    int r = uv_loop_init(&loop->uv);
    if (r < 0) {
        free(loop);
        return err_set(ERR_INTERNAL, "event loop: %s", uv_strerror(r));
    }
    r = uv_async_init(&loop->uv, &loop->wake, mailbox_run);
    if (r < 0) {
        uv_loop_close(&loop->uv);
        free(loop);
        return err_set(ERR_INTERNAL, "event loop's mailbox: %s", uv_strerror(r));
    }
    loop->wake.data = loop;
    pthread_mutex_init(&loop->mutex, NULL);
    *ret = loop;
    return 0;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    uv_close((uv_handle_t *)&loop->wake, NULL);
    int r = UV_EBUSY;
    for (int i = 0; r == UV_EBUSY && i < CLOSE_TURNS_MAX; i++) {
        uv_run(&loop->uv, UV_RUN_NOWAIT);
        r = uv_loop_close(&loop->uv);
    }
    assert_always(r == 0);
    struct post *next;
    for (struct post *post = mailbox_take(loop); post; post = next) {
        next = post->next;
        free(post);
    }
    pthread_mutex_destroy(&loop->mutex);
    free(loop);
}

uv_loop_t *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

static void loop_stop_now(void *arg)
{
    uv_stop(arg);
}

void loop_stop(struct loop *loop)
{
    loop_post(loop, loop_stop_now, &loop->uv);
}

void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct post *post = malloc(sizeof(*post));
    assert_always(post);
    *post = (struct post){ .fn = fn, .arg = arg };
    pthread_mutex_lock(&loop->mutex);
    bool was_empty = !loop->first;
    if (was_empty)
        loop->first = post;
    else
        loop->last->next = post;
    loop->last = post;
    pthread_mutex_unlock(&loop->mutex);
    if (was_empty)
        uv_async_send(&loop->wake);
}

struct loop_timer {
    uv_timer_t uv;
    void (*fn)(void *arg);
    void *arg;
};

static void timer_fire(uv_timer_t *uv)
{
    struct loop_timer *timer = uv->data;
    timer->fn(timer->arg);
}

struct loop_timer *loop_timer_new(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct loop_timer *timer = calloc(1, sizeof(*timer));
    assert_always(timer);
    timer->fn = fn;
    timer->arg = arg;
    assert_always(uv_timer_init(&loop->uv, &timer->uv) == 0);
    timer->uv.data = timer;
    return timer;
}

void loop_timer_start(struct loop_timer *timer, uint64_t after_ms, uint64_t repeat_ms)
{
    uv_update_time(timer->uv.loop);
    assert_always(uv_timer_start(&timer->uv, timer_fire, after_ms, repeat_ms) == 0);
}

void loop_timer_stop(struct loop_timer *timer)
{
    uv_timer_stop(&timer->uv);
}

static void timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void loop_timer_free(struct loop_timer *timer)
{
    if (timer)
        uv_close((uv_handle_t *)&timer->uv, timer_closed);
}

struct loop_signals {
    void (*fn)(void *arg, int number);
    void *arg;
    int count; /* handles not yet closed */
    uv_signal_t uv[];
};

static void signal_fire(uv_signal_t *uv, int number)
{
    struct loop_signals *signals = uv->data;
    signals->fn(signals->arg, number);
}

static void signal_closed(uv_handle_t *handle)
{
    struct loop_signals *signals = handle->data;
    if (--signals->count == 0)
        free(signals);
}

int loop_signals_new(struct loop_signals **ret, struct loop *loop, const int *numbers, int count,
                     void (*fn)(void *arg, int number), void *arg)
{
    assert_always(count > 0);
    struct loop_signals *signals =
        calloc(1, sizeof(*signals) + (size_t)count * sizeof(signals->uv[0]));
    assert_always(signals);
    signals->fn = fn;
    signals->arg = arg;
    signals->count = count;
    for (int i = 0; i < count; i++) {
        assert_always(uv_signal_init(&loop->uv, &signals->uv[i]) == 0);
        signals->uv[i].data = signals;
    }
    for (int i = 0; i < count; i++) {
        int r = uv_signal_start(&signals->uv[i], signal_fire, numbers[i]);
        if (r < 0) {
            loop_signals_free(signals);
            return err_set(ERR_INTERNAL, "signal %d: %s", numbers[i], uv_strerror(r));
        }
    }
    *ret = signals;
    return 0;
}

void loop_signals_free(struct loop_signals *signals)
{
    if (!signals)
        return;
    int count = signals->count;
    for (int i = 0; i < count; i++)
        uv_close((uv_handle_t *)&signals->uv[i], signal_closed);
}

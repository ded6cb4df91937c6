/* A ZeroMQ socket on libuv: a poll handle that only wakes, a prepare handle that asks, a check
 * handle that drains, an idle handle that keeps the loop from sleeping while there is something to
 * drain. */
#include "bus/pump.h"

#include <stdlib.h>
#include <zmq.h>

#include "base/err.h"

enum { PUMP_HANDLES = 4 };

#ifdef __SANITIZE_THREAD__
/* libzmq and libsodium are not instrumented: the sanitizer does not see how their threads hand
 * memory to each other.
 */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:libzmq.so\ncalled_from_lib:libsodium.so\nrace:libzmq.so\n";
}
#endif

struct pump {
    uv_poll_t poll;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
    void *socket; /* NULL once freed */
    struct pump_handler handler;
    bool look_due;           /* ZMQ_EVENTS must be read before the loop sleeps */
    bool readable, writable; /* what was found there */
    bool want_write;
    int open_handles;
};

static void stay_awake(uv_idle_t *idle)
{
    (void)idle; /* an active idle handle is all that is needed */
}

void pump_touch(struct pump *pump)
{
    /* Started here too: a touch from another prepare callback may come after ours has run. */
    pump->look_due = true;
    uv_idle_start(&pump->idle, stay_awake);
}

void pump_want_write(struct pump *pump)
{
    pump->want_write = true;
    pump_touch(pump);
}

static void pump_woken(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    struct pump *pump = poll->data;
    pump->look_due = true;
}

static void pump_look(uv_prepare_t *prepare)
{
    struct pump *pump = prepare->data;
    if (!pump->look_due)
        return;
    pump->look_due = false;
    int events = 0;
    size_t size = sizeof(events);
    /* Fails only while the context is being terminated: then nothing is to be drained. */
    if (zmq_getsockopt(pump->socket, ZMQ_EVENTS, &events, &size) < 0)
        events = 0;
    pump->readable = events & ZMQ_POLLIN;
    pump->writable = pump->want_write && (events & ZMQ_POLLOUT);
    if (pump->readable || pump->writable)
        uv_idle_start(&pump->idle, stay_awake);
    else
        uv_idle_stop(&pump->idle);
}

static void pump_receive(struct pump *pump)
{
    for (int i = 0; i < PUMP_BUDGET; i++) {
        bool received = pump->handler.receive(pump->handler.ctx);
        if (!pump->socket)
            return;
        if (!received) {
            /* The attempt that found nothing has processed what the descriptor told of: input that
             * comes later makes a new edge. Room for output may have been told too. */
            if (pump->want_write)
                pump_touch(pump);
            return;
        }
    }
    pump_touch(pump);
}

static void pump_drain(uv_check_t *check)
{
    struct pump *pump = check->data;
    bool readable = pump->readable, writable = pump->writable;
    pump->readable = pump->writable = false;
    if (writable) {
        pump->want_write = false;
        pump->handler.writable(pump->handler.ctx);
    }
    if (readable && pump->socket)
        pump_receive(pump);
    /* The loop may sleep again. */
    if (pump->socket && !pump->look_due)
        uv_idle_stop(&pump->idle);
}

static void pump_closed(uv_handle_t *handle)
{
    struct pump *pump = handle->data;
    if (--pump->open_handles == 0)
        free(pump);
}

int pump_new(struct pump **ret, struct loop *loop, void *socket, const struct pump_handler *handler)
{
    int fd = -1;
    size_t size = sizeof(fd);
    if (zmq_getsockopt(socket, ZMQ_FD, &fd, &size) < 0)
        return err_errno(ERR_INTERNAL, zmq_errno(), "descriptor of a ZeroMQ socket");
    struct pump *pump = calloc(1, sizeof(*pump));
    assert_always(pump);
    pump->socket = socket;
    pump->handler = *handler;
    pump->open_handles = PUMP_HANDLES;
    uv_loop_t *uv = loop_uv(loop);
    int r = uv_poll_init(uv, &pump->poll, fd);
    if (r < 0) {
        free(pump);
        return err_set(ERR_INTERNAL, "watch a ZeroMQ socket: %s", uv_strerror(r));
    }
    uv_prepare_init(uv, &pump->prepare);
    uv_check_init(uv, &pump->check);
    uv_idle_init(uv, &pump->idle);
    pump->poll.data = pump->prepare.data = pump->check.data = pump->idle.data = pump;
    assert_always(uv_poll_start(&pump->poll, UV_READABLE, pump_woken) == 0);
    uv_prepare_start(&pump->prepare, pump_look);
    uv_check_start(&pump->check, pump_drain);
    pump_touch(pump);
    *ret = pump;
    return 0;
}

void pump_free(struct pump *pump)
{
    if (!pump)
        return;
    pump->socket = NULL;
    uv_close((uv_handle_t *)&pump->poll, pump_closed);
    uv_close((uv_handle_t *)&pump->prepare, pump_closed);
    uv_close((uv_handle_t *)&pump->check, pump_closed);
    uv_close((uv_handle_t *)&pump->idle, pump_closed);
}

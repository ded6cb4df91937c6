/* The ZAP handler. Requests come from libzmq itself, one at a time on a REP socket, and are
 * answered at once. */
#include "bus/zap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/err.h"
#include "bus/curve.h"
#include "bus/pump.h"

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define ZAP_VERSION  "1.0"
#define ZAP_FRAMES                                                                                 \
    7 /* version, request id, domain, address, routing id, mechanism, credentials                  \
       */
#define ZAP_FRAME_MAX 255
#define CURVE_BYTES   32

/* Public API of builds with ZeroMQ's draft parts; others answer EINVAL, and the User-Id check
 * remains. */
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

struct zap {
    struct zap_options options;
    void *socket;
    struct pump *pump;
    uint64_t refused;
};

struct zap_request {
    uint8_t frames[ZAP_FRAMES][ZAP_FRAME_MAX];
    size_t sizes[ZAP_FRAMES];
    bool whole; /* as many frames as there must be, none too long */
};

/* False when nothing is there. Always takes the whole message. */
static bool request_receive(void *socket, struct zap_request *ret)
{
    ret->whole = true;
    int count = 0, more = 1;
    for (; more; count++) {
        uint8_t spare[ZAP_FRAME_MAX];
        uint8_t *into = count < ZAP_FRAMES ? ret->frames[count] : spare;
        int size = zmq_recv(socket, into, ZAP_FRAME_MAX, ZMQ_DONTWAIT);
        if (size < 0)
            return false;
        if (size > ZAP_FRAME_MAX)
            ret->whole = false;
        if (count < ZAP_FRAMES)
            ret->sizes[count] = (size_t)size;
        size_t more_size = sizeof(more);
        zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &more_size);
    }
    ret->whole = ret->whole && count == ZAP_FRAMES;
    return true;
}

static bool frame_is(const struct zap_request *rq, int frame, const char *text)
{
    return rq->sizes[frame] == strlen(text) &&
           memcmp(rq->frames[frame], text, rq->sizes[frame]) == 0;
}

static bool request_admit(struct zap *zap, const struct zap_request *rq,
                          char out_user[ZAP_USER_MAX])
{
    if (!rq->whole || !frame_is(rq, 0, ZAP_VERSION) || !frame_is(rq, 2, ZAP_DOMAIN) ||
        !frame_is(rq, 5, "CURVE") || rq->sizes[6] != CURVE_BYTES)
        return false;
    char key[CURVE_KEY_SIZE];
    assert_always(zmq_z85_encode(key, rq->frames[6], CURVE_BYTES));
    return zap->options.authenticate(zap->options.ctx, key, out_user) && out_user[0];
}

static bool zap_receive(void *ctx)
{
    struct zap *zap = ctx;
    struct zap_request rq;
    if (!request_receive(zap->socket, &rq))
        return false;
    char user[ZAP_USER_MAX] = "";
    bool admitted = request_admit(zap, &rq, user);
    if (!admitted) {
        user[0] = 0;
        zap->refused++;
    }
    const char *status = admitted ? "200" : "400";
    const char *text = admitted ? "OK" : "unknown key";
    const struct {
        const void *data;
        size_t size;
    } frames[] = {
        { ZAP_VERSION, strlen(ZAP_VERSION) },
        { rq.frames[1], rq.whole ? rq.sizes[1] : 0 },
        { status, 3 },
        { text, strlen(text) },
        { user, strlen(user) },
        { "", 0 },
    };
    size_t last = sizeof(frames) / sizeof(frames[0]) - 1;
    for (size_t i = 0; i <= last; i++)
        if (zmq_send(zap->socket, frames[i].data, frames[i].size,
                     ZMQ_DONTWAIT | (i < last ? ZMQ_SNDMORE : 0)) < 0)
            break; /* the asker is gone */
    return true;
}

int zap_open(struct zap **ret, const struct zap_options *options)
{
    struct zap *zap = calloc(1, sizeof(*zap));
    assert_always(zap);
    zap->options = *options;
    zap->socket = zmq_socket(options->context, ZMQ_REP);
    const int linger = 0;
    int r = 0;
    if (!zap->socket || zmq_setsockopt(zap->socket, ZMQ_LINGER, &linger, sizeof(linger)) < 0 ||
        zmq_bind(zap->socket, ZAP_ENDPOINT) < 0)
        r = err_errno(ERR_INTERNAL, zmq_errno(), "ZAP handler");
    if (r >= 0)
        r = pump_new(&zap->pump, options->loop, zap->socket,
                     &(struct pump_handler){ .receive = zap_receive, .ctx = zap });
    if (r < 0) {
        zap_close(zap);
        return r;
    }
    *ret = zap;
    return 0;
}

uint64_t zap_refused(const struct zap *zap)
{
    return zap->refused;
}

void zap_close(struct zap *zap)
{
    if (!zap)
        return;
    pump_free(zap->pump);
    if (zap->socket)
        zmq_close(zap->socket);
    free(zap);
}

int zap_guard(void *socket, const char *curve_secret, bool enforce_domain)
{
    const int on = 1, enforced = enforce_domain;
    if (!curve_key_check(curve_secret)) /* libzmq reads 41 bytes whatever is there */
        return err_set(ERR_INVALID_ARGUMENT, "the server's secret is not a CURVE key");
    if (zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &on, sizeof(on)) < 0 ||
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, curve_secret, CURVE_KEY_SIZE) < 0 ||
        zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN, strlen(ZAP_DOMAIN)) < 0)
        return err_errno(ERR_INTERNAL, zmq_errno(), "CURVE server");
    if (zmq_setsockopt(socket, ZMQ_ZAP_ENFORCE_DOMAIN, &enforced, sizeof(enforced)) < 0 &&
        zmq_errno() != EINVAL)
        return err_errno(ERR_INTERNAL, zmq_errno(), "ZAP domain");
    return 0;
}

/* The door: a service's ROUTER socket, guarded by CURVE and ZAP, on the loop thread.
 *
 * A message is two frames behind the routing id: a RequestHead and a body. What has no User-Id, a
 * routing id not of libzmq's own making, a wrong number of frames or an oversized one is dropped
 * and counted. The door knows nothing of methods: it hands over what came and sends what it is
 * given.
 *
 * Invariant: an answer goes to the connection that asked, or nowhere. A routing id is bound to its
 * connection and its User-Id; both must still be the same when the answer leaves. */
#ifndef LUJIAN_BUS_DOOR_H
#define LUJIAN_BUS_DOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bus/zap.h"
#include "loop/loop.h"

/* A frame over this is cut by the library: its sender is disconnected. Encryption adds a few bytes
 * to each. */
#define DOOR_FRAME_BYTES_MAX (1024 * 1024 + 64 * 1024)
#define DOOR_USER_MAX        ZAP_USER_MAX
#define DOOR_ROUTING_ID_SIZE 5
#define DOOR_RECEIVE_HWM     256  /* messages of one peer that wait to be read */
#define DOOR_SEND_HWM        1000 /* messages to one peer that wait to leave */
#define DOOR_PULSE_HWM       100
#define DOOR_LINGER_MS       2000

/* Where an answer goes: copied, sendable from the loop thread for as long as the peer is connected.
 */
struct door_address {
    uint8_t routing_id[DOOR_ROUTING_ID_SIZE];
    char user[DOOR_USER_MAX]; /* "principal/key-id", as ZAP established it */
    uint64_t connection;      /* of this door, never used again */
};

struct door;

struct door_options {
    struct loop *loop;
    const char *endpoint; /* tcp://host:port; port 0 = any, see door_endpoint */
    const char *pulse_endpoint;
    const char *curve_secret; /* Z85 */
    /* Looks a client's public key (Z85) up; writes "principal/key-id"; false = refused. Called on
     * the loop thread. */
    bool (*authenticate)(void *ctx, const char *curve_public, char out_user[DOOR_USER_MAX]);
    /* Never called before door_open returns. Head and body live until it returns. */
    void (*on_message)(void *ctx, const struct door_address *from, const uint8_t *head,
                       size_t head_size, const uint8_t *body, size_t body_size);
    /* The connection is gone (or another took its place): what is open for it can be let go. May be
     * NULL. */
    void (*on_gone)(void *ctx, const struct door_address *who);
    void *ctx;
};

/* Binds the ZAP handler before any socket; enforces a ZAP domain where the library can. */
int door_open(struct door **ret, const struct door_options *options);
/* ERR_AGAIN: the peer is slow (its queue is full); ERR_NOT_FOUND: it is gone. */
int door_send(struct door *door, const struct door_address *to, const uint8_t *head,
              size_t head_size, const uint8_t *body, size_t body_size);
/* Publishes a pulse (an encoded Pulse message under the stream's name). */
void door_pulse(struct door *door, const char *stream, const uint8_t *pulse, size_t size);
const char *door_endpoint(const struct door *door);
const char *door_pulse_endpoint(const struct door *door);
/* Lets what was sent leave (DOOR_LINGER_MS at most, the loop waits), then closes. */
void door_close(struct door *door);

struct door_figures {
    uint64_t messages, bytes;                     /* handed over */
    uint64_t refused_keys;                        /* unknown keys, refused by ZAP */
    uint64_t no_user, bad_routing_id, bad_frames; /* messages dropped */
    uint64_t handshake_failures; /* no CURVE, a wrong server key, a refused key, noise */
    uint64_t disconnects;        /* all, polite ones too: an oversized frame shows only as one */
    uint64_t slow, gone;         /* answers that could not be sent */
    uint64_t connections;        /* that have spoken and are not gone: a level, not a count */
};
void door_figures_read(const struct door *door, struct door_figures *ret);

#ifdef LUJIAN_FAULT_POINTS
/* Tests only: opens doors without a ZAP handler, or also without the library's own guard against
 * that, to show that nothing without User-Id gets in. */
enum door_fault { DOOR_FAULT_NONE, DOOR_FAULT_NO_HANDLER, DOOR_FAULT_NO_HANDLER_NOR_DOMAIN };
extern enum door_fault door_fault;
#endif

#endif

/* The door: a service's ROUTER socket, guarded by CURVE and ZAP, on the loop thread.
 *
 * A message is two frames behind the routing id: a RequestHead and a body. What has no User-Id, a routing id not of
 * libzmq's own making, a wrong number of frames or an oversized one is dropped and counted. The door knows nothing of
 * methods: it hands over what came and sends what it is given. */
#ifndef LUJIAN_BUS_DOOR_H
#define LUJIAN_BUS_DOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop/loop.h"

#define DOOR_FRAME_BYTES_MAX (1024 * 1024 + 64 * 1024)
#define DOOR_USER_MAX        100

/* Where an answer goes: copied, sendable from the loop thread for as long as the peer is connected. */
struct door_address {
    uint8_t routing_id[5];
    char user[DOOR_USER_MAX]; /* "principal/key-id", as ZAP established it */
};

struct door;

struct door_options {
    struct loop *loop;
    const char *endpoint;  /* tcp://host:port; port 0 = any, see door_endpoint */
    const char *pulse_endpoint;
    const char *curve_secret; /* Z85 */
    /* Looks a client's public key (Z85) up; writes "principal/key-id"; false = refused. Called on the loop thread. */
    bool (*authenticate)(void *ctx, const char *curve_public, char out_user[DOOR_USER_MAX]);
    void (*on_message)(void *ctx, const struct door_address *from, const uint8_t *head, size_t head_size,
                       const uint8_t *body, size_t body_size);
    void *ctx;
};

/* Binds the ZAP handler before any socket; enforces a ZAP domain where the library can. */
int door_open(struct door **ret, const struct door_options *options);
/* ERR_AGAIN: the peer is slow (its queue is full); ERR_NOT_FOUND: it is gone. */
int door_send(struct door *door, const struct door_address *to, const uint8_t *head, size_t head_size,
              const uint8_t *body, size_t body_size);
/* Publishes a pulse (an encoded Pulse message under the stream's name). */
void door_pulse(struct door *door, const char *stream, const uint8_t *pulse, size_t size);
const char *door_endpoint(const struct door *door);
const char *door_pulse_endpoint(const struct door *door);
/* Lets what was sent leave (2 s at most), then closes. */
void door_close(struct door *door);

struct door_figures {
    uint64_t messages, bytes, refused_keys, no_user, bad_routing_id, bad_frames, oversized_disconnects;
};
void door_figures_read(const struct door *door, struct door_figures *ret);

#endif

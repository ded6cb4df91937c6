/* Which connection and which user a routing id of a door stands for right now.
 *
 * Peers choose routing ids: one that connects with the id of another who left would get that one's
 * answers. So an id is bound to the descriptor that its message came by, and the binding ends when
 * that descriptor disconnects.
 *
 * Invariant: what is told of descriptors (accepted, disconnected) is told in order and before the
 * message of a new connection is bound. A message may still come late, from a connection already
 * gone. */
#ifndef LUJIAN_BUS_DOOR_TABLE_H
#define LUJIAN_BUS_DOOR_TABLE_H

#include "base/map.h"
#include "bus/door.h"

struct door_peer;
struct door_descriptor;

struct door_table {
    struct map by_id; /* routing id -> struct door_peer */
    struct door_descriptor *descriptors;
    int descriptor_count;
    uint64_t last_connection;
    void (*on_gone)(void *ctx, const struct door_address *who);
    void *ctx;
};

void door_table_init(struct door_table *t,
                     void (*on_gone)(void *ctx, const struct door_address *who), void *ctx);
void door_table_clear(struct door_table *t);
void door_table_accepted(struct door_table *t, int fd);
void door_table_disconnected(struct door_table *t, int fd);
/* NULL where this id, descriptor and user are not bound together. */
const struct door_address *door_table_find(const struct door_table *t,
                                           const uint8_t routing_id[DOOR_ROUTING_ID_SIZE], int fd,
                                           const char *user);
/* Binds them. Where the descriptor is closed already, the address is one that nothing can be sent
 * to. */
struct door_address door_table_bind(struct door_table *t,
                                    const uint8_t routing_id[DOOR_ROUTING_ID_SIZE], int fd,
                                    const char *user);
/* Is the address still that connection and that user? */
bool door_table_holds(const struct door_table *t, const struct door_address *address);

#endif

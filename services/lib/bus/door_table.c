/* The table of a door's connections, by routing id and by descriptor. */
#include "bus/door_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define DESCRIPTORS_FIRST 64
/* Late messages of connections that are gone can bind ids to a descriptor that has a new owner.
 * They leave with its next disconnect; more than these at a time are not kept. */
#define PEERS_PER_DESCRIPTOR_MAX 4

struct door_peer {
    struct door_address address;
    int fd;
    struct door_peer *next; /* of the same descriptor, the newest first */
};

struct door_descriptor {
    bool open;
    struct door_peer *first;
};

void door_table_init(struct door_table *t,
                     void (*on_gone)(void *ctx, const struct door_address *who), void *ctx)
{
    *t = (struct door_table){ .on_gone = on_gone, .ctx = ctx };
    map_init(&t->by_id);
}

void door_table_clear(struct door_table *t)
{
    MAP_EACH (&t->by_id, slot)
        free(slot->value);
    map_clear(&t->by_id);
    free(t->descriptors);
    t->descriptors = NULL;
    t->descriptor_count = 0;
}

static struct door_peer *peer_by_id(const struct door_table *t, const uint8_t *routing_id)
{
    return map_get_bytes(&t->by_id, (const char *)routing_id, DOOR_ROUTING_ID_SIZE);
}

static void peer_drop(struct door_table *t, struct door_peer *peer)
{
    struct door_peer **link = &t->descriptors[peer->fd].first;
    while (*link != peer)
        link = &(*link)->next;
    *link = peer->next;
    map_remove_bytes(&t->by_id, (const char *)peer->address.routing_id, DOOR_ROUTING_ID_SIZE);
    t->on_gone(t->ctx, &peer->address);
    free(peer);
}

static struct door_descriptor *descriptor_of(struct door_table *t, int fd)
{
    assert_always(fd >= 0);
    if (fd >= t->descriptor_count) {
        int count = t->descriptor_count ? t->descriptor_count : DESCRIPTORS_FIRST;
        while (count <= fd)
            count *= 2;
        t->descriptors = realloc(t->descriptors, (size_t)count * sizeof(t->descriptors[0]));
        assert_always(t->descriptors);
        memset(t->descriptors + t->descriptor_count, 0,
               (size_t)(count - t->descriptor_count) * sizeof(t->descriptors[0]));
        t->descriptor_count = count;
    }
    return &t->descriptors[fd];
}

void door_table_accepted(struct door_table *t, int fd)
{
    descriptor_of(t, fd)->open = true;
}

void door_table_disconnected(struct door_table *t, int fd)
{
    descriptor_of(t, fd)->open = false;
    while (t->descriptors[fd].first)
        peer_drop(t, t->descriptors[fd].first);
}

const struct door_address *door_table_find(const struct door_table *t,
                                           const uint8_t routing_id[DOOR_ROUTING_ID_SIZE], int fd,
                                           const char *user)
{
    const struct door_peer *peer = peer_by_id(t, routing_id);
    return peer && peer->fd == fd && strcmp(peer->address.user, user) == 0 ? &peer->address : NULL;
}

static void descriptor_trim(struct door_table *t, struct door_descriptor *descriptor)
{
    int count = 0;
    struct door_peer *last = NULL;
    for (struct door_peer *peer = descriptor->first; peer; peer = peer->next, count++)
        last = peer;
    if (count >= PEERS_PER_DESCRIPTOR_MAX)
        peer_drop(t, last);
}

struct door_address door_table_bind(struct door_table *t,
                                    const uint8_t routing_id[DOOR_ROUTING_ID_SIZE], int fd,
                                    const char *user)
{
    struct door_address address = { .connection = 0 };
    memcpy(address.routing_id, routing_id, DOOR_ROUTING_ID_SIZE);
    size_t length = strlen(user);
    assert_always(length < sizeof(address.user));
    memcpy(address.user, user, length + 1);

    /* The id speaks for somebody else from now on. */
    struct door_peer *peer = peer_by_id(t, routing_id);
    if (peer)
        peer_drop(t, peer);
    struct door_descriptor *descriptor = descriptor_of(t, fd);
    if (!descriptor->open)
        return address;
    descriptor_trim(t, descriptor);

    peer = calloc(1, sizeof(*peer));
    assert_always(peer);
    address.connection = ++t->last_connection;
    peer->address = address;
    peer->fd = fd;
    peer->next = descriptor->first;
    descriptor->first = peer;
    map_put_bytes(&t->by_id, (const char *)peer->address.routing_id, DOOR_ROUTING_ID_SIZE, peer);
    return address;
}

bool door_table_holds(const struct door_table *t, const struct door_address *address)
{
    const struct door_peer *peer = peer_by_id(t, address->routing_id);
    return peer && peer->address.connection == address->connection &&
           strcmp(peer->address.user, address->user) == 0;
}

/* peers.ini: who is where. One section an instance: service, door, pulse, admin, public_key. */
#ifndef LUJIAN_BUS_PEERS_H
#define LUJIAN_BUS_PEERS_H

#include "base/arena.h"

struct peer {
    const char *instance, *service, *door, *pulse, *admin, *public_key;
};

struct peers {
    struct arena arena;
    struct peer *items;
    int count;
};

int peers_read(const char *path, struct peers *ret);
void peers_clear(struct peers *p);
const struct peer *peers_by_key(const struct peers *p, const char *public_key);

#endif

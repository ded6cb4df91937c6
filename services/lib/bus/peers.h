/* peers.ini: who is where. One section an instance: service, door, pulse, admin, public_key. */
#ifndef LUJIAN_BUS_PEERS_H
#define LUJIAN_BUS_PEERS_H

#include "base/arena.h"

#define PEERS_MAX 256

/* What a section leaves out is "". The edge has no door and no pulse: it is listed for its key. */
struct peer {
    const char *instance, *service, *door, *pulse, *admin, *public_key;
};

struct peers {
    struct arena arena;
    struct peer *items;
    int count;
};

/* ERR_NOT_FOUND: no such file. ERR_INVALID_ARGUMENT, with the line or section and the reason: an
 * unknown or doubled name, a section without service or with a malformed key or endpoint, a public
 * key that two sections share. `ret` is untouched on failure and cleared by peers_clear otherwise.
 */
int peers_read(const char *path, struct peers *ret);
void peers_clear(struct peers *p);
const struct peer *peers_by_key(const struct peers *p, const char *public_key);
const struct peer *peers_by_instance(const struct peers *p, const char *instance);

#endif

/* Who speaks: CURVE keys to User-Ids, and User-Ids to principals, looked up again for every
 * message.
 *
 * The cluster's own replicas are known by the peers file, as principals "service:NAME"; everyone
 * else by the registry's mirror. A key that left either is nobody from then on, connected or not.
 */
#ifndef LUJIAN_CALL_CALLERS_H
#define LUJIAN_CALL_CALLERS_H

#include <stdbool.h>

#include "bus/door.h"
#include "reference/snapshot.h"

struct callers;
struct loop;

/* Reads the peers file ("" = none) and again whenever it changes. Belongs to the loop thread. */
int callers_open(struct callers **ret, struct loop *loop, const char *peers_path);
void callers_close(struct callers *callers); /* NULL is fine */

/* The door's authenticate; `ctx` is the callers. */
bool callers_authenticate(void *ctx, const char *curve_public, char out_user[DOOR_USER_MAX]);

struct caller {
    const struct principal *speaker; /* whose key it is */
    const struct principal *actor;   /* on whose behalf: all checks, keys and limits use this one */
};
/* ERR_UNAUTHENTICATED: no such principal or key any more. ERR_PERMISSION_DENIED: on_behalf of a
 * speaker that is no edge. The principals live as long as the snapshot. */
int callers_resolve(struct callers *callers, const struct snapshot *snapshot, const char *user,
                    const char *on_behalf, struct caller *ret);

/* A cluster member that no limit applies to, or anyone else? */
bool caller_is_own(const struct caller *caller);

#endif

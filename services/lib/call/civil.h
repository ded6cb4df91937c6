/* Civil time for what has no legal effect (queries, views, preparations): the database's clock,
 * carried on by the monotonic one for a second at most, and the offset. Acts read it anew after
 * their locks (tx_now). */
#ifndef LUJIAN_CALL_CIVIL_H
#define LUJIAN_CALL_CIVIL_H

#include "pg/pg.h"

#define CIVIL_CARRY_MS 1000

int civil_now(struct pg *pg, struct arena *arena, int64_t *ret_now_ms);

#endif

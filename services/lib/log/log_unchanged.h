/* Is an answer that was made from this database earlier still the answer?
 *
 * It is, where nothing under its divisions was appended since: every change that a reader can see
 * writes its event in its own transaction, under the division that it is seen in (and moved_out
 * under the one that it left), and positions are in commit order. */
#ifndef LUJIAN_LOG_LOG_UNCHANGED_H
#define LUJIAN_LOG_LOG_UNCHANGED_H

#include "pg/pg.h"

#define LOG_UNCHANGED_MAX 512 /* events that are looked at: fewer than a page of rows costs */

struct log_standing {
    int64_t epoch, head; /* of the snapshot that was looked at */
    bool unchanged;      /* false also where too much came since to look */
};
/* `divisions` is a text[] of prefixes; the epoch is the caller's to compare. */
int log_unchanged(struct pg *pg, struct arena *arena, int64_t since, struct pg_param divisions,
                  struct log_standing *ret);
/* Which database this is: the server's identity and the database's. */
int log_place(struct pg *pg, struct arena *arena, const char **ret_place);

#endif

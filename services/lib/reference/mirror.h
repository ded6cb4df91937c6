/* The mirror: the registry's facts in this service's own database, applied from its events, and the
 * thread that makes the process's snapshot of them.
 *
 * Rows and position move in the transaction that moves the consumer's cursor, so each event counts
 * exactly once; that transaction also notifies every replica of this service. A replica hears it,
 * or finds it within a second, and builds its snapshot anew; so too when the civil day changes. */
#ifndef LUJIAN_REFERENCE_MIRROR_H
#define LUJIAN_REFERENCE_MIRROR_H

#include "log/log_read.h"
#include "reference/snapshot.h"

/* Applies events of the registry's stream, in order, newest per key; others than
 * reference.changed.v1 are passed over. Set-based: give it as many as there are.
 * ERR_INVALID_ARGUMENT: an event whose data are not of the contract. */
int mirror_apply(struct tx *tx, const struct log_record *records, int count);
/* The head that the registry named in its first answer has been reached: the facts are whole. Stays
 * so for good. */
int mirror_reached(struct tx *tx);
/* Makes every replica's mirror look at once after the commit: the registry calls it when it has
 * told new facts. mirror_apply does so by itself. */
int mirror_notify(struct tx *tx);

struct mirror;

struct mirror_options {
    const struct pg_options *pg; /* what it points to must outlive the mirror */
    /* The registry: the stream is the log of this very database, and the mirror's thread applies
     * it.
     */
    bool own_log;
    /* On the mirror's thread (the first time on the caller's), after a new snapshot was installed;
     * may be NULL. */
    void (*on_change)(void *ctx, const struct snapshot *s);
    /* On the mirror's thread: no snapshot can be made of the rows and the old one stays; NULL = all
     * is well again. May be NULL. */
    void (*on_fault)(void *ctx, const char *detail);
    void *ctx;
};

/* Reads the rows, installs the first snapshot, starts the thread. ERR_AGAIN: the database cannot be
 * reached. */
int mirror_open(struct mirror **ret, const struct mirror_options *options);
void mirror_close(struct mirror *m);
/* Civil time moved: look now, not within a second. */
void mirror_wake(struct mirror *m);
/* Are the facts whole: was the first head reached when the snapshot in use was read? */
bool mirror_ready(const struct mirror *m);

extern const struct pg_module reference_module;

#endif

/* One batch of commands in one transaction. */
#ifndef LUJIAN_COMMIT_BATCH_H
#define LUJIAN_COMMIT_BATCH_H

#include "commit/command.h"

#define BATCH_MEMBERS_MAX 64
#define BATCH_BYTES_MAX   (1024 * 1024)
#define BATCH_RERUNS_MAX  3 /* of a member that met a serialization failure or a deadlock */

struct batch {
    struct pg *pg;
    struct arena arena; /* of one run: what members read from the database lives here */
    struct tx tx;
    struct command **members;
    int count;
    bool read_only; /* the server turned out to be a standby: open another connection */

    /* of the last run */
    int64_t head;              /* newest position written; 0 = none */
    int commits;               /* transactions that were committed, or may have been */
    bool alone;                /* the members had to be run alone */
    struct err_detail failure; /* of the last transaction that failed */
};

void batch_init(struct batch *b);
void batch_clear(struct batch *b);

/* Runs the members, no two of which share a name, and decides on each: see enum verdict in
 * command.h. Answers may point into the batch's arena: they live until the next run. */
void batch_run(struct batch *b, struct pg *pg, struct command **members, int count);

/* claims.c: the steps before the first apply. Each decides on the members that it can; 0 or the
 * failure of the transaction. */
int batch_claim_keys(struct batch *b);
int batch_claim_matters(struct batch *b);
int batch_lock_subjects(struct batch *b);
/* The last write of a batch: what each applied key has done. */
int batch_record_keys(struct batch *b);

extern const struct pg_module commit_module;

#endif

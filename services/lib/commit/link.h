/* A thread's connection: opened when it is needed, opened again after it was lost, with a backoff
 * that a stop ends. */
#ifndef LUJIAN_COMMIT_LINK_H
#define LUJIAN_COMMIT_LINK_H

#include <pthread.h>

#include "pg/pg.h"

#define LINK_BACKOFF_MIN_MS 50
#define LINK_BACKOFF_MAX_MS 1000

/* Shared by threads that end together. */
struct link_stop {
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool stopping;
    int connected;
};

struct link {
    struct link_stop *stop;
    struct pg_options options;
    char application_name[64];
    struct pg *pg; /* NULL = not open */
    int64_t backoff_ms;
};

void link_stop_init(struct link_stop *s);
void link_stop_clear(struct link_stop *s);
void link_stop_all(struct link_stop *s);
int link_stop_connected(struct link_stop *s);

void link_init(struct link *l, struct link_stop *stop, const struct pg_options *options,
               const char *purpose);
/* Tries until it is open. False: stopping, or deadline_ms (mono; INT64_MAX = none) has passed. */
bool link_open(struct link *l, int64_t deadline_ms);
void link_close(struct link *l);
/* Closes it if it was lost. */
void link_check(struct link *l);

#endif

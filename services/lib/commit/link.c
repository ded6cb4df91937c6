/* Connections that come back. */
#include "commit/link.h"

#include <stdio.h>

#include "base/log.h"
#include "base/time.h"
#include "base/util.h"

void link_stop_init(struct link_stop *s)
{
    *s = (struct link_stop){ 0 };
    pthread_mutex_init(&s->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&s->ended, &attributes);
    pthread_condattr_destroy(&attributes);
}

void link_stop_clear(struct link_stop *s)
{
    pthread_cond_destroy(&s->ended);
    pthread_mutex_destroy(&s->mutex);
}

void link_stop_all(struct link_stop *s)
{
    pthread_mutex_lock(&s->mutex);
    s->stopping = true;
    pthread_cond_broadcast(&s->ended);
    pthread_mutex_unlock(&s->mutex);
}

int link_stop_connected(struct link_stop *s)
{
    pthread_mutex_lock(&s->mutex);
    int connected = s->connected;
    pthread_mutex_unlock(&s->mutex);
    return connected;
}

static void count_connected(struct link_stop *s, int by)
{
    pthread_mutex_lock(&s->mutex);
    s->connected += by;
    pthread_mutex_unlock(&s->mutex);
}

void link_init(struct link *l, struct link_stop *stop, const struct pg_options *options,
               const char *purpose)
{
    *l = (struct link){ .stop = stop, .options = *options, .backoff_ms = LINK_BACKOFF_MIN_MS };
    snprintf(l->application_name, sizeof(l->application_name), "%.40s %.20s",
             options->application_name, purpose);
}

/* False = stopping. */
static bool wait_until(struct link_stop *s, int64_t until_ms)
{
    struct timespec t = { .tv_sec = until_ms / 1000, .tv_nsec = (until_ms % 1000) * 1000000 };
    pthread_mutex_lock(&s->mutex);
    while (!s->stopping && mono_ms() < until_ms)
        pthread_cond_timedwait(&s->ended, &s->mutex, &t);
    bool stopping = s->stopping;
    pthread_mutex_unlock(&s->mutex);
    return !stopping;
}

bool link_open(struct link *l, int64_t deadline_ms)
{
    l->options.application_name = l->application_name;
    while (!l->pg) {
        struct pg *pg;
        if (pg_open(&pg, &l->options) >= 0) {
            l->pg = pg;
            l->backoff_ms = LINK_BACKOFF_MIN_MS;
            count_connected(l->stop, 1);
            return true;
        }
        log_error_last(LOG_WARN, "PG-CONNECT-FAILED");
        int64_t now_ms = mono_ms();
        if (now_ms >= deadline_ms || !wait_until(l->stop, MIN(now_ms + l->backoff_ms, deadline_ms)))
            return false;
        l->backoff_ms = MIN(l->backoff_ms * 2, LINK_BACKOFF_MAX_MS);
    }
    return true;
}

void link_close(struct link *l)
{
    if (!l->pg)
        return;
    pg_close(l->pg);
    l->pg = NULL;
    count_connected(l->stop, -1);
}

void link_check(struct link *l)
{
    if (l->pg && !pg_alive(l->pg))
        link_close(l);
}

/* Alarms: what an operator must look at, from when it was raised until it is cleared. Each is
 * logged when it comes and when it goes, not every time that it is raised again. */
#include "service/alarm.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/time.h"
#include "log/tx.h"

void alarms_init(struct alarms *a)
{
    *a = (struct alarms){ 0 };
    pthread_mutex_init(&a->mutex, NULL);
}

void alarms_clear(struct alarms *a)
{
    pthread_mutex_destroy(&a->mutex);
}

static struct alarm *find(struct alarms *a, const char *code, const char *subject)
{
    for (int i = 0; i < a->count; i++) {
        if (strcmp(a->items[i].code, code) == 0 && strcmp(a->items[i].subject, subject) == 0)
            return &a->items[i];
    }
    return NULL;
}

void alarms_raise(struct alarms *a, const char *code, const char *subject, const char *detail)
{
    pthread_mutex_lock(&a->mutex);
    struct alarm *one = find(a, code, subject);
    bool fresh = !one;
    if (!one && a->count < ALARMS_MAX) {
        one = &a->items[a->count++];
        snprintf(one->code, sizeof(one->code), "%s", code);
        snprintf(one->subject, sizeof(one->subject), "%s", subject);
        one->since_ms = wall_ms() + civil_offset_ms();
    }
    if (one)
        snprintf(one->detail, sizeof(one->detail), "%s", detail);
    else
        a->dropped++;
    pthread_mutex_unlock(&a->mutex);
    if (fresh)
        log_line(LOG_ERROR, "ALARM-RAISED", LF_TEXT("code", code), LF_TEXT("subject", subject),
                 LF_TEXT("detail", detail));
}

void alarms_lower(struct alarms *a, const char *code, const char *subject)
{
    pthread_mutex_lock(&a->mutex);
    struct alarm *one = find(a, code, subject);
    if (one)
        *one = a->items[--a->count];
    pthread_mutex_unlock(&a->mutex);
    if (one)
        log_line(LOG_INFO, "ALARM-CLEARED", LF_TEXT("code", code), LF_TEXT("subject", subject));
}

int alarms_copy(struct alarms *a, struct alarm ret[ALARMS_MAX], int64_t *ret_dropped)
{
    pthread_mutex_lock(&a->mutex);
    memcpy(ret, a->items, sizeof(a->items[0]) * (size_t)a->count);
    int count = a->count;
    *ret_dropped = a->dropped;
    pthread_mutex_unlock(&a->mutex);
    return count;
}

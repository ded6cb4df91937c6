/* Private to service/: the alarms of a replica. Raised and cleared from any thread. */
#ifndef LUJIAN_SERVICE_ALARM_H
#define LUJIAN_SERVICE_ALARM_H

#include <pthread.h>
#include <stdint.h>

#define ALARMS_MAX 64 /* as many as a status can hold */

struct alarm {
    char code[48], subject[65], detail[256];
    int64_t since_ms; /* civil time */
};

struct alarms {
    pthread_mutex_t mutex;
    struct alarm items[ALARMS_MAX];
    int count;
    int64_t dropped; /* raised while the list was full */
};

void alarms_init(struct alarms *a);
void alarms_clear(struct alarms *a);
void alarms_raise(struct alarms *a, const char *code, const char *subject, const char *detail);
void alarms_lower(struct alarms *a, const char *code, const char *subject);
/* Copies what stands; the count. */
int alarms_copy(struct alarms *a, struct alarm ret[ALARMS_MAX], int64_t *ret_dropped);

#endif

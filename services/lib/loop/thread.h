/* Threads: named, with small stacks and all signals blocked, so that only the loop sees them. */
#ifndef LUJIAN_LOOP_THREAD_H
#define LUJIAN_LOOP_THREAD_H

#include <pthread.h>

int thread_start(pthread_t *ret, const char *name, void *(*fn)(void *arg), void *arg);

#endif

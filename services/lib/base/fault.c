/* Fault points: the environment is read once, passes are counted, and the process ends or stops by
 * signal so that nothing of it runs on. */
#include "base/fault.h"

#ifdef LUJIAN_FAULT_POINTS

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define FAULTS_MAX 8

struct fault {
    char name[64];
    int signal;
    atomic_long passes_left;
};

static struct fault faults[FAULTS_MAX];
static int fault_count;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Atomic(void (*)(const char *)) fault_hook;

/* A fault that is misspelt would let a test pass that tested nothing: it ends the process. */
static void fault_parse(char *text)
{
    char *place = NULL;
    char *name = strtok_r(text, ":", &place);
    char *action = strtok_r(NULL, ":", &place);
    char *pass = strtok_r(NULL, ":", &place);
    assert_always(name && action && fault_count < FAULTS_MAX);
    assert_always(strcmp(action, "crash") == 0 || strcmp(action, "stop") == 0);
    struct fault *f = &faults[fault_count++];
    snprintf(f->name, sizeof(f->name), "%s", name);
    f->signal = strcmp(action, "crash") == 0 ? SIGKILL : SIGSTOP;
    atomic_store(&f->passes_left, pass ? strtol(pass, NULL, 10) : 1);
}

static void fault_read_environment(void)
{
    const char *value = getenv("LUJIAN_FAULT");
    if (!value)
        return;
    char *copy = strdup(value);
    assert_always(copy);
    char *place = NULL;
    for (char *one = strtok_r(copy, ",", &place); one; one = strtok_r(NULL, ",", &place))
        fault_parse(one);
    free(copy);
}

void fault_set_hook(void (*hook)(const char *name))
{
    atomic_store(&fault_hook, hook);
}

void fault_point(const char *name)
{
    pthread_once(&once, fault_read_environment);
    void (*hook)(const char *) = atomic_load(&fault_hook);
    if (hook)
        hook(name);
    for (int i = 0; i < fault_count; i++) {
        if (strcmp(faults[i].name, name) == 0 && atomic_fetch_sub(&faults[i].passes_left, 1) == 1)
            raise(faults[i].signal); /* to this very thread: it goes no further */
    }
}

#endif

/* Named threads with small stacks and all signals blocked. */
#include "loop/thread.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"

/* Stacks are address space that is paid for as it is touched; small ones catch what puts buffers on
 * them. The sanitizers' frames are several times as large. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_BYTES ((size_t)2 * 1024 * 1024)
#else
#define STACK_BYTES ((size_t)256 * 1024)
#endif
#define NAME_SIZE 16 /* the kernel's limit, NUL included */

struct birth {
    char name[NAME_SIZE];
    void *(*fn)(void *arg);
    void *arg;
};

static void *thread_main(void *arg)
{
    struct birth birth = *(struct birth *)arg;
    free(arg);
    pthread_setname_np(pthread_self(), birth.name);
    return birth.fn(birth.arg);
}

int thread_start(pthread_t *ret, const char *name, void *(*fn)(void *arg), void *arg)
{
    struct birth *birth = malloc(sizeof(*birth));
    assert_always(birth);
    snprintf(birth->name, sizeof(birth->name), "%s", name);
    birth->fn = fn;
    birth->arg = arg;

    pthread_attr_t attr;
    assert_always(pthread_attr_init(&attr) == 0);
    assert_always(pthread_attr_setstacksize(&attr, STACK_BYTES) == 0);
    /* A mask is inherited: blocked before the start, no signal can reach the thread's first
     * instructions. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    int r = pthread_create(&thread, &attr, thread_main, birth);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (r != 0) {
        free(birth);
        return err_errno(ERR_INTERNAL, r, "thread %s", name);
    }
    *ret = thread;
    return 0;
}

/* Loop: posts from many threads all run, each thread's in order; stop is sticky; timers and signals
 * fire and can be freed in their own callbacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/time.h"
#include "base/util.h"
#include "loop/loop.h"
#include "loop/thread.h"

enum { POSTERS = 4, POSTS = 50000 };

struct arrival {
    struct mail *mail;
    int poster, number;
};

struct mail {
    struct loop *loop;
    int next[POSTERS];
    int total, out_of_order;
    struct arrival *arrivals;
};

static struct mail mail;

static void arrive(void *arg)
{
    struct arrival *a = arg;
    if (mail.next[a->poster]++ != a->number)
        mail.out_of_order++;
    if (++mail.total == POSTERS * POSTS)
        loop_stop(mail.loop);
}

static void *poster_main(void *arg)
{
    struct arrival *own = arg;
    for (int i = 0; i < POSTS; i++)
        loop_post(mail.loop, arrive, &own[i]);
    return NULL;
}

static void test_posts_arrive_in_order(void **state UNUSED)
{
    mail = (struct mail){ 0 };
    assert_int_equal(loop_new(&mail.loop), 0);
    struct arrival *arrivals = calloc(POSTERS * POSTS, sizeof(*arrivals));
    pthread_t threads[POSTERS];
    for (int p = 0; p < POSTERS; p++) {
        for (int i = 0; i < POSTS; i++)
            arrivals[p * POSTS + i] = (struct arrival){ .poster = p, .number = i };
        assert_int_equal(thread_start(&threads[p], "poster", poster_main, &arrivals[p * POSTS]), 0);
    }
    loop_run(mail.loop);
    for (int p = 0; p < POSTERS; p++)
        pthread_join(threads[p], NULL);
    assert_int_equal(mail.total, POSTERS * POSTS);
    assert_int_equal(mail.out_of_order, 0);
    free(arrivals);
    loop_free(mail.loop);
}

static void count_up(void *arg)
{
    ++*(int *)arg;
}

static void test_stop_before_run_ends_it_after_earlier_posts(void **state UNUSED)
{
    struct loop *loop;
    int before = 0, after = 0;
    assert_int_equal(loop_new(&loop), 0);
    loop_post(loop, count_up, &before);
    loop_stop(loop);
    loop_run(loop);
    assert_int_equal(before, 1);
    /* Dropped, not run, and nothing leaks. */
    loop_post(loop, count_up, &after);
    loop_free(loop);
    assert_int_equal(after, 0);
}

struct ticks {
    struct loop *loop;
    struct loop_timer *timer;
    int count;
    int64_t started_ms, first_ms;
};

static void tick(void *arg)
{
    struct ticks *t = arg;
    if (t->count++ == 0)
        t->first_ms = mono_ms();
    if (t->count == 3) {
        loop_timer_free(t->timer);
        loop_stop(t->loop);
    }
}

static void test_timer_counts_from_now_and_repeats(void **state UNUSED)
{
    struct ticks t = { 0 };
    assert_int_equal(loop_new(&t.loop), 0);
    t.timer = loop_timer_new(t.loop, tick, &t);
    /* libuv's own idea of now is as old as the turn: a timer started after long work must not fire
     * early. */
    int64_t until = mono_ms() + 60;
    while (mono_ms() < until)
        ;
    t.started_ms = mono_ms();
    loop_timer_start(t.timer, 30, 5);
    loop_run(t.loop);
    assert_int_equal(t.count, 3);
    assert_true(t.first_ms - t.started_ms >= 29);
    loop_free(t.loop);
}

static void never(void *arg UNUSED)
{
    fail_msg("a stopped timer fired");
}

static void stop_loop(void *arg)
{
    loop_stop(arg);
}

static void test_stopped_timer_stays_silent(void **state UNUSED)
{
    struct loop *loop;
    assert_int_equal(loop_new(&loop), 0);
    struct loop_timer *silent = loop_timer_new(loop, never, NULL);
    struct loop_timer *end = loop_timer_new(loop, stop_loop, loop);
    loop_timer_start(silent, 1, 1);
    loop_timer_stop(silent);
    loop_timer_start(end, 20, 0);
    loop_run(loop);
    loop_timer_free(silent);
    loop_timer_free(end);
    loop_timer_free(NULL);
    loop_free(loop);
}

struct signalled {
    struct loop *loop;
    struct loop_signals *signals;
    int number;
};

static void on_signal(void *arg, int number)
{
    struct signalled *s = arg;
    s->number = number;
    loop_signals_free(s->signals);
    loop_stop(s->loop);
}

static void *blocked_main(void *arg)
{
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    char name[16];
    pthread_getname_np(pthread_self(), name, sizeof(name));
    pthread_attr_t attr;
    size_t stack = 0;
    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstacksize(&attr, &stack);
    pthread_attr_destroy(&attr);
    int *ok = arg;
    *ok = sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGUSR1) == 1 &&
          strcmp(name, "very-long-threa") == 0 && stack <= 4 * 1024 * 1024;
    return NULL;
}

static void test_signals_reach_the_loop_only(void **state UNUSED)
{
    struct signalled s = { 0 };
    assert_int_equal(loop_new(&s.loop), 0);
    const int numbers[] = { SIGUSR1, SIGUSR2 };
    assert_int_equal(loop_signals_new(&s.signals, s.loop, numbers, 2, on_signal, &s), 0);
    kill(getpid(), SIGUSR2);
    loop_run(s.loop);
    assert_int_equal(s.number, SIGUSR2);
    const int impossible[] = { SIGUSR1, SIGKILL };
    assert_int_equal(loop_signals_new(&s.signals, s.loop, impossible, 2, on_signal, &s),
                     ERR_INTERNAL);
    loop_free(s.loop);

    int ok = 0;
    pthread_t thread;
    assert_int_equal(thread_start(&thread, "very-long-thread-name", blocked_main, &ok), 0);
    pthread_join(thread, NULL);
    assert_int_equal(ok, 1);
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGTERM), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_posts_arrive_in_order),
        cmocka_unit_test(test_stop_before_run_ends_it_after_earlier_posts),
        cmocka_unit_test(test_timer_counts_from_now_and_repeats),
        cmocka_unit_test(test_stopped_timer_stays_silent),
        cmocka_unit_test(test_signals_reach_the_loop_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

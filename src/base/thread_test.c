/* SPDX-License-Identifier: MIT
 *
 * thread_test - what a thread of the library looks like to the program that embeds it */
#include "base/thread.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct seen {
    pthread_barrier_t named; /* the thread lives until its name was read */
    sigset_t mask;
};

static void *look_around(void *context)
{
    struct seen *const seen = context;

    pthread_sigmask(SIG_SETMASK, NULL, &seen->mask);
    pthread_barrier_wait(&seen->named);
    return seen;
}

static void starts_with_name_context_and_no_signals(void **state)
{
    struct seen seen;
    char name[THREAD_NAME_SIZE];
    pthread_t thread;
    void *result = NULL;

    (void)state;
    assert_int_equal(pthread_barrier_init(&seen.named, NULL, 2), 0);
    assert_int_equal(thread_start(&thread, "fifteen letters", look_around, &seen), 0);
    assert_int_equal(pthread_getname_np(thread, name, sizeof name), 0);
    assert_string_equal(name, "fifteen letters");
    pthread_barrier_wait(&seen.named);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, &seen);
    pthread_barrier_destroy(&seen.named);

    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGALRM, SIGUSR1, SIGPROF};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        assert_int_equal(sigismember(&seen.mask, signals[i]), 1);
}

static void *do_nothing(void *context)
{
    return context;
}

/* The one who starts it keeps the signals it had. */
static void leaves_the_callers_mask_alone(void **state)
{
    sigset_t before;
    sigset_t after;
    pthread_t thread;

    (void)state;
    sigemptyset(&before);
    sigaddset(&before, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert_int_equal(thread_start(&thread, "t", do_nothing, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    assert_int_equal(sigismember(&after, SIGUSR2), 1);
    assert_int_equal(sigismember(&after, SIGTERM), 0);
    sigdelset(&before, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_with_name_context_and_no_signals),
        cmocka_unit_test(leaves_the_callers_mask_alone),
    };
    return cmocka_run_group_tests_name("thread", tests, NULL, NULL);
}

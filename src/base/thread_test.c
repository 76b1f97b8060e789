/* SPDX-License-Identifier: MIT
 *
 * thread_test - a thread has its name and blocks every signal but a profiler's; its starter's mask
 * stays as it was
 */
#include "base/thread.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* What a thread found out about itself. */
struct seen {
    sigset_t mask;
    pthread_t self;
};

static void *look(void *context)
{
    struct seen *const seen = context;

    pthread_sigmask(SIG_SETMASK, NULL, &seen->mask);
    seen->self = pthread_self();
    return seen;
}

static void runs_with_its_context(void **state)
{
    struct seen seen;
    pthread_t thread;
    void *result = NULL;

    (void)state;
    assert_int_equal(thread_start(&thread, "test-context", look, &seen), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_ptr_equal(result, &seen);
    assert_true(pthread_equal(seen.self, thread));
    assert_false(pthread_equal(seen.self, pthread_self()));
}

static void blocks_every_signal_but_a_profilers(void **state)
{
    struct seen seen;
    pthread_t thread;

    (void)state;
    assert_int_equal(thread_start(&thread, "test-mask", look, &seen), 0);
    pthread_join(thread, NULL);
    for (int number = 1; number <= SIGRTMAX; number++) {
        /* These two cannot be blocked; those below SIGRTMIN are the C library's own. */
        if (number == SIGKILL || number == SIGSTOP || (number >= 32 && number < SIGRTMIN))
            continue;
        if (sigismember(&seen.mask, number) != (number != SIGPROF))
            fail_msg("signal %d is%s blocked", number, number == SIGPROF ? "" : " not");
    }
}

static void check_own_mask(int blocked, int open)
{
    sigset_t mask;

    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_int_equal(sigismember(&mask, blocked), 1);
    assert_int_equal(sigismember(&mask, open), 0);
}

static void leaves_the_mask_of_its_starter(void **state)
{
    struct seen seen;
    pthread_t thread;
    sigset_t usr1;
    sigset_t before;

    (void)state;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &usr1, &before);
    assert_int_equal(thread_start(&thread, "test-starter", look, &seen), 0);
    pthread_join(thread, NULL);
    check_own_mask(SIGUSR1, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void blocks_a_profilers_signal_if_its_starter_does(void **state)
{
    struct seen seen;
    pthread_t thread;
    sigset_t profiler;
    sigset_t before;

    (void)state;
    sigemptyset(&profiler);
    sigaddset(&profiler, SIGPROF);
    pthread_sigmask(SIG_BLOCK, &profiler, &before);
    assert_int_equal(thread_start(&thread, "test-profiler", look, &seen), 0);
    pthread_join(thread, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert_int_equal(sigismember(&seen.mask, SIGPROF), 1);
}

/* --- the name, which is set from outside: the thread must still be there --- */

struct gate {
    pthread_mutex_t mutex;
};

static void *wait_at_gate(void *context)
{
    struct gate *const gate = context;

    pthread_mutex_lock(&gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
    return NULL;
}

static void check_name(const char *name)
{
    struct gate gate = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    char found[THREAD_NAME_SIZE] = "";
    pthread_t thread;

    pthread_mutex_lock(&gate.mutex);
    assert_int_equal(thread_start(&thread, name, wait_at_gate, &gate), 0);
    assert_int_equal(pthread_getname_np(thread, found, sizeof found), 0);
    pthread_mutex_unlock(&gate.mutex);
    pthread_join(thread, NULL);
    assert_string_equal(found, name);
}

static void has_its_name(void **state)
{
    (void)state;
    check_name("x");
    check_name("ackd-worker-999"); /* 15 letters: the longest */
}

static void a_failed_start_is_an_errno_and_leaves_the_mask(void **state)
{
    struct seen seen;
    pthread_attr_t usual;
    pthread_attr_t huge;
    pthread_t thread = pthread_self();
    sigset_t usr1;
    sigset_t before;

    (void)state;
    if (sizeof(size_t) < 8)
        skip();
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &usr1, &before);

    /* A stack that no address space has room for. */
    assert_int_equal(pthread_getattr_default_np(&usual), 0);
    assert_int_equal(pthread_getattr_default_np(&huge), 0);
    assert_int_equal(pthread_attr_setstacksize(&huge, (size_t)1 << 60), 0);
    assert_int_equal(pthread_setattr_default_np(&huge), 0);
    const int code = thread_start(&thread, "test-huge", look, &seen);
    assert_int_equal(pthread_setattr_default_np(&usual), 0);
    pthread_attr_destroy(&usual);
    pthread_attr_destroy(&huge);

    assert_true(code == -EAGAIN || code == -ENOMEM || code == -EINVAL);
    check_own_mask(SIGUSR1, SIGUSR2);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* --- the size of the stack --- */

static void *measure_stack(void *size)
{
    pthread_attr_t attributes;

    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        pthread_attr_getstacksize(&attributes, size);
        pthread_attr_destroy(&attributes);
    }
    return NULL;
}

static size_t stack_size_of(size_t asked)
{
    size_t size = 0;
    pthread_t thread;

    assert_int_equal(thread_start_sized(&thread, "test-stack", asked, measure_stack, &size), 0);
    pthread_join(thread, NULL);
    return size;
}

/* Never less, but for the page that guards it.  More, but not the usual 8 MiB, where a sanitizer's
 * runtime needs more for itself, or where the C library had kept the stack of an older thread. */
static void has_the_stack_that_was_asked_for(void **state)
{
    enum { SMALL = 512 * 1024, LARGE = 24 * 1024 * 1024, GUARD_MAX = 64 * 1024 };
    size_t size;
    pthread_t thread;

    (void)state;
    assert_in_range(stack_size_of(SMALL), SMALL - GUARD_MAX, 4 * SMALL);
    assert_in_range(stack_size_of(LARGE), LARGE - GUARD_MAX, LARGE);
    assert_int_equal(thread_start_sized(&thread, "test-tiny", 1, measure_stack, &size), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_with_its_context),
        cmocka_unit_test(blocks_every_signal_but_a_profilers),
        cmocka_unit_test(leaves_the_mask_of_its_starter),
        cmocka_unit_test(blocks_a_profilers_signal_if_its_starter_does),
        cmocka_unit_test(has_its_name),
        cmocka_unit_test(a_failed_start_is_an_errno_and_leaves_the_mask),
        cmocka_unit_test(has_the_stack_that_was_asked_for),
    };
    return cmocka_run_group_tests_name("thread", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 *
 * tasks_test - this process lists its threads, their names and masks */
#include "profile/tasks.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/thread.h"
#include "profile/profile.h"

static void *wait_here(void *barrier)
{
    pthread_barrier_wait(barrier);
    pthread_barrier_wait(barrier);
    return NULL;
}

static void lists_threads_by_name(void **state)
{
    struct tasks tasks = {0};
    pthread_barrier_t barrier;
    pthread_t thread;
    size_t named = 0;
    char name[PROFILE_LABEL_SIZE];

    (void)state;
    pthread_barrier_init(&barrier, NULL, 2);
    assert_int_equal(tasks_read(&tasks), 0);
    const size_t before = tasks.count;
    assert_int_equal(thread_start(&thread, "test-listed", wait_here, &barrier), 0);
    pthread_barrier_wait(&barrier);
    assert_int_equal(tasks_read(&tasks), 0);
    assert_true(tasks.count > before); /* a sanitizer adds one of its own */
    assert_true(tasks_have(&tasks, gettid()));
    assert_false(tasks_have(&tasks, 1 << 30));
    for (size_t i = 0; i < tasks.count; i++) {
        tasks_name(tasks.tids[i], name);
        if (strcmp(name, "test-listed") == 0)
            named += tasks_take_signals(tasks.tids[i]);
    }
    assert_int_equal(named, 1);
    pthread_barrier_wait(&barrier);
    pthread_join(thread, NULL);
    tasks_deinit(&tasks);
    pthread_barrier_destroy(&barrier);
}

static void knows_who_blocks_the_signal(void **state)
{
    sigset_t prof;

    (void)state;
    sigemptyset(&prof);
    sigaddset(&prof, SIGPROF);
    pthread_sigmask(SIG_BLOCK, &prof, NULL);
    assert_false(tasks_take_signals(gettid()));
    pthread_sigmask(SIG_UNBLOCK, &prof, NULL);
    assert_true(tasks_take_signals(gettid()));
}

static void who_has_gone_has_no_name(void **state)
{
    char name[PROFILE_LABEL_SIZE];

    (void)state;
    tasks_name(1 << 30, name);
    assert_string_equal(name, "?");
    assert_false(tasks_take_signals(1 << 30));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_threads_by_name),
        cmocka_unit_test(knows_who_blocks_the_signal),
        cmocka_unit_test(who_has_gone_has_no_name),
    };
    return cmocka_run_group_tests_name("tasks", tests, NULL, NULL);
}

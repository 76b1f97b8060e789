/* SPDX-License-Identifier: MIT
 *
 * lock_test - one at a time; who waits is known; waiting gives the lock up.
 * profile/contention_test.c looks at what a profiler is told */
#include "base/lock.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/thread.h"

enum { ROUND_COUNT = 20000, WAIT_COUNT = 200000, THREAD_COUNT = 4 };

struct shared {
    struct lock lock;
    pthread_cond_t changed;
    uint64_t number; /* not atomic: the lock is what keeps it right */
    bool is_ready;
};

static void *count(void *context)
{
    struct shared *const shared = context;

    for (int i = 0; i < ROUND_COUNT; i++) {
        lock_take(&shared->lock);
        shared->number++;
        lock_release(&shared->lock);
    }
    return NULL;
}

static void one_at_a_time(void **state)
{
    struct shared shared = {.number = 0};
    pthread_t threads[THREAD_COUNT];

    (void)state;
    lock_init(&shared.lock);
    for (int i = 0; i < THREAD_COUNT; i++)
        assert_int_equal(thread_start(&threads[i], "test-count", count, &shared), 0);
    for (int i = 0; i < THREAD_COUNT; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(shared.number, ROUND_COUNT * THREAD_COUNT);
    assert_int_equal(shared.lock.waiting_count, 0);
    lock_deinit(&shared.lock);
}

struct rounds {
    struct lock lock;
    atomic_int begun;
    atomic_int ended;
};

static void wait_until(atomic_int *number, int wanted)
{
    while (atomic_load(number) < wanted)
        sched_yield();
}

static void *wait_each_round(void *context)
{
    struct rounds *const rounds = context;

    for (int i = 1; i <= WAIT_COUNT; i++) {
        wait_until(&rounds->begun, i);
        lock_take(&rounds->lock);
        lock_release(&rounds->lock);
        atomic_store(&rounds->ended, i);
    }
    return NULL;
}

/* Holds the lock until somebody waits; true if the wait is then known to have begun since. */
static bool is_told_the_begin(struct rounds *rounds, int round)
{
    lock_take(&rounds->lock);
    const uint64_t begin_ns = clock_monotonic_ns();
    atomic_store(&rounds->begun, round);
    for (int i = 1; atomic_load(&rounds->lock.waiting_count) == 0; i++) {
        if (i % 10000 == 0)
            sched_yield();
    }
    const uint64_t told_ns = atomic_load(&rounds->lock.wait_begin_ns);
    lock_release(&rounds->lock);
    wait_until(&rounds->ended, round);
    return told_ns >= begin_ns;
}

/* Whoever sees that there is a waiter sees since when: not since when there was one before. */
static void who_is_counted_has_begun(void **state)
{
    struct rounds rounds = {.begun = 0};
    pthread_t thread;
    int untold_count = 0;

    (void)state;
    lock_init(&rounds.lock);
    assert_int_equal(thread_start(&thread, "test-wait", wait_each_round, &rounds), 0);
    for (int i = 1; i <= WAIT_COUNT; i++)
        untold_count += !is_told_the_begin(&rounds, i);
    pthread_join(thread, NULL);
    assert_int_equal(untold_count, 0);
    lock_deinit(&rounds.lock);
}

static void *make_ready(void *context)
{
    struct shared *const shared = context;

    lock_take(&shared->lock);
    shared->is_ready = true;
    lock_release(&shared->lock);
    pthread_cond_signal(&shared->changed);
    return NULL;
}

static void waiting_gives_it_up(void **state)
{
    struct shared shared = {.is_ready = false};
    pthread_t thread;

    (void)state;
    lock_init(&shared.lock);
    pthread_cond_init(&shared.changed, NULL);
    lock_take(&shared.lock);
    assert_int_equal(thread_start(&thread, "test-ready", make_ready, &shared), 0);
    while (!shared.is_ready)
        lock_wait(&shared.lock, &shared.changed, NULL);
    lock_release(&shared.lock);
    pthread_join(thread, NULL);
    pthread_cond_destroy(&shared.changed);
    lock_deinit(&shared.lock);
}

static void waiting_ends_at_the_deadline(void **state)
{
    struct shared shared = {.is_ready = false};
    struct timespec deadline;

    (void)state;
    lock_init(&shared.lock);
    pthread_cond_init(&shared.changed, NULL);
    clock_gettime(CLOCK_REALTIME, &deadline);
    lock_take(&shared.lock);
    lock_wait(&shared.lock, &shared.changed, &deadline);
    lock_release(&shared.lock);
    pthread_cond_destroy(&shared.changed);
    lock_deinit(&shared.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(who_is_counted_has_begun),
        cmocka_unit_test(waiting_gives_it_up),
        cmocka_unit_test(waiting_ends_at_the_deadline),
    };
    return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}

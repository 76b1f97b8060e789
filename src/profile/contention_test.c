/* SPDX-License-Identifier: MIT
 *
 * contention_test - who waits for a lock, who held it, and who starts threads is known */
#include "profile/contention.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/thread.h"
#include "profile/kinds.h"
#include "profile/symbols.h"

enum { HOLD_MS = 60 };

static struct lock lock;

static void sleep_ms(long ms)
{
    const struct timespec time = {.tv_nsec = ms * 1000000};
    nanosleep(&time, NULL);
}

static void *hold(void *barrier)
{
    lock_take(&lock);
    pthread_barrier_wait(barrier);
    while (atomic_load(&lock.waiting_count) == 0)
        sleep_ms(1); /* on a busy machine the other comes later than it should */
    sleep_ms(HOLD_MS);
    lock_release(&lock);
    __asm__ volatile("" ::: "memory");
    return NULL;
}

static bool has_function(const struct profile *profile, const char *name)
{
    struct symbols *const symbols = symbols_open();
    struct symbol found[SYMBOLS_INLINE_DEPTH_MAX];
    bool has = false;

    for (size_t i = 0; i < profile->stack_count; i++) {
        for (uint32_t j = 0; j < profile->stacks[i]->depth; j++) {
            const size_t count = symbols_find(symbols, profile->stacks[i]->frames[j], found);
            for (size_t k = 0; k < count; k++)
                has = has || strcmp(found[k].function, name) == 0;
        }
    }
    symbols_close(symbols);
    return has;
}

static struct profile *take(int kind)
{
    struct profile *profile = NULL;
    struct ackd_error error;

    assert_int_equal(contention_take(&profile_kinds[kind], &profile, &error), 0);
    return profile;
}

static void waiters_and_holders_are_charged(void **state)
{
    pthread_barrier_t barrier;
    pthread_t thread;

    (void)state;
    lock_init(&lock);
    pthread_barrier_init(&barrier, NULL, 2);
    assert_int_equal(thread_start(&thread, "test-holder", hold, &barrier), 0);
    pthread_barrier_wait(&barrier);
    lock_take(&lock);
    lock_release(&lock);
    pthread_join(thread, NULL);

    struct profile *const block = take(PROFILE_BLOCK);
    struct profile *const mutex = take(PROFILE_MUTEX);
    struct profile *const started = take(PROFILE_THREADCREATE);
    assert_int_equal(profile_total(block, 0), 1);
    assert_in_range(profile_total(block, 1), (HOLD_MS - 30) * NS_PER_MS, 3000 * NS_PER_MS);
    assert_true(has_function(block, "waiters_and_holders_are_charged"));
    assert_int_equal(profile_total(mutex, 0), 1);
    assert_in_range(profile_total(mutex, 1), (HOLD_MS - 30) * NS_PER_MS, 3000 * NS_PER_MS);
    assert_true(has_function(mutex, "hold"));
    assert_int_equal(profile_total(started, 0), 1);
    assert_true(has_function(started, "waiters_and_holders_are_charged"));
    profile_free(block);
    profile_free(mutex);
    profile_free(started);
    pthread_barrier_destroy(&barrier);
    lock_deinit(&lock);
}

static void a_free_lock_is_not_counted(void **state)
{
    struct profile *const before = take(PROFILE_BLOCK);
    struct lock own;

    (void)state;
    lock_init(&own);
    for (int i = 0; i < 1000; i++) {
        lock_take(&own);
        lock_release(&own);
    }
    lock_deinit(&own);
    struct profile *const after = take(PROFILE_BLOCK);
    assert_int_equal(profile_total(after, 0), profile_total(before, 0));
    profile_free(before);
    profile_free(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiters_and_holders_are_charged),
        cmocka_unit_test(a_free_lock_is_not_counted),
    };
    return cmocka_run_group_tests_name("contention", tests, NULL, NULL);
}

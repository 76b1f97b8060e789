/* SPDX-License-Identifier: MIT
 *
 * lock - a mutex that tells a profiler who waited for it (lock.h) */
#include "base/lock.h"

#include <stddef.h>

#include "base/clock.h"

void lock_init(struct lock *lock)
{
    pthread_mutex_init(&lock->mutex, NULL);
    atomic_init(&lock->waiting_count, 0);
    atomic_init(&lock->wait_begin_ns, 0);
}

void lock_deinit(struct lock *lock)
{
    pthread_mutex_destroy(&lock->mutex);
}

static void wait_for(struct lock *lock)
{
    const uint64_t begin_ns = clock_monotonic_ns();

    if (atomic_fetch_add(&lock->waiting_count, 1) == 0)
        atomic_store(&lock->wait_begin_ns, begin_ns);
    pthread_mutex_lock(&lock->mutex);
    atomic_fetch_sub(&lock->waiting_count, 1);
    if (ackd_hook_lock_waited)
        ackd_hook_lock_waited(clock_monotonic_ns() - begin_ns);
}

void lock_take(struct lock *lock)
{
    if (pthread_mutex_trylock(&lock->mutex) != 0)
        wait_for(lock);
}

/* Others wait while the calling thread holds the lock. */
static void charge(struct lock *lock, uint32_t waiting_count)
{
    const uint64_t now_ns = clock_monotonic_ns();
    const uint64_t begin_ns = atomic_exchange(&lock->wait_begin_ns, now_ns);

    if (ackd_hook_lock_held && begin_ns != 0 && begin_ns < now_ns)
        ackd_hook_lock_held((now_ns - begin_ns) * waiting_count);
}

void lock_release(struct lock *lock)
{
    const uint32_t waiting_count = atomic_load_explicit(&lock->waiting_count, memory_order_relaxed);

    if (waiting_count > 0)
        charge(lock, waiting_count);
    pthread_mutex_unlock(&lock->mutex);
}

void lock_wait(struct lock *lock, pthread_cond_t *condition, const struct timespec *deadline)
{
    const uint32_t waiting_count = atomic_load_explicit(&lock->waiting_count, memory_order_relaxed);

    if (waiting_count > 0)
        charge(lock, waiting_count);
    if (deadline)
        pthread_cond_timedwait(condition, &lock->mutex, deadline);
    else
        pthread_cond_wait(condition, &lock->mutex);
}

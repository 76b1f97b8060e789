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

/* The begin is stored before the waiter is counted, so that who sees one counted never charges from
 * a begin of long ago.  At any time when some are counted, there was somebody waiting at every
 * moment since wait_begin_ns:
 * - when wait_begin_ns is written, there was from the written time on: a waiter writes when it
 *   began itself, a holder writes the present time while others are counted;
 * - who found nobody counted wrote it and waits since; a later writer is covered as above;
 * - who found another counted waits since then, and up to then it was true for that other.
 * So several who come at once may overwrite each other's begin, but all of these waits are real. */
static void wait_for(struct lock *lock)
{
    const uint64_t begin_ns = clock_monotonic_ns();

    if (atomic_load(&lock->waiting_count) == 0)
        atomic_store(&lock->wait_begin_ns, begin_ns);
    atomic_fetch_add(&lock->waiting_count, 1);
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

/* Charges the calling thread, which holds the lock, for those who wait for it. */
static void charge(struct lock *lock)
{
    /* Acquire: what was stored before a waiter was counted is seen below. */
    const uint32_t waiting_count = atomic_load_explicit(&lock->waiting_count, memory_order_acquire);

    if (waiting_count == 0)
        return;
    const uint64_t now_ns = clock_monotonic_ns();
    const uint64_t begin_ns = atomic_exchange(&lock->wait_begin_ns, now_ns);

    if (ackd_hook_lock_held && begin_ns != 0 && begin_ns < now_ns)
        ackd_hook_lock_held((now_ns - begin_ns) * waiting_count);
}

void lock_release(struct lock *lock)
{
    charge(lock);
    pthread_mutex_unlock(&lock->mutex);
}

void lock_wait(struct lock *lock, pthread_cond_t *condition, const struct timespec *deadline)
{
    charge(lock);
    if (deadline)
        pthread_cond_timedwait(condition, &lock->mutex, deadline);
    else
        pthread_cond_wait(condition, &lock->mutex);
}

/* SPDX-License-Identifier: MIT
 *
 * lock - a mutex that tells a profiler who waited for it, and for whom
 *
 * A free lock costs what a mutex costs.  Who finds it taken reads the clock; so does who gives it
 * up while others wait.  Two functions hear of that, if the program has them (libackd-profile
 * does): the names below are weak, so that this knows of no profiler. */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct lock {
    pthread_mutex_t mutex;
    _Atomic uint32_t waiting_count;
    _Atomic uint64_t wait_begin_ns; /* since when the present holder is waited for */
};

void lock_init(struct lock *lock);
void lock_deinit(struct lock *lock);

/* Takes @lock; waits for it as long as it takes. */
void lock_take(struct lock *lock);

/* Gives it up. */
void lock_release(struct lock *lock);

/* Gives the lock up until @condition is signalled, as pthread_cond_wait(); or @deadline, if it is
 * not NULL, has come, on the condition's clock. */
void lock_wait(struct lock *lock, pthread_cond_t *condition, const struct timespec *deadline);

/* The calling thread has waited for a lock so long. */
__attribute__((weak, visibility("default"))) void ackd_hook_lock_waited(uint64_t wait_ns);

/* The calling thread has held a lock for which others waited; @delay_ns is what that took them in
 * all. */
__attribute__((weak, visibility("default"))) void ackd_hook_lock_held(uint64_t delay_ns);

#endif

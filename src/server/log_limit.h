/* SPDX-License-Identifier: MIT
 *
 * log_limit - so many lines a second of one kind, over all workers
 *
 * One word, the second and the lines in it, so that workers share it without a lock. */
#ifndef SERVER_LOG_LIMIT_H
#define SERVER_LOG_LIMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct log_limit {
    _Atomic uint64_t window;   /* the second in the upper half, the lines in the lower */
    _Atomic uint32_t left_out; /* lines, since somebody said so */
};

/* True when one more line may be written at @now_ms; else it is counted as left out.  Any thread.
 */
static inline bool log_limit_take(struct log_limit *limit, uint32_t now_ms, uint32_t count_max)
{
    const uint64_t second = (uint64_t)(now_ms / 1000) << 32;
    uint64_t before = atomic_load(&limit->window);
    uint64_t after;

    do {
        after = (before >> 32 == second >> 32 ? before : second) + 1;
        if ((uint32_t)after > count_max) {
            atomic_fetch_add(&limit->left_out, 1);
            return false;
        }
    } while (!atomic_compare_exchange_weak(&limit->window, &before, after));
    return true;
}

/* How many lines were left out since the last call.  Any thread. */
static inline uint32_t log_limit_take_left_out(struct log_limit *limit)
{
    return atomic_load(&limit->left_out) > 0 ? atomic_exchange(&limit->left_out, 0) : 0;
}

#endif

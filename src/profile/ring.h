/* SPDX-License-Identifier: MIT
 *
 * ring - stacks on their way from one thread's signal handler to the collector
 *
 *      | weight, depth | frame | frame ... | weight, depth | ...      words; begin and end only
 * grow
 *
 * One thread puts (in a handler: nothing here locks, allocates or waits), one takes.  A stack that
 * finds no room is counted by its weight. */
#ifndef PROFILE_RING_H
#define PROFILE_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"

enum { RING_WORD_COUNT = 4096 }; /* 32 KiB: a hundred stacks */

struct ring {
    _Atomic uint32_t begin; /* the taker's */
    _Atomic uint32_t end;   /* the putter's */
    _Atomic uint64_t lost_count;
    uintptr_t words[RING_WORD_COUNT];
};

/* Puts a stack.  Only the ring's own thread.  Async-signal-safe. */
static inline void ring_put(struct ring *ring, const uintptr_t *frames, uint32_t depth,
                            uint32_t weight)
{
    const uint32_t begin = atomic_load_explicit(&ring->begin, memory_order_acquire);
    uint32_t end = atomic_load_explicit(&ring->end, memory_order_relaxed);

    if (depth + 1 > RING_WORD_COUNT - (end - begin)) {
        atomic_fetch_add_explicit(&ring->lost_count, weight, memory_order_relaxed);
        return;
    }
    ring->words[end++ % RING_WORD_COUNT] = ((uintptr_t)weight << 16) | depth;
    for (uint32_t i = 0; i < depth; i++)
        ring->words[end++ % RING_WORD_COUNT] = frames[i];
    atomic_store_explicit(&ring->end, end, memory_order_release);
}

/* Forgets the stacks that are there.  Only the one who takes. */
static inline void ring_forget(struct ring *ring)
{
    atomic_store_explicit(&ring->begin, atomic_load_explicit(&ring->end, memory_order_acquire),
                          memory_order_release);
}

/* Takes the oldest stack into @ret_frames (PROFILE_DEPTH_MAX of them).  False: there is none, or
 * what is there cannot have been put; then all of it is forgotten.  Only the one who takes. */
static inline bool ring_take(struct ring *ring, uintptr_t *ret_frames, uint32_t *ret_depth,
                             uint32_t *ret_weight)
{
    uint32_t begin = atomic_load_explicit(&ring->begin, memory_order_relaxed);

    if (begin == atomic_load_explicit(&ring->end, memory_order_acquire))
        return false;
    const uintptr_t head = ring->words[begin++ % RING_WORD_COUNT];
    *ret_depth = head & 0xffff;
    *ret_weight = (uint32_t)(head >> 16);
    if (*ret_depth > PROFILE_DEPTH_MAX) {
        ring_forget(ring);
        return false;
    }
    for (uint32_t i = 0; i < *ret_depth; i++)
        ret_frames[i] = ring->words[begin++ % RING_WORD_COUNT];
    atomic_store_explicit(&ring->begin, begin, memory_order_release);
    return true;
}

/* Forgets the stacks, and what was lost.  Only the one who takes. */
static inline void ring_clear(struct ring *ring)
{
    ring_forget(ring);
    atomic_store_explicit(&ring->lost_count, 0, memory_order_relaxed);
}

#endif

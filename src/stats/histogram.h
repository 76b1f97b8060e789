/* SPDX-License-Identifier: MIT
 *
 * histogram - counts of values in buckets with fixed upper bounds, as Prometheus wants them
 *
 * One writer, any readers: the writer's additions have no lock prefix, so a reader may see a value
 * that is a moment old, never a torn one. */
#ifndef STATS_HISTOGRAM_H
#define STATS_HISTOGRAM_H

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

typedef _Atomic uint64_t counter;

/* Adds to a counter that only the calling thread writes.  One instruction, without a lock prefix:
 * a reader sees the value before or after it.  GCC makes three of what C can say, clang one.
 *
 * UNCOUNTED is for ./dev bench counts: what counting costs is seen by its absence.  Nothing that
 * reads a counter works then. */
static inline void counter_add(counter *to, uint64_t amount)
{
#if defined UNCOUNTED
    (void)to, (void)amount;
#elif defined __x86_64__ && !defined __clang__ && !defined __SANITIZE_THREAD__
    __asm__("addq %1, %0" : "+m"(*to) : "er"(amount) : "cc");
#else
    atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + amount,
                          memory_order_relaxed);
#endif
}

static inline void counter_set(counter *to, uint64_t value)
{
    atomic_store_explicit(to, value, memory_order_relaxed);
}

static inline uint64_t counter_read(const counter *from)
{
    return atomic_load_explicit(from, memory_order_relaxed);
}

enum {
    /* Upper bounds at most; one bucket more holds what lies above the last. */
    HISTOGRAM_BOUND_COUNT_MAX = 16,
};

/* The sum stands beside the first buckets: one cache line serves most additions. */
struct histogram {
    alignas(64) counter sum;
    counter bucket[HISTOGRAM_BOUND_COUNT_MAX + 1];
};

/* Adds @count values of @value.  @bounds is ascending, inclusive, in @value's unit. */
static inline void histogram_add(struct histogram *histogram, const uint64_t *bounds,
                                 size_t bound_count, uint64_t value, uint64_t count)
{
    size_t index = 0;

    assert(bound_count <= HISTOGRAM_BOUND_COUNT_MAX);
    while (index < bound_count && value > bounds[index])
        index++;
    counter_add(&histogram->bucket[index], count);
    counter_add(&histogram->sum, value * count);
}

/* Sizes in buckets whose bounds are the powers of two: 1, 2, 4 ...  No search, and no sum: that is
 * for those who have it anyway. */
struct size_histogram {
    alignas(64) counter bucket[32];
};

/* Adds one @size, which is at least 1 and at most 1 << 31. */
static inline void size_histogram_add(struct size_histogram *histogram, uint32_t size)
{
    /* The smallest i with size <= 1 << i. */
    counter_add(&histogram->bucket[31U - (unsigned)__builtin_clz(2 * size - 1)], 1);
}

#endif

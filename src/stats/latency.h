/* SPDX-License-Identifier: MIT
 *
 * latency - times in nanoseconds, counted in log-linear buckets, and their percentiles
 *
 *      value      0 .. 255      256 .. 511     512 .. 1023    ...    2^36 .. 2^37 - 1
 *      a bucket   1 ns          2 ns           4 ns                  2^29 ns
 *
 * Each power of two is cut into 128 equal buckets, so a bucket is never wider than 0.79 % of the
 * values in it, and a percentile is the upper end of its bucket: never better than the truth, and
 * at most 0.8 % worse.  The largest value is kept exactly.
 *
 * A struct latency has one writer and any readers (histogram.h says how).  Readers add it into a
 * struct latency_sum of their own: percentiles are taken of merged counts and never averaged. */
#ifndef STATS_LATENCY_H
#define STATS_LATENCY_H

#include "stats/histogram.h"

enum {
    LATENCY_STEP_BITS = 7, /* 128 buckets in each power of two */
    LATENCY_STEP_COUNT = 1 << LATENCY_STEP_BITS,

    /* Values from 2^37 ns (137 s) on share the last bucket. */
    LATENCY_VALUE_BITS = 37,
    LATENCY_SHIFT_MAX = LATENCY_VALUE_BITS - 1 - LATENCY_STEP_BITS,
    LATENCY_BUCKET_COUNT = (LATENCY_SHIFT_MAX + 2) * LATENCY_STEP_COUNT,
};

struct latency {
    counter bucket[LATENCY_BUCKET_COUNT];
    counter sum_ns;       /* modulo 2^64: 584 years, which a million messages wait in five hours */
    counter sum_overflow; /* how often it has begun anew */
    counter max_ns;
};

/* Merged counts, private to their owner. */
struct latency_sum {
    uint64_t bucket[LATENCY_BUCKET_COUNT];
    uint64_t count;
    double sum_ns;
    uint64_t max_ns;
};

/* The bucket of @ns. */
static inline size_t latency_index(uint64_t ns)
{
    const int top_bit = 63 - __builtin_clzll(ns | LATENCY_STEP_COUNT);
    const int shift = top_bit - LATENCY_STEP_BITS;

    if (shift > LATENCY_SHIFT_MAX)
        return LATENCY_BUCKET_COUNT - 1;
    return (size_t)shift * LATENCY_STEP_COUNT + (size_t)(ns >> shift);
}

/* Adds @count times of @ns.  Only the histogram's one writer may call this. */
static inline void latency_add(struct latency *latency, uint64_t ns, uint64_t count)
{
    const uint64_t before_ns = counter_read(&latency->sum_ns);

    counter_add(&latency->bucket[latency_index(ns)], count);
    counter_add(&latency->sum_ns, ns * count);
    if (before_ns + ns * count < before_ns)
        counter_add(&latency->sum_overflow, 1);
    if (ns > counter_read(&latency->max_ns))
        counter_set(&latency->max_ns, ns);
}

/* The largest value that falls into bucket @index. */
uint64_t latency_upper_ns(size_t index);

/* Adds what @from holds now to @sum.  Any thread. */
void latency_merge(struct latency_sum *sum, const struct latency *from);

/* Takes @earlier, a former state of the same histograms, off @sum: what is left is the time between
 * the two.  Its max_ns becomes the upper end of its last used bucket. */
void latency_subtract(struct latency_sum *sum, const struct latency_sum *earlier);

/* The value that @fraction (0 to 1) of the values do not exceed; 0 when there are none. */
uint64_t latency_percentile_ns(const struct latency_sum *sum, double fraction);

/* The mean, 0 when there are no values.  It is not made from buckets: exact to a double's digits.
 */
double latency_mean_ns(const struct latency_sum *sum);

#endif

/* SPDX-License-Identifier: MIT
 *
 * latency - times in log-linear buckets (latency.h) */
#include "stats/latency.h"

#include <math.h>

uint64_t latency_upper_ns(size_t index)
{
    assert(index < LATENCY_BUCKET_COUNT);
    if (index < 2 * LATENCY_STEP_COUNT)
        return index;

    const size_t shift = index / LATENCY_STEP_COUNT - 1;
    const uint64_t step = index % LATENCY_STEP_COUNT + LATENCY_STEP_COUNT;
    return ((step + 1) << shift) - 1;
}

void latency_merge(struct latency_sum *sum, const struct latency *from)
{
    for (size_t i = 0; i < LATENCY_BUCKET_COUNT; i++) {
        const uint64_t count = counter_read(&from->bucket[i]);
        sum->bucket[i] += count;
        sum->count += count;
    }
    sum->sum_ns +=
        (double)counter_read(&from->sum_ns) + ldexp((double)counter_read(&from->sum_overflow), 64);

    const uint64_t max_ns = counter_read(&from->max_ns);
    if (max_ns > sum->max_ns)
        sum->max_ns = max_ns;
}

void latency_subtract(struct latency_sum *sum, const struct latency_sum *earlier)
{
    size_t last = 0;

    for (size_t i = 0; i < LATENCY_BUCKET_COUNT; i++) {
        assert(sum->bucket[i] >= earlier->bucket[i]);
        sum->bucket[i] -= earlier->bucket[i];
        if (sum->bucket[i] > 0)
            last = i;
    }
    sum->count -= earlier->count;
    sum->sum_ns -= earlier->sum_ns;
    if (last < LATENCY_BUCKET_COUNT - 1 && latency_upper_ns(last) < sum->max_ns)
        sum->max_ns = latency_upper_ns(last);
}

uint64_t latency_percentile_ns(const struct latency_sum *sum, double fraction)
{
    assert(fraction >= 0 && fraction <= 1);

    uint64_t wanted = (uint64_t)ceil(fraction * (double)sum->count);
    uint64_t seen = 0;

    if (sum->count == 0)
        return 0;
    if (wanted == 0)
        wanted = 1;
    for (size_t i = 0; i < LATENCY_BUCKET_COUNT - 1; i++) {
        seen += sum->bucket[i];
        if (seen >= wanted) {
            const uint64_t upper_ns = latency_upper_ns(i);
            return upper_ns < sum->max_ns ? upper_ns : sum->max_ns;
        }
    }
    return sum->max_ns;
}

double latency_mean_ns(const struct latency_sum *sum)
{
    return sum->count > 0 ? sum->sum_ns / (double)sum->count : 0;
}

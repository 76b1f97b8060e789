/* SPDX-License-Identifier: MIT
 *
 * counters - what one worker counts (counters.h) */
#include "stats/counters.h"

const uint64_t counters_duration_bounds_ns[DURATION_BOUND_COUNT] = {
    10000,   25000,    50000,    100000,   250000,    500000,    1000000,    2500000,
    5000000, 10000000, 25000000, 50000000, 100000000, 250000000, 1000000000,
};

const uint64_t counters_batch_bounds[BATCH_BOUND_COUNT] = {
    1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384,
};

const struct counter_info *counters_info(size_t *ret_count)
{
    static const struct counter_info info[] = {
#define COUNTER(field, family, labels, help)                                                       \
    {COUNTER_KIND_COUNTER, family, labels, help, offsetof(struct counters, field)},
#define GAUGE(field, family, labels, help)                                                         \
    {COUNTER_KIND_GAUGE, family, labels, help, offsetof(struct counters, field)},
#define SAME(field, family, labels, help) COUNTER(field, family, labels, help)
#include "stats/counters.def"
#undef COUNTER
#undef GAUGE
#undef SAME
    };

    *ret_count = sizeof info / sizeof info[0];
    return info;
}

/* SPDX-License-Identifier: MIT
 *
 * counters - what one worker counts; summed over the workers when somebody reads
 *
 * A worker owns its struct counters and is the only writer; any thread reads.  A scrape costs the
 * worker nothing but the cache lines that are read. */
#ifndef STATS_COUNTERS_H
#define STATS_COUNTERS_H

#include <stdalign.h>

#include "stats/close_reason.h"
#include "stats/histogram.h"

enum {
    CACHE_LINE_SIZE = 64,
    DURATION_BOUND_COUNT = 15,
    BATCH_BOUND_COUNT = 15, /* more requests than the last are in no receive buffer */
};

struct counters {
    alignas(CACHE_LINE_SIZE)
#define COUNTER(field, family, labels, help) counter field;
#define GAUGE(field, family, labels, help)   counter field;
#define SAME(field, family, labels, help)
#include "stats/counters.def"
#undef COUNTER
#undef GAUGE
#undef SAME
        counter closed[CLOSE_REASON_COUNT];

    /* The worker's own: exposed per worker, not summed. */
    counter busy_ns;
    counter idle_ns;
    counter loops;
    counter events;
    counter cpu_ns; /* of its thread, once that has ended; worker_cpu_ns() knows it before */
    counter stalls;
    counter overload_stage; /* enum overload_stage */

    struct histogram request_duration; /* ns, counted per SUBMIT */
    struct size_histogram
        batch_frames; /* requests per received batch; their sum is counted above */
};

/* Bounds of the histograms, ascending; those of batch_frames are size_histogram's. */
extern const uint64_t counters_duration_bounds_ns[DURATION_BOUND_COUNT];
extern const uint64_t counters_batch_bounds[BATCH_BOUND_COUNT];

enum counter_kind {
    COUNTER_KIND_COUNTER,
    COUNTER_KIND_GAUGE,
};

/* One line of counters.def. */
struct counter_info {
    enum counter_kind kind;
    const char *family; /* without prefix and _total */
    const char *labels; /* name="value", or empty */
    const char *help;   /* empty where the line above has it */
    size_t offset;      /* of the field in struct counters */
};

/* The lines of counters.def in their order; static. */
const struct counter_info *counters_info(size_t *ret_count);

/* The counter that @info names. */
static inline const counter *counters_at(const struct counters *counters,
                                         const struct counter_info *info)
{
    return (const counter *)((const char *)counters + info->offset);
}

#endif

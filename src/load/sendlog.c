/* SPDX-License-Identifier: MIT
 *
 * sendlog - when the messages in flight were written (sendlog.h) */
#include "load/sendlog.h"

uint32_t sendlog_batch_count(uint64_t window)
{
    uint32_t count = 1;

    while (count < window && count < SENDLOG_BATCH_COUNT_MAX)
        count *= 2;
    return count;
}

void sendlog_init(struct sendlog *log, struct sendlog_batch *ring, uint32_t batch_count)
{
    assert(ring && batch_count > 0 && (batch_count & (batch_count - 1)) == 0);
    *log = (struct sendlog){.ring = ring, .mask = batch_count - 1};
}

double sendlog_ages_ns(const struct sendlog *log, uint64_t from, uint64_t now_ns)
{
    double sum_ns = 0;

    for (uint32_t i = log->first; i != log->end; i++) {
        const struct sendlog_batch *const batch = &log->ring[i & log->mask];
        if (batch->last <= from || now_ns <= batch->time_ns)
            continue;
        sum_ns += (double)(batch->last - from) * (double)(now_ns - batch->time_ns);
        from = batch->last;
    }
    return sum_ns;
}

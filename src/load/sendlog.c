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

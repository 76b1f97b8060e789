/* SPDX-License-Identifier: MIT
 *
 * sendlog - when the messages in flight on one connection were written
 *
 *      batch    [ ..  40 ]  [ .. 56 ]  [ .. 72 ]      the last message of each write
 *      time       t1          t2         t3           one clock reading for all of it
 *
 * A write carries many messages and they share one time, so that the cost is that of a batch and
 * not of a message.  The ring is bounded: when it is full, a write joins the one before it and
 * takes its time, which is earlier; a latency can only come out too long. */
#ifndef LOAD_SENDLOG_H
#define LOAD_SENDLOG_H

#include "stats/latency.h"

enum {
    SENDLOG_BATCH_COUNT_MAX = 4096,
};

struct sendlog_batch {
    uint64_t last; /* the sequence number of its last message */
    uint64_t time_ns;
};

struct sendlog {
    struct sendlog_batch *ring;
    uint32_t mask;
    uint32_t first; /* the oldest batch; both count up and are masked for use */
    uint32_t end;
};

/* The number of batches for a connection with up to @window in flight. */
uint32_t sendlog_batch_count(uint64_t window);

/* @ring has @batch_count entries, a result of sendlog_batch_count(), and is borrowed. */
void sendlog_init(struct sendlog *log, struct sendlog_batch *ring, uint32_t batch_count);

/* Notes that the messages up to @last were written at @time_ns. */
static inline void sendlog_put(struct sendlog *log, uint64_t last, uint64_t time_ns)
{
    if (log->end - log->first > log->mask)
        log->ring[(log->end - 1) & log->mask].last = last;
    else
        log->ring[log->end++ & log->mask] = (struct sendlog_batch){last, time_ns};
}

/* Adds to @latency how long the messages after @from up to @to took until @now_ns, and drops them
 * and all before them.  Returns how many took longer than @timeout_ns. */
static inline uint64_t sendlog_settle(struct sendlog *log, uint64_t from, uint64_t to,
                                      uint64_t now_ns, uint64_t timeout_ns, struct latency *latency)
{
    uint64_t late_count = 0;

    while (from < to) {
        assert(log->first != log->end);
        const struct sendlog_batch batch = log->ring[log->first & log->mask];
        const uint64_t end = batch.last < to ? batch.last : to;

        if (end > from) {
            const uint64_t age_ns = now_ns - batch.time_ns;
            latency_add(latency, age_ns, end - from);
            if (age_ns > timeout_ns)
                late_count += end - from;
            from = end;
        }
        if (batch.last <= to)
            log->first++;
    }
    return late_count;
}

#endif

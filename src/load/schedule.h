/* SPDX-License-Identifier: MIT
 *
 * schedule - when each message of an open-loop run is due
 *
 *      message k of the run is due at start + k / rate; it belongs to connection k modulo the
 *      number of connections, and a connection belongs to one thread.
 *
 * So there is one schedule for the whole run, evenly spaced whatever the numbers of threads and
 * connections are, and it is arithmetic: nothing is shared and nothing stored.  A message that is
 * written late keeps its due time.  Pure code. */
#ifndef LOAD_SCHEDULE_H
#define LOAD_SCHEDULE_H

#include <stdint.h>

struct schedule {
    uint64_t start_ns;
    double interval_ns; /* between two messages of the run */
    uint64_t connection_count;
};

/* When message @sequence (from 1) of connection @index is due. */
static inline uint64_t schedule_due_ns(const struct schedule *schedule, uint64_t index,
                                       uint64_t sequence)
{
    const uint64_t message = (sequence - 1) * schedule->connection_count + index;
    return schedule->start_ns + (uint64_t)((double)message * schedule->interval_ns);
}

#endif

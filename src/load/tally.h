/* SPDX-License-Identifier: MIT
 *
 * tally - what one thread has done so far, for others to read while it runs
 *
 * The thread counts in plain variables of its own and publishes them here once per loop turn;
 * times are added here directly.  Nobody else writes; no line of it is shared with another
 * thread's. */
#ifndef LOAD_TALLY_H
#define LOAD_TALLY_H

#include "load/ledger.h"
#include "stats/latency.h"

struct traffic {
    uint64_t sent_size;
    uint64_t received_size;
    uint64_t write_count; /* sends that moved bytes */
    uint64_t read_count;  /* receives that moved bytes */
};

/* The three clocks of a message give three times.  A closed loop has no due times, so that it
 * knows the service time only. */
struct clocks {
    struct latency response; /* from due to acked */
    struct latency service;  /* from written to acked */
    struct latency lateness; /* from due to written */
};

struct tally {
    counter sent;
    counter acked; /* ok, failed and late */
    counter error; /* all that is wrong in the ledger */
    counter in_flight;
    counter open; /* connections */

    struct clocks warmup; /* of messages due (open loop) or written (closed) in the warm-up */
    struct clocks measured;
    struct latency
        pacing; /* the lateness of measured messages that the client alone was late with */

    /* Counts, not times: messages of each write and acks of each read, while measuring. */
    struct latency frames_per_write;
    struct latency acks_per_read;
};

#endif

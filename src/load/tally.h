/* SPDX-License-Identifier: MIT
 *
 * tally - what one thread has done so far, for others to read while it runs
 *
 * The thread counts in plain variables of its own and publishes them here once per loop turn;
 * latencies are added here directly.  Nobody else writes; no line of it is shared with another
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

struct tally {
    counter acked; /* ok and failed */
    counter error; /* all that is wrong in the ledger */
    counter in_flight;
    counter open; /* connections */

    struct latency latency;  /* from written (closed loop) or due (open loop) to acked */
    struct latency lateness; /* open loop: from due to written */
};

#endif

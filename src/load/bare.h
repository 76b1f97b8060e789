/* SPDX-License-Identifier: MIT
 *
 * bare - the least that a client with a window can do: write, read, count bytes
 *
 * It writes the same frames as ackload through the same calls, but all with the same id, looks at
 * nothing it reads, and measures no latency.  ackload's own cost is what it is slower than this. */
#ifndef LOAD_BARE_H
#define LOAD_BARE_H

#include "load/options.h"
#include "load/train.h"

struct bare_result {
    double rate;   /* acks per second */
    double cpu_ns; /* CPU time per ack */
};

/* Runs the load of @options, a closed loop, for @duration_ns with one thread per
 * options->thread_count, pinned as ackload's.  Blocks.  -EAGAIN when not one ack came. */
int bare_run(const struct options *options, const struct plan *plan, uint64_t duration_ns,
             struct bare_result *ret_result, struct ackd_error *error);

#endif

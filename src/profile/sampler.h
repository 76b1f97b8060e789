/* SPDX-License-Identifier: MIT
 *
 * sampler - CPU time of every thread, by SIGPROF
 *
 *      each thread: a timer on its own CPU clock --SIGPROF--> the thread unwinds itself into its
 * ring collector thread: empties the rings, finds threads that came, forgets those that went
 *
 * A timer per thread, because a timer of the process loses most signals at high rates and asks
 * the wrong thread.  A signal that stands for several ticks weighs as much.  What the kernel had
 * not yet signalled at the end is read from the clock, and counted where the thread was last seen;
 * if it never was, or blocks the signal, as "cpu_time_unseen".  Threads are found in
 * /proc/self/task, ten milliseconds after they started at the latest; the time that they had used
 * by then is counted where they are first seen.  What a thread did that lived shorter is lost.
 *
 * The process has one sampler.  Rings are bounded: what finds its ring full is counted as lost. The
 * handler calls nothing that locks or allocates.  Any thread may call these. */
#ifndef PROFILE_SAMPLER_H
#define PROFILE_SAMPLER_H

#include <stdint.h>

#include "base/error.h"
#include "profile/profile.h"

enum {
    SAMPLER_HZ_DEFAULT = 100,
    SAMPLER_HZ_MAX = 1000,
    SAMPLER_THREAD_COUNT_MAX = 4096, /* more at the same time are not sampled */
};

/* Takes SIGPROF, once and for the life of the process: a signal may be on its way at any time. */
void sampler_init(void);

/* Begins to sample at @hz.  0 or a negative errno: -EBUSY while it does already, others when
 * threads cannot be listed or started. */
int sampler_start(uint32_t hz, struct ackd_error *error);

/* Ends what sampler_start() began.  NULL when memory ran out. */
struct profile *sampler_stop(void);

/* The stack of every thread of the process, now, into @profile: each adds 1 to its first value.
 * Waits for those that do not answer for 100 ms at most; they have no frames then. */
int sampler_take_stacks(struct profile *profile, struct ackd_error *error);

#endif

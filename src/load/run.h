/* SPDX-License-Identifier: MIT
 *
 * run - the connections and threads of one run, as the main thread sees them
 *
 *      run_open ─▶ run_start ─▶ run_sample, once a second ─▶ run_finish ─▶ struct outcome
 *
 * All of it belongs to the main thread; workers only share what worker.h says. */
#ifndef LOAD_RUN_H
#define LOAD_RUN_H

#include "load/options.h"
#include "load/worker.h"

/* What the threads had done at some moment. */
struct sample {
    uint64_t time_ns; /* since the start */
    uint64_t acked;
    uint64_t error;
    uint64_t in_flight;
    uint64_t open;
    struct latency_sum latency;
};

/* What happened between two samples. */
struct interval {
    double at_s; /* its end, since the start */
    double duration_s;
    uint64_t acked;
    double rate;
    uint64_t in_flight; /* at its end */
    uint64_t open;
    uint64_t error; /* since the start */
    uint64_t p50_ns;
    uint64_t p99_ns;
};

struct outcome {
    struct ledger ledger;
    struct traffic traffic;
    struct bad_ack first_bad; /* of all connections; its time is since the start */
    uint32_t disconnect_count;
    bool interrupted;
    bool counted_only; /* acks were not looked at */

    double duration_s;  /* of sending */
    double rate;        /* acks per second while sending */
    uint64_t scheduled; /* open loop: messages that were due in this time */

    struct latency_sum latency;
    struct latency_sum lateness;

    double cpu_user_s; /* of the whole process, drain included */
    double cpu_system_s;
    double busy; /* the busiest thread's CPU time while sending, as a fraction of it */

    struct interval *intervals;
    size_t interval_count;
};

/* What a run says about itself; the exit status of ackload. */
enum verdict {
    VERDICT_PASS = 0,
    VERDICT_FAIL = 12,    /* a message was not acked once, in order, with result 0 */
    VERDICT_INVALID = 13, /* the load was not what was asked for */
};

struct run;

/* Opens the connections and prepares the threads.  @options and @plan are borrowed. */
int run_open(struct run **ret_run, const struct options *options, const struct plan *plan,
             struct ackd_error *error);
void run_close(struct run *run);

/* Starts the threads and the clock.  After a failure some threads wait for ever: the process can
 * only end. */
int run_start(struct run *run, struct ackd_error *error);

/* Readable once all threads have ended. */
int run_done_fd(const struct run *run);

/* True once all threads have ended.  Empties the descriptor. */
bool run_is_done(struct run *run);

/* Ends the run early.  Any number of times. */
void run_stop(struct run *run, enum worker_stop how);

/* Closes the interval since the last call, keeps it for the result, and returns it (good until the
 * next call).  @now_ns is clock_monotonic_ns(). */
const struct interval *run_sample(struct run *run, uint64_t now_ns);

/* What run_sample() saw last. */
const struct sample *run_latest(const struct run *run);

/* When the clock was started. */
uint64_t run_start_ns(const struct run *run);

/* Joins the threads and sums up.  The result belongs to the run. */
const struct outcome *run_finish(struct run *run);

/* Judges a result. */
enum verdict outcome_verdict(const struct outcome *outcome);

/* Says in one sentence why; never NULL. */
const char *outcome_reason(const struct outcome *outcome);

#endif

/* SPDX-License-Identifier: MIT
 *
 * run - the connections and threads of one run, as the main thread sees them
 *
 *      run_open ─▶ run_start ─▶ run_sample, once a second ─▶ run_finish ─▶ struct outcome
 *
 * All of it belongs to the main thread; workers only share what worker.h says. */
#ifndef LOAD_RUN_H
#define LOAD_RUN_H

#include "load/mix.h"
#include "load/options.h"
#include "load/proc.h"
#include "load/validity.h"
#include "load/worker.h"

/* What the threads had done at some moment. */
struct sample {
    uint64_t time_ns; /* since the start */
    uint64_t sent;
    uint64_t acked;
    uint64_t error;
    uint64_t in_flight;
    uint64_t open;
    struct latency_sum response; /* warm-up included, as in the two below */
    struct latency_sum service;
    struct latency_sum lateness;
    struct latency_sum pacing; /* lateness that is the client's own, of the measured time */
};

/* Which part of a run an interval ended in. */
enum phase {
    PHASE_WARMUP,
    PHASE_MEASURED,
    PHASE_DRAIN,
};

/* What happened between two samples. */
struct interval {
    double at_s; /* its end, since the start */
    double duration_s;
    enum phase phase;
    uint64_t sent;
    uint64_t acked;
    double rate;
    uint64_t in_flight; /* at its end */
    uint64_t open;
    uint64_t error;  /* since the start */
    uint64_t p50_ns; /* of the response time in an open loop, of the service time in a closed one */
    uint64_t p99_ns;
    bool client_bound; /* the client has been too late until now to be fit */
};

/* The times of the messages of one interval.  A closed loop has service only. */
struct interval_times {
    struct latency_sum response;
    struct latency_sum service;
    struct latency_sum lateness;
};

struct outcome {
    struct ledger ledger;
    struct traffic traffic;
    struct bad_ack first_bad; /* of all connections; its time is since the start */
    uint32_t disconnect_count;
    bool interrupted;
    bool counted_only; /* acks were not looked at */

    double duration_s;  /* of the measured time: sending, without the warm-up */
    double rate;        /* acks per second in it */
    double offered_s;   /* the part of it that messages were due in: no longer than asked for */
    uint64_t scheduled; /* open loop: messages that were due, warm-up included */
    uint64_t offered;   /* open loop: messages that were due in the measured time, */
    uint64_t achieved;  /* how many of them were written before it ended, */
    uint64_t blocked_unsent; /* and how many not, because window or socket was full */
    uint64_t blocked;        /* due when window or socket was full, warm-up included */

    /* Messages due (open loop) or written (closed) in the measured time. */
    struct latency_sum latency; /* response in an open loop, service in a closed one */
    struct latency_sum service;
    struct latency_sum lateness;
    struct latency_sum pacing; /* lateness of messages that the server did not keep back */

    struct latency_sum frames_per_write; /* counts, not times */
    struct latency_sum acks_per_read;

    double cpu_user_s; /* of the whole process, drain included */
    double cpu_system_s;
    double busy;   /* the busiest thread's CPU time in the measured time, as a fraction of it */
    double useful; /* the busiest thread's share of time that moved bytes */

    /* Of the measured time, all threads. */
    uint64_t measured_acked;
    uint64_t client_cpu_ns;
    uint64_t client_voluntary;
    uint64_t client_involuntary;
    double involuntary_per_s; /* of the worst thread */
    uint64_t idle_count;
    uint64_t full_count;
    double in_flight;        /* mean */
    double in_flight_wanted; /* rate x mean time in flight */
    double in_flight_edge;   /* how far they may differ by what crosses the edges */
    uint32_t live_count;     /* connections at the end of sending */
    double steal;            /* share of the machine's CPU time */
    double ceiling;          /* acks per second of the selftest; 0 = not known */

    struct proc_usage server; /* with --server-pid */
    uint64_t server_acked;    /* acks between the two looks at the server */

    struct error_log errors; /* times are since the start */
    struct mix_tally mix[MIX_KIND_COUNT];
    struct validity validity;
    bool strict; /* without the stamp the run is invalid */

    struct interval *intervals;
    size_t interval_count;
};

/* What a run says about itself; the exit status of ackload. */
enum verdict {
    VERDICT_PASS = 0,
    VERDICT_FAIL = 12,    /* a message was not acked once, in order, with result 0 */
    VERDICT_INVALID = 13, /* the load was not what was asked for, or the client was the limit */
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

/* The times of the messages between the last two calls of run_sample(). */
const struct interval_times *run_interval_times(const struct run *run);

/* Does what is due at @now_ns beside the samples: looks at the server and the machine when the
 * measured time begins and ends.  Returns when to call it again at the latest. */
uint64_t run_tick(struct run *run, uint64_t now_ns);

/* When the clock was started. */
uint64_t run_start_ns(const struct run *run);

/* Joins the threads and sums up.  The result belongs to the run. */
const struct outcome *run_finish(struct run *run);

/* Judges a result. */
enum verdict outcome_verdict(const struct outcome *outcome);

/* Says in one sentence why; never NULL. */
const char *outcome_reason(const struct outcome *outcome);

#endif

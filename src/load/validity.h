/* SPDX-License-Identifier: MIT
 *
 * validity - was the client fit to measure what it says it measured?
 *
 * Eight checks on a run's own figures (docs/LOADTEST.md explains each).  Those that do not apply
 * are left out.  A check may fail the stamp, or only be shown:
 *
 *                  open     closed loop
 *   rate           stamp    -        written / due, without what the server kept back
 *   lateness       stamp    -        p99 of the lateness that is the client's own
 *   useful         stamp    shown    busiest thread's share of time that moved bytes
 *   headroom       stamp    -        ceiling of `ackload selftest` / rate
 *   little         stamp    stamp    in flight = rate x time in flight
 *   connections    stamp    stamp    asked = alive at the end
 *   noise          stamp    shown    steal, and switches that the thread did not want
 *   limit          stamp    stamp    who was the limit: the client?
 *
 * little holds the times against what does not come from them.  A closed loop has been told how
 * many messages to keep in flight; a client that does not refill, or times that leave a part of the
 * wait out, make rate x time fall short of that.  In both loops the ledger's count of unanswered
 * messages is integrated over time, so a message that is timed against another's write, twice or
 * not at all shows.  Both use one clock, so a clock that runs wrong does not show; and time that an
 * ack lay unread counts as the server's in all of them.
 *
 * Pure code. */
#ifndef LOAD_VALIDITY_H
#define LOAD_VALIDITY_H

#include <stdbool.h>
#include <stdint.h>

enum validity_mode {
    VALIDITY_STRICT, /* a run without the stamp ends with exit status 13 */
    VALIDITY_WARN,   /* it is only said */
    VALIDITY_OFF,    /* nothing is checked */
};

enum validity_verdict {
    VALIDITY_VALID,
    VALIDITY_SERVER_BOUND, /* as good: the rate was not reached because the server did not take it
                            */
    VALIDITY_CLIENT_BOUND, /* the client was the limit: rates are >=, latencies <= */
    VALIDITY_NOISY,        /* the machine took the CPU away */
    VALIDITY_INCONSISTENT, /* the figures contradict each other */
    VALIDITY_INCOMPLETE,   /* connections were missing, or nothing was measured */
    VALIDITY_UNCHECKED,    /* --validity off */
};

enum { VALIDITY_CHECK_COUNT_MAX = 10 };

struct validity_check {
    const char *name;
    bool ok;
    double value;
    double limit;
    enum validity_verdict fails_as; /* VALIDITY_VALID: it is only shown */
    const char *meaning;            /* of the value, for people */
};

struct validity {
    enum validity_verdict verdict;
    uint32_t check_count;
    struct validity_check checks[VALIDITY_CHECK_COUNT_MAX];
};

/* The figures that are judged.  Of the measured time, unless said otherwise. */
struct validity_input {
    bool open_loop;
    bool clean; /* every message was acked well: little needs that */
    double duration_s;
    uint64_t offered; /* open loop: messages that were due */
    uint64_t achieved;
    uint64_t blocked_unsent; /* due, and kept back by window or socket at the end */
    uint64_t lateness_p99_ns;
    uint64_t lateness_budget_ns;
    double useful;           /* of the busiest thread, 0 to 1 */
    double rate;             /* acks per second */
    double ceiling;          /* acks per second of the selftest; 0 = not known */
    double in_flight;        /* mean, by the ledger */
    double in_flight_asked;  /* closed loop: connections x depth; 0 = not known, or not reachable */
    double in_flight_wanted; /* rate x mean time in flight */
    double in_flight_edge;   /* how far the two may differ by what crosses the edges */
    uint32_t connections_asked;
    uint32_t connections_live;
    double steal;             /* share of the machine's time */
    double involuntary_per_s; /* of the worst thread */
    uint64_t idle_count;
    uint64_t full_count;
    bool server_known;  /* --server-pid */
    double server_busy; /* its busiest thread, waiting for a CPU included */
};

struct validity validity_judge(const struct validity_input *input);

/* "VALID", "CLIENT-BOUND" and so on. */
const char *validity_name(enum validity_verdict verdict);

/* True for verdicts whose numbers can be taken as they are. */
bool validity_is_good(enum validity_verdict verdict);

#endif

/* SPDX-License-Identifier: MIT
 *
 * schedule - when each message of an open-loop run is due
 *
 *      position    0    1    2    3    4    5  ...     of a message among all of the run
 *                  |    |    |    |    |    |
 *      due time    t0   t1   t2 t3 t4  ...             where the rate plan has brought so many
 *
 * Constant arrival: message s of connection i stands at position (s - 1) * connections + i.  So
 * there is one schedule for the whole run, evenly spaced whatever the numbers of threads and
 * connections are.
 *
 * Poisson arrival: each connection has a stream of its own, whose gaps are exponential with a mean
 * of as many positions as there are connections.  The union of independent Poisson processes is a
 * Poisson process of the summed rate, so the run as a whole is one too, whatever the numbers of
 * threads and connections are.  A gap is a function of seed, connection and message alone.
 *
 * Either way due times are arithmetic: nothing is shared and nothing stored.  Who needs them again,
 * when a message is written and when it is acked, walks the same stream with a second struct due.
 * A message that is written late keeps its due time.  Pure code. */
#ifndef LOAD_SCHEDULE_H
#define LOAD_SCHEDULE_H

#include "load/rate_plan.h"

#define SCHEDULE_NEVER_NS (UINT64_MAX / 4)

enum arrival {
    ARRIVAL_CONSTANT,
    ARRIVAL_POISSON,
};

/* A segment of the plan, with what came before it.  The last one never ends. */
struct schedule_piece {
    double start_position;
    double end_position;
    double start_ns; /* since the start of the run */
    double rate;     /* at its start, per nanosecond */
    double growth;   /* of the rate, per nanosecond */
};

struct schedule {
    uint64_t start_ns;
    uint64_t connection_count;
    uint64_t seed;
    enum arrival arrival;
    double end_ns; /* of the pieces with an end */
    uint32_t piece_count;
    struct schedule_piece pieces[RATE_PLAN_SEGMENT_COUNT_MAX + 2];
};

/* A place in the stream of one connection. */
struct due {
    uint64_t sequence; /* the message that stands here, from 1 */
    uint64_t time_ns;  /* when it is due */
    uint64_t index;    /* of the connection */
    double position;
    uint32_t piece;
};

/* Prepares the schedule of @plan; for @lead_ns before it, the rate is what it begins with.
 * start_ns, connection_count, seed and arrival are the caller's to set. */
void schedule_init(struct schedule *schedule, const struct rate_plan *plan, uint64_t lead_ns);

/* Places @due at message 1 of connection @index.  Needs the schedule's start_ns. */
void schedule_first(const struct schedule *schedule, uint64_t index, struct due *due);

/* Moves @due to the next message of its connection. */
void schedule_next(const struct schedule *schedule, struct due *due);

/* When position @position is due, since the start of the run.  @piece is a hint, and follows:
 * positions are asked for in ascending order. */
double schedule_time_ns(const struct schedule *schedule, double position, uint32_t *piece);

#endif

/* SPDX-License-Identifier: MIT
 *
 * measure - one `ackload run` against a target, and what it says
 *
 * The run is a process of its own, of this very program: nothing of one measurement is left for the
 * next.  Its result is read as JSON (docs/LOADTEST.md). */
#ifndef LOAD_MEASURE_H
#define LOAD_MEASURE_H

#include <jansson.h>

#include "load/args.h"
#include "load/target.h"

enum { MEASURE_TEXT_SIZE = 160, MEASURE_HASH_SIZE = 17 };

/* What can be held against a limit or another run. */
enum figure {
    FIGURE_SERVER_NS, /* CPU time of the server per acked message; NaN when not known */
    FIGURE_CLIENT_NS,
    FIGURE_ACKS, /* per second */
    FIGURE_P50,  /* ns, from the due time in an open loop, as all latencies here */
    FIGURE_P90,
    FIGURE_P99,
    FIGURE_P999,
    FIGURE_MEAN,
    FIGURE_MAX,
    FIGURE_LOST, /* messages: lost or cut off */
    FIGURE_FAILED,
    FIGURE_ERRORS, /* failed, lost, cut off, and bad acks */
    FIGURE_COUNT,
};

/* The name of a figure: server_ns, p99.9 and so on; static text. */
const char *figure_name(enum figure figure);

struct measurement {
    double figures[FIGURE_COUNT];
    char stream_hash[MEASURE_HASH_SIZE];
    int exit_status;  /* of the run: 0, 12 or 13 */
    bool valid;       /* the load was what was asked for, and the client not its limit */
    bool pessimistic; /* not valid, but its latencies can only be too long */
    bool refused;     /* valid, but the server did not take messages as fast as they were due */
    char reason[MEASURE_TEXT_SIZE];
    json_t *result; /* owned */
};

struct measure_plan {
    const struct args *args; /* for the run */
    const char *time;        /* in place of --time; NULL = as the args say */
    const char *rate;        /* in place of --rate; NULL = as the args say */
    const char *warmup;      /* in place of --warmup; NULL = as the args say */
};

/* A run that goes on. */
struct measuring {
    struct child child;
    const struct target *target;
    uint64_t before_ns;
};

/* Starts the load, and waits for its end.  A run that ends with another status than 0, 12 and 13 is
 * an error: -EINVAL for wrong options, else -EIO; -EINTR when somebody wished to stop.  Between the
 * two calls measure_cancel() gives up. */
int measure_start(struct measuring *measuring, const struct measure_plan *plan,
                  const struct target *target, struct ackd_error *error);
int measure_finish(struct measuring *measuring, struct interrupts *interrupts,
                   struct measurement *ret_measurement, struct ackd_error *error);
void measure_cancel(struct measuring *measuring);

/* Both at once. */
int measure(struct measurement *ret_measurement, const struct measure_plan *plan,
            const struct target *target, struct interrupts *interrupts, struct ackd_error *error);
void measurement_deinit(struct measurement *measurement);

/* Fills @ret_measurement from a result's JSON, which stays the caller's; its server_ns is NaN when
 * the result has none. */
void measurement_read(struct measurement *ret_measurement, const json_t *result);

#endif

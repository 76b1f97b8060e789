/* SPDX-License-Identifier: MIT
 *
 * rate_plan - the messages per second of an open loop over time, as --rate says it
 *
 *      plan     = segment *( "," segment )
 *      segment  = RATE [ "/" TIME ]              that rate
 *               | RATE ":" RATE "/" TIME         from the first to the second, in a straight line
 *               | "hold" [ "/" TIME ]            the rate before it
 *
 * RATE is a number such as 50000, 50k or 1.5m; TIME such as 500ms, 30s or 2m.  Only the last
 * segment may come without a time; the rate that a plan ends with goes on for as long as the run
 * does.  Pure code. */
#ifndef LOAD_RATE_PLAN_H
#define LOAD_RATE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

enum { RATE_PLAN_SEGMENT_COUNT_MAX = 32 };

struct rate_segment {
    double from; /* messages per second at its start */
    double to;   /* and at its end */
    uint64_t duration_ns;
};

/* What comes after the last segment has its end's rate. */
struct rate_plan {
    struct rate_segment segments[RATE_PLAN_SEGMENT_COUNT_MAX];
    uint32_t segment_count; /* 0: no plan, a closed loop */
};

/* Parses @text.  False, and @ret_plan untouched, when it is no plan. */
bool rate_plan_parse(const char *text, struct rate_plan *ret_plan);

/* How long the segments that have a time last in total; 0 for one constant rate. */
uint64_t rate_plan_duration_ns(const struct rate_plan *plan);

/* How many messages fall into the first @duration_ns. */
double rate_plan_message_count(const struct rate_plan *plan, uint64_t duration_ns);

/* True when the rate is the same all the time. */
bool rate_plan_is_constant(const struct rate_plan *plan);

#endif

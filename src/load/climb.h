/* SPDX-License-Identifier: MIT
 *
 * climb - finds the highest rate at which something still holds
 *
 *      climb      from, 2 x from, 4 x from ...   until it holds no more
 *      bisect     between the last that held and the first that did not, to the precision asked for
 *      confirm    three times at the answer, once 5 % above: one lucky run is no answer
 *
 * A miss on the way is looked at twice before it counts: the machine stalls too.  An answer that
 * is not confirmed is lowered, by 5 %, then 10, 20 and so on, until one is or nothing is left;
 * when it holds 5 % above, it is raised, CLIMB_RAISE_MAX times.  A step that says nothing (the
 * client was the limit) is asked again, CLIMB_ATTEMPT_MAX times in all; then the rate is out of
 * reach, which is not the same as missed.  Pure logic: the caller measures. */
#ifndef LOAD_CLIMB_H
#define LOAD_CLIMB_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CLIMB_CONFIRM_COUNT = 3,
    CLIMB_RAISE_MAX = 4,
    CLIMB_ATTEMPT_MAX = 3,
    CLIMB_MISS_COUNT = 2,
};

enum climb_phase {
    CLIMB_UP,
    CLIMB_BISECT,
    CLIMB_CONFIRM,
    CLIMB_ABOVE, /* 5 % above the answer */
    CLIMB_DONE,
};

enum climb_outcome {
    CLIMB_HOLDS,
    CLIMB_MISSES,
    CLIMB_SAYS_NOTHING,
};

struct climb {
    enum climb_phase phase;
    double rate; /* of the step to measure now */
    double rate_max;
    double precision; /* 0.02: the interval is no wider than 2 % */

    double from;
    double good;         /* the answer: the highest rate that held; 0 = none did */
    double bad;          /* the lowest above it that did not; 0 = none */
    bool bad_is_unknown; /* at bad nothing could be said, rather than a miss be seen */

    uint32_t attempt;    /* at this step, of those that said nothing */
    uint32_t miss_count; /* at this step */
    uint32_t confirm_count;
    uint32_t raise_count;
    double lower_by; /* 1.05 and so on: the next time the answer is lowered */
};

/* Begins at @from; never asks for more than @rate_max. */
void climb_init(struct climb *climb, double from, double rate_max, double precision);

/* Takes what was seen at climb->rate, and moves on: climb->phase and climb->rate are the next step.
 * Not when CLIMB_DONE. */
void climb_tell(struct climb *climb, enum climb_outcome outcome);

/* climb, bisect and so on; static text. */
const char *climb_phase_name(enum climb_phase phase);

#endif

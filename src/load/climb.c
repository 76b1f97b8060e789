/* SPDX-License-Identifier: MIT
 *
 * climb - finds the highest rate at which something still holds (climb.h) */
#include "load/climb.h"

#include <assert.h>
#include <math.h>

#define CLIMB_FACTOR 2.0
#define CLIMB_MARGIN 1.05

void climb_init(struct climb *climb, double from, double rate_max, double precision)
{
    assert(from > 0 && from <= rate_max && precision > 0);
    *climb = (struct climb){
        .phase = CLIMB_UP,
        .rate = from,
        .rate_max = rate_max,
        .precision = precision,
        .from = from,
        .lower_by = CLIMB_MARGIN,
    };
}

const char *climb_phase_name(enum climb_phase phase)
{
    switch (phase) {
    case CLIMB_UP:
        return "climb";
    case CLIMB_BISECT:
        return "bisect";
    case CLIMB_CONFIRM:
        return "confirm";
    case CLIMB_ABOVE:
        return "above";
    case CLIMB_DONE:
        break;
    }
    return "done";
}

static void step(struct climb *climb, enum climb_phase phase, double rate)
{
    climb->phase = phase;
    climb->rate = rate;
    climb->attempt = 0;
    climb->miss_count = 0;
}

static void confirm(struct climb *climb)
{
    climb->confirm_count = 0;
    step(climb, CLIMB_CONFIRM, climb->good);
}

/* Where to look next between good and bad, or that it is close enough. */
static void narrow(struct climb *climb)
{
    if (climb->bad <= climb->good * (1 + climb->precision))
        confirm(climb);
    else
        step(climb, CLIMB_BISECT, sqrt(climb->good * climb->bad));
}

static void miss(struct climb *climb, bool unknown)
{
    climb->bad = climb->rate;
    climb->bad_is_unknown = unknown;
}

static void tell_up(struct climb *climb, bool holds, bool unknown)
{
    if (holds) {
        climb->good = climb->rate;
        if (climb->rate >= climb->rate_max)
            confirm(climb);
        else
            step(climb, CLIMB_UP, fmin(climb->rate * CLIMB_FACTOR, climb->rate_max));
        return;
    }
    miss(climb, unknown);
    if (climb->good > 0)
        narrow(climb);
    else
        step(climb, CLIMB_DONE, 0);
}

static void tell_bisect(struct climb *climb, bool holds, bool unknown)
{
    if (holds)
        climb->good = climb->rate;
    else
        miss(climb, unknown);
    narrow(climb);
}

/* The answer did not hold again: a lower one must be run as often before it counts. */
static void lower(struct climb *climb, bool unknown)
{
    miss(climb, unknown);
    if (climb->rate <= climb->from) {
        climb->good = 0;
        step(climb, CLIMB_DONE, 0);
        return;
    }
    climb->good = fmax(climb->rate / climb->lower_by, climb->from);
    climb->lower_by = 1 + 2 * (climb->lower_by - 1);
    confirm(climb);
}

static void tell_confirm(struct climb *climb, bool holds, bool unknown)
{
    if (!holds) {
        lower(climb, unknown);
        return;
    }
    if (++climb->confirm_count < CLIMB_CONFIRM_COUNT) {
        step(climb, CLIMB_CONFIRM, climb->good);
        return;
    }
    climb->lower_by = CLIMB_MARGIN;
    if (climb->good >= climb->rate_max)
        step(climb, CLIMB_DONE, 0);
    else
        step(climb, CLIMB_ABOVE, fmin(climb->good * CLIMB_MARGIN, climb->rate_max));
}

static void tell_above(struct climb *climb, bool holds, bool unknown)
{
    if (!holds) {
        /* What was missed below this stays the nearer bound. */
        if (climb->bad == 0 || climb->bad > climb->rate)
            miss(climb, unknown);
        step(climb, CLIMB_DONE, 0);
        return;
    }
    if (climb->raise_count++ == CLIMB_RAISE_MAX) {
        step(climb, CLIMB_DONE, 0);
        return;
    }
    /* What broke below this was the machine's doing. */
    climb->good = climb->rate;
    if (climb->bad <= climb->good)
        climb->bad = 0;
    confirm(climb);
}

void climb_tell(struct climb *climb, enum climb_outcome outcome)
{
    const bool holds = outcome == CLIMB_HOLDS;
    const bool unknown = outcome == CLIMB_SAYS_NOTHING;

    assert(climb->phase != CLIMB_DONE);
    if (unknown && ++climb->attempt < CLIMB_ATTEMPT_MAX)
        return;
    if (outcome == CLIMB_MISSES && (climb->phase == CLIMB_UP || climb->phase == CLIMB_BISECT) &&
        ++climb->miss_count < CLIMB_MISS_COUNT)
        return;
    switch (climb->phase) {
    case CLIMB_UP:
        tell_up(climb, holds, unknown);
        break;
    case CLIMB_BISECT:
        tell_bisect(climb, holds, unknown);
        break;
    case CLIMB_CONFIRM:
        tell_confirm(climb, holds, unknown);
        break;
    case CLIMB_ABOVE:
        tell_above(climb, holds, unknown);
        break;
    case CLIMB_DONE:
        break;
    }
}

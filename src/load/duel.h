/* SPDX-License-Identifier: MIT
 *
 * duel - two servers under the same load, in turn
 *
 *      pair 1    fresh A, fresh B    warm-up of both    A B B A
 *      pair 2    fresh A, fresh B    warm-up of both    B A A B
 *      ...                                              each letter a run of its own
 *
 * Drift of the machine falls on both sides of a pair alike; what a process is lucky with (its
 * layout in memory) is drawn anew for each pair, so pairs are the observations and slices are not.
 * One thread; at most two servers and one client at a time, all ended before duel_run() returns. */
#ifndef LOAD_DUEL_H
#define LOAD_DUEL_H

#include <jansson.h>
#include <stdio.h>

#include "load/inference.h"
#include "load/measure.h"

enum {
    DUEL_SIDE_COUNT = 2,
    DUEL_SLICE_MAX = 64, /* of a pair */
    DUEL_METRIC_COUNT = 4,
};

/* What a duel compares. */
extern const enum figure duel_figures[DUEL_METRIC_COUNT];

struct duel_plan {
    struct target_plan sides[DUEL_SIDE_COUNT];
    const struct args *args; /* for the runs */
    const char *time;        /* of a slice; NULL = as the args say */
    const char *warmup;      /* of each server */
    uint32_t pair_count;
    uint32_t slice_count; /* of a pair: a multiple of 4 */
    enum figure primary;
    double threshold;
    uint64_t seed;
    FILE *progress; /* NULL = none */
};

struct duel_metric {
    enum figure figure;
    bool known;                      /* it was measured in every slice */
    double typical[DUEL_SIDE_COUNT]; /* the median over the pairs */
    struct inference inference;      /* p is Holm's unless this is the primary */
};

struct duel {
    struct duel_metric metrics[DUEL_METRIC_COUNT];
    char stream_hash[MEASURE_HASH_SIZE];
    char hashes[DUEL_SIDE_COUNT][32]; /* of the binaries, or "" */
    uint32_t slice_count;             /* in all */
    uint32_t bound_count;             /* of them, those whose load or client was not as it should */
    char bound_reason[MEASURE_TEXT_SIZE];
    uint32_t retry_count; /* slices taken anew, because the client was late for its schedule */
    uint32_t void_count;  /* pairs that lacked a figure and were run again */
    double seconds;
    json_t *pairs; /* every slice; owned */
};

/* Runs all pairs and judges them.  A pair in which the primary figure is missing is run again as a
 * whole.  Fails with -EBADMSG when a server does not ack everything, or
 * when the sides got different messages, -EINTR when somebody wished to stop, and as measure() and
 * target_start() do. */
int duel_run(struct duel *ret_duel, const struct duel_plan *plan, struct interrupts *interrupts,
             struct ackd_error *error);
void duel_deinit(struct duel *duel);

/* The primary metric. */
const struct duel_metric *duel_primary(const struct duel *duel, const struct duel_plan *plan);

/* The answer of the primary metric: never SAME where the client hid what may be there. */
enum answer duel_answer(const struct duel *duel, const struct duel_plan *plan);

/* The side of each slice of pair @pair_index, 0 = A. */
int duel_side(uint32_t pair_index, uint32_t slice_index);

/* One pair's effect, ln(B / A), and its null: the same logs, @count (even) of each side, each side
 * held against itself. */
void duel_effect(const double *a_logs, const double *b_logs, uint32_t count, double *ret_effect,
                 double *ret_null);

#endif

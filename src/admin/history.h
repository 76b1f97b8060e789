/* SPDX-License-Identifier: MIT
 *
 * history - what a server's numbers were, for as long as a chart goes back
 *
 *      HISTORY_MINUTE   a sample a second         60 s
 *      HISTORY_HOUR     a sample every 10 s       60 min
 *      HISTORY_DAY      a sample every 5 min      24 h
 *
 * A sample is every value as it stood at one time: counters as counters.  The longer ranges keep
 * every tenth and every three hundredth sample, so what a rate or a percentile is computed from is
 * never an average of averages.  Each range holds one sample more than it has intervals.
 *
 * Memory: HISTORY_VALUE_COUNT_MAX values at most, 1.5 MB; with two workers 0.6 MB, and of that
 * only what has been written.  One thread. */
#ifndef ADMIN_HISTORY_H
#define ADMIN_HISTORY_H

#include <stddef.h>
#include <stdint.h>

enum history_range {
    HISTORY_MINUTE,
    HISTORY_HOUR,
    HISTORY_DAY,
    HISTORY_RANGE_COUNT,
};

enum {
    HISTORY_MINUTE_PERIOD_S = 1,
    HISTORY_HOUR_PERIOD_S = 10,
    HISTORY_DAY_PERIOD_S = 300,
    HISTORY_MINUTE_COUNT = 60 / HISTORY_MINUTE_PERIOD_S + 1,
    HISTORY_HOUR_COUNT = 3600 / HISTORY_HOUR_PERIOD_S + 1,
    HISTORY_DAY_COUNT = 24 * 3600 / HISTORY_DAY_PERIOD_S + 1,

    /* Of more values only the first are kept: those that come last are single workers'. */
    HISTORY_VALUE_COUNT_MAX = 256,
};

struct history;

/* NULL when memory ran out. */
struct history *history_new(size_t value_count);

void history_free(struct history *history);

/* How many values of a sample are kept. */
size_t history_value_count(const struct history *history);

/* Adds the sample of the next second.  @time_ms ascends. */
void history_add(struct history *history, uint64_t time_ms, const double *values);

/* How many samples @range holds. */
size_t history_count(const struct history *history, enum history_range range);

/* The sample at @index, 0 being the oldest, and its time.  Valid until the next history_add(). */
const double *history_at(const struct history *history, enum history_range range, size_t index,
                         uint64_t *ret_time_ms);

/* The length of a range, and the time between two of its samples. */
uint32_t history_length_s(enum history_range range);
uint32_t history_period_s(enum history_range range);

#endif

/* SPDX-License-Identifier: MIT
 *
 * history - what a server's numbers were (history.h) */
#include "admin/history.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    uint32_t period_s;
    uint32_t count;
} shapes[HISTORY_RANGE_COUNT] = {
    [HISTORY_MINUTE] = {HISTORY_MINUTE_PERIOD_S, HISTORY_MINUTE_COUNT},
    [HISTORY_HOUR] = {HISTORY_HOUR_PERIOD_S, HISTORY_HOUR_COUNT},
    [HISTORY_DAY] = {HISTORY_DAY_PERIOD_S, HISTORY_DAY_COUNT},
};

struct ring {
    uint64_t *times_ms;
    double *values; /* value_count for each time */
    size_t next;    /* where the next sample goes */
    size_t count;
};

struct history {
    size_t value_count;
    uint64_t added_count; /* samples so far */
    struct ring rings[HISTORY_RANGE_COUNT];
};

struct history *history_new(size_t value_count)
{
    struct history *const history = calloc(1, sizeof *history);

    if (!history)
        return NULL;
    history->value_count =
        value_count < HISTORY_VALUE_COUNT_MAX ? value_count : HISTORY_VALUE_COUNT_MAX;
    for (int i = 0; i < HISTORY_RANGE_COUNT; i++) {
        struct ring *const ring = &history->rings[i];

        ring->times_ms = calloc(shapes[i].count, sizeof *ring->times_ms);
        ring->values = calloc(shapes[i].count * history->value_count, sizeof *ring->values);
        if (!ring->times_ms || !ring->values) {
            history_free(history);
            return NULL;
        }
    }
    return history;
}

void history_free(struct history *history)
{
    if (!history)
        return;
    for (int i = 0; i < HISTORY_RANGE_COUNT; i++) {
        free(history->rings[i].times_ms);
        free(history->rings[i].values);
    }
    free(history);
}

size_t history_value_count(const struct history *history)
{
    return history->value_count;
}

void history_add(struct history *history, uint64_t time_ms, const double *values)
{
    for (int i = 0; i < HISTORY_RANGE_COUNT; i++) {
        struct ring *const ring = &history->rings[i];

        if (history->added_count % shapes[i].period_s != 0)
            continue;
        ring->times_ms[ring->next] = time_ms;
        memcpy(ring->values + ring->next * history->value_count, values,
               history->value_count * sizeof *values);
        ring->next = (ring->next + 1) % shapes[i].count;
        ring->count += ring->count < shapes[i].count;
    }
    history->added_count++;
}

size_t history_count(const struct history *history, enum history_range range)
{
    return history->rings[range].count;
}

const double *history_at(const struct history *history, enum history_range range, size_t index,
                         uint64_t *ret_time_ms)
{
    const struct ring *const ring = &history->rings[range];
    const size_t size = shapes[range].count;

    assert(index < ring->count);
    const size_t at = (ring->next + size - ring->count + index) % size;
    *ret_time_ms = ring->times_ms[at];
    return ring->values + at * history->value_count;
}

uint32_t history_length_s(enum history_range range)
{
    return shapes[range].period_s * (shapes[range].count - 1);
}

uint32_t history_period_s(enum history_range range)
{
    return shapes[range].period_s;
}

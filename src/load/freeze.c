/* SPDX-License-Identifier: MIT
 *
 * freeze - timetables and their latencies (freeze.h) */
#include "load/freeze.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"

/* Each is stopped for half of its time or more, so that what is measured is the stall. */
const struct timetable timetables[] = {
    {"half", 6000, {450, 550}},
    {"long", 6000, {1000, 4000, 1000}},
    {"short", 5000, {40, 60}},
    {"mixed", 5000, {150, 100, 150, 200, 200, 400, 300, 800, 600, 1600, 500}},
    /* Stopped when the first message is due, and when the last one is. */
    {"edge", 5000, {0, 1200, 1000, 900, 900, 1300}},
    {0},
};

const struct timetable *timetable_find(const char *name)
{
    for (const struct timetable *table = timetables; table->name; table++) {
        if (strcmp(table->name, name) == 0)
            return table;
    }
    return NULL;
}

static size_t count_spans(const struct timetable *table)
{
    size_t count = 1;

    while (count < FREEZE_SPAN_COUNT_MAX && table->spans_ms[count] > 0)
        count++;
    return count;
}

size_t timetable_list(const struct timetable *table, struct freeze *ret_freezes)
{
    const size_t span_count = count_spans(table);
    uint64_t at_ms = 0;
    size_t count = 0;

    for (size_t i = 0; at_ms < table->run_ms; i++) {
        const uint64_t span_ms = table->spans_ms[i % span_count];
        /* A list of odd length ends running, and begins so again. */
        if (i % span_count % 2 == 1) {
            assert(count < FREEZE_COUNT_MAX);
            ret_freezes[count++] =
                (struct freeze){at_ms * NS_PER_MS, (at_ms + span_ms) * NS_PER_MS};
        }
        at_ms += span_ms;
    }
    return count;
}

/* For how long, of the first @run_ns, messages are due that wait for more than @wait_ns. */
static uint64_t waiting_ns(const struct freeze *freezes, size_t count, uint64_t run_ns,
                           uint64_t wait_ns)
{
    uint64_t sum_ns = 0;

    for (size_t i = 0; i < count; i++) {
        if (freezes[i].end_ns <= wait_ns)
            continue;
        uint64_t end_ns = freezes[i].end_ns - wait_ns;
        if (end_ns > run_ns)
            end_ns = run_ns;
        if (end_ns > freezes[i].begin_ns)
            sum_ns += end_ns - freezes[i].begin_ns;
    }
    return sum_ns;
}

uint64_t freeze_total_ns(const struct freeze *freezes, size_t count, uint64_t run_ns)
{
    return waiting_ns(freezes, count, run_ns, 0);
}

uint64_t freeze_response_ns(const struct freeze *freezes, size_t count, uint64_t run_ns,
                            double fraction)
{
    const double above_ns = (1 - fraction) * (double)run_ns;
    uint64_t low_ns = 0;
    uint64_t high_ns = 0;

    for (size_t i = 0; i < count; i++) {
        if (freezes[i].end_ns > high_ns)
            high_ns = freezes[i].end_ns;
    }
    /* The time with longer waits only falls as the wait grows. */
    while (low_ns < high_ns) {
        const uint64_t middle_ns = low_ns + (high_ns - low_ns) / 2;
        if ((double)waiting_ns(freezes, count, run_ns, middle_ns) > above_ns)
            low_ns = middle_ns + 1;
        else
            high_ns = middle_ns;
    }
    return low_ns;
}

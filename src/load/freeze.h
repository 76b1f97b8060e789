/* SPDX-License-Identifier: MIT
 *
 * freeze - timetables by which a server is stopped, and the latencies that follow from them
 *
 *      response       a message that is due while the server is stopped waits for its end:
 *         |\          |\
 *         | \         | \         the wait falls from the freeze's length to 0, so it is spread
 *      ___|  \________|  \____    evenly over all lengths, and percentiles are arithmetic
 *         begin end
 *
 * What the server needs for a message is left out: it is small beside a freeze.  Pure code. */
#ifndef LOAD_FREEZE_H
#define LOAD_FREEZE_H

#include <stddef.h>
#include <stdint.h>

enum {
    FREEZE_SPAN_COUNT_MAX = 16,
    FREEZE_COUNT_MAX = 128, /* of one timetable */
};

/* One time during which the server is stopped, from the run's start. */
struct freeze {
    uint64_t begin_ns; /* 0: stopped before the first message is due */
    uint64_t end_ns;
};

struct timetable {
    const char *name;
    uint32_t run_ms; /* messages are due for so long */
    /* Running, stopped, running, stopped ...; again from the front after the first 0, but for one
     * at the front, until run_ms is over. */
    uint16_t spans_ms[FREEZE_SPAN_COUNT_MAX];
};

/* All of them; ends with one without a name. */
extern const struct timetable timetables[];

/* The timetable @name, or NULL. */
const struct timetable *timetable_find(const char *name);

/* Writes the freezes of @table to @ret_freezes (FREEZE_COUNT_MAX) and returns their number. */
size_t timetable_list(const struct timetable *table, struct freeze *ret_freezes);

/* How much of the first @run_ns is frozen. */
uint64_t freeze_total_ns(const struct freeze *freezes, size_t count, uint64_t run_ns);

/* The response time that @fraction (0 to 1) of the messages do not exceed, when they are due evenly
 * for @run_ns.  The freezes do not overlap. */
uint64_t freeze_response_ns(const struct freeze *freezes, size_t count, uint64_t run_ns,
                            double fraction);

#endif

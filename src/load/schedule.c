/* SPDX-License-Identifier: MIT
 *
 * schedule - when each message of an open-loop run is due (schedule.h) */
#include "load/schedule.h"

#include <assert.h>
#include <math.h>

#include "base/clock.h"

static void append(struct schedule *schedule, double from, double to, uint64_t duration_ns)
{
    const double duration = (double)duration_ns;
    struct schedule_piece *const piece = &schedule->pieces[schedule->piece_count];

    *piece = (struct schedule_piece){
        .start_ns = schedule->end_ns,
        .rate = from / (double)NS_PER_S,
        .growth = (to - from) / (double)NS_PER_S / duration,
    };
    if (schedule->piece_count > 0)
        piece->start_position = (piece - 1)->end_position;
    piece->end_position =
        piece->start_position + (piece->rate + piece->growth * duration / 2) * duration;
    schedule->end_ns += duration;
    schedule->piece_count++;
}

void schedule_init(struct schedule *schedule, const struct rate_plan *plan, uint64_t lead_ns)
{
    assert(plan->segment_count > 0);
    double rate = plan->segments[0].from;

    schedule->piece_count = 0;
    schedule->end_ns = 0;
    if (lead_ns > 0 && rate > 0)
        append(schedule, rate, rate, lead_ns);
    else
        schedule->end_ns = (double)lead_ns;
    for (uint32_t i = 0; i < plan->segment_count; i++) {
        const struct rate_segment *const segment = &plan->segments[i];
        if (segment->duration_ns > 0)
            append(schedule, segment->from, segment->to, segment->duration_ns);
        rate = segment->to;
    }
    append(schedule, rate, rate, 1);
    schedule->pieces[schedule->piece_count - 1].end_position = INFINITY;
}

double schedule_time_ns(const struct schedule *schedule, double position, uint32_t *piece)
{
    while (position >= schedule->pieces[*piece].end_position)
        ++*piece;

    const struct schedule_piece *const in = &schedule->pieces[*piece];
    const double count = position - in->start_position;
    if (count <= 0)
        return in->start_ns;
    /* rate * t + growth / 2 * t * t = count, in the form that does not cancel. */
    const double root = sqrt(fmax(0, in->rate * in->rate + 2 * in->growth * count));
    const double divisor = in->rate + root;
    if (divisor <= 0)
        return (double)SCHEDULE_NEVER_NS;
    return in->start_ns + 2 * count / divisor;
}

/* Splitmix64 of seed, connection and message: the same number whoever asks, and when. */
static uint64_t mix(uint64_t value)
{
    value += UINT64_C(0x9e3779b97f4a7c15);
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

/* The gap before message @sequence of connection @index, exponential with mean 1. */
static double draw_gap(const struct schedule *schedule, uint64_t index, uint64_t sequence)
{
    const uint64_t stream = mix(schedule->seed ^ mix(index));
    const double uniform = ((double)(mix(stream + sequence) >> 11) + 0.5) * 0x1p-53;
    return -log(uniform);
}

static void place(const struct schedule *schedule, struct due *due)
{
    const double time_ns = schedule_time_ns(schedule, due->position, &due->piece);

    due->time_ns = time_ns < (double)SCHEDULE_NEVER_NS
                       ? schedule->start_ns + (uint64_t)(time_ns + 0.5)
                       : SCHEDULE_NEVER_NS;
}

void schedule_first(const struct schedule *schedule, uint64_t index, struct due *due)
{
    *due = (struct due){.sequence = 1, .index = index, .position = (double)index};
    if (schedule->arrival == ARRIVAL_POISSON)
        due->position = (double)schedule->connection_count * draw_gap(schedule, index, 1);
    place(schedule, due);
}

void schedule_next(const struct schedule *schedule, struct due *due)
{
    due->sequence++;
    if (schedule->arrival == ARRIVAL_POISSON)
        due->position +=
            (double)schedule->connection_count * draw_gap(schedule, due->index, due->sequence);
    else
        due->position += (double)schedule->connection_count;
    place(schedule, due);
}

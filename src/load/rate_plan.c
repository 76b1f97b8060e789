/* SPDX-License-Identifier: MIT
 *
 * rate_plan - the messages per second of an open loop over time (rate_plan.h) */
#include "load/rate_plan.h"

#include <string.h>

#include "base/clock.h"
#include "base/units.h"

enum { TEXT_SIZE_MAX = 1024 };

#define RATE_MAX     1e9
#define DURATION_MAX (24 * 3600 * NS_PER_S)

static bool parse_rate(const char *text, double *ret_rate)
{
    return units_parse_rate(text, ret_rate) && (*ret_rate <= 0 || *ret_rate >= 1) &&
           *ret_rate <= RATE_MAX;
}

/* Parses "RATE", "RATE:RATE" or "hold" into @segment, whose from is the rate before it. */
static bool parse_rates(char *text, struct rate_segment *segment, bool first)
{
    char *const colon = strchr(text, ':');

    if (strcmp(text, "hold") == 0) {
        segment->to = segment->from;
        return !first;
    }
    if (colon)
        *colon = '\0';
    if (!parse_rate(text, &segment->from))
        return false;
    segment->to = segment->from;
    if (colon)
        return parse_rate(colon + 1, &segment->to) && segment->from + segment->to > 0;
    return segment->from > 0;
}

/* Parses one segment; @last may come without a time, unless it is a ramp. */
static bool parse_segment(char *text, bool first, bool last, struct rate_segment *segment)
{
    char *const slash = strchr(text, '/');

    if (slash)
        *slash = '\0';
    const bool ramp = strchr(text, ':') != NULL;
    if (!parse_rates(text, segment, first))
        return false;
    segment->duration_ns = 0;
    if (!slash)
        return last && !ramp;
    return units_parse_duration_ns(slash + 1, &segment->duration_ns) && segment->duration_ns > 0 &&
           segment->duration_ns <= DURATION_MAX;
}

bool rate_plan_parse(const char *text, struct rate_plan *ret_plan)
{
    char copy[TEXT_SIZE_MAX];
    char *rest = copy;
    char *item;
    struct rate_plan plan = {0};
    double rate = 0;

    if (strlen(text) >= sizeof copy)
        return false;
    memcpy(copy, text, strlen(text) + 1);
    while ((item = strsep(&rest, ","))) {
        if (plan.segment_count == RATE_PLAN_SEGMENT_COUNT_MAX)
            return false;
        struct rate_segment *const segment = &plan.segments[plan.segment_count];
        segment->from = rate;
        if (!parse_segment(item, plan.segment_count == 0, !rest, segment))
            return false;
        rate = segment->to;
        plan.segment_count++;
    }
    *ret_plan = plan;
    return true;
}

uint64_t rate_plan_duration_ns(const struct rate_plan *plan)
{
    uint64_t duration_ns = 0;

    for (uint32_t i = 0; i < plan->segment_count; i++)
        duration_ns += plan->segments[i].duration_ns;
    return duration_ns;
}

double rate_plan_message_count(const struct rate_plan *plan, uint64_t duration_ns)
{
    double count = 0;
    double rate = 0;

    for (uint32_t i = 0; i < plan->segment_count; i++) {
        const struct rate_segment *const segment = &plan->segments[i];
        const uint64_t part_ns =
            segment->duration_ns < duration_ns ? segment->duration_ns : duration_ns;
        rate = segment->to;
        if (part_ns == 0)
            continue;
        const double share = (double)part_ns / (double)segment->duration_ns;
        const double mean = segment->from + (segment->to - segment->from) * share / 2;
        count += mean * (double)part_ns / (double)NS_PER_S;
        duration_ns -= part_ns;
    }
    return count + rate * (double)duration_ns / (double)NS_PER_S;
}

bool rate_plan_is_constant(const struct rate_plan *plan)
{
    for (uint32_t i = 0; i < plan->segment_count; i++) {
        if (plan->segments[i].from < plan->segments[0].from ||
            plan->segments[i].from > plan->segments[0].from ||
            plan->segments[i].to < plan->segments[0].from ||
            plan->segments[i].to > plan->segments[0].from)
            return false;
    }
    return true;
}

/* SPDX-License-Identifier: MIT
 *
 * clock - time, as a thing that tests can own
 *
 * Whatever measures or waits asks a struct clock.  The real one is CLOCK_MONOTONIC: steps of the
 * wall clock do not move it. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

struct clock {
    uint64_t (*now_ns)(const struct clock *clock);
};

/* Nanoseconds since some fixed point.  Any thread. */
static inline uint64_t clock_monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* The clock that reads CLOCK_MONOTONIC.  Never freed; any thread. */
const struct clock *clock_monotonic(void);

static inline uint64_t clock_now_ns(const struct clock *clock)
{
    return clock->now_ns(clock);
}

#endif

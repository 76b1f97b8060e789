/* SPDX-License-Identifier: MIT
 *
 * clock - the real clock (clock.h) */
#include "base/clock.h"

static uint64_t monotonic_now_ns(const struct clock *clock)
{
    (void)clock;
    return clock_monotonic_ns();
}

const struct clock *clock_monotonic(void)
{
    static const struct clock monotonic = {.now_ns = monotonic_now_ns};
    return &monotonic;
}

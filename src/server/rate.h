/* SPDX-License-Identifier: MIT
 *
 * rate - so many a second, and as many at once: a token bucket
 *
 * The bucket is one number, the time at which it will be full again; zero is a full one. */
#ifndef SERVER_RATE_H
#define SERVER_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct rate {
    uint64_t full_ns;
};

/* Takes one of @per_second (at least 1) at @now_ns; false when there is none left. */
static inline bool rate_take(struct rate *rate, uint32_t per_second, uint64_t now_ns)
{
    const uint64_t from_ns = rate->full_ns > now_ns ? rate->full_ns : now_ns;
    const uint64_t full_ns = from_ns + NS_PER_S / per_second;

    if (full_ns - now_ns > NS_PER_S)
        return false;
    rate->full_ns = full_ns;
    return true;
}

#endif

/* SPDX-License-Identifier: MIT
 *
 * pace - waiting for events, or until a message is due (pace.h) */
#include "load/pace.h"

#include <errno.h>

#include "base/clock.h"

enum { MARGIN_START_NS = 50000 };

void pace_init(struct pace *pace, enum idle_mode mode)
{
    *pace = (struct pace){.mode = mode, .margin_ns = MARGIN_START_NS};
}

/* Up quickly and down slowly: that settles near the latest wake-ups and not near their mean. */
void pace_follow(struct pace *pace, uint64_t late_ns)
{
    if (late_ns > pace->margin_ns)
        pace->margin_ns += (late_ns - pace->margin_ns) / 4;
    else
        pace->margin_ns -= (pace->margin_ns - late_ns) / 64;
    if (pace->margin_ns < PACE_MARGIN_MIN_NS)
        pace->margin_ns = PACE_MARGIN_MIN_NS;
    if (pace->margin_ns > PACE_MARGIN_MAX_NS)
        pace->margin_ns = PACE_MARGIN_MAX_NS;
}

static int wait_for(int epoll_fd, struct epoll_event *events, int event_count_max, uint64_t wait_ns)
{
    const struct timespec wait = {
        .tv_sec = (time_t)(wait_ns / NS_PER_S),
        .tv_nsec = (long)(wait_ns % NS_PER_S),
    };
    const int count = epoll_pwait2(epoll_fd, events, event_count_max, &wait, NULL);

    if (count < 0 && errno == ENOSYS)
        return epoll_wait(epoll_fd, events, event_count_max,
                          (int)((wait_ns + NS_PER_MS - 1) / NS_PER_MS));
    return count;
}

int pace_wait(struct pace *pace, int epoll_fd, struct epoll_event *events, int event_count_max,
              uint64_t now_ns, uint64_t until_ns, bool due)
{
    const uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
    const uint64_t margin_ns = pace->mode == IDLE_HYBRID ? pace->margin_ns : 0;
    int count = 0;

    pace->idle_count += wait_ns > 0;
    if (pace->mode == IDLE_SLEEP || wait_ns == 0 || (!due && pace->mode != IDLE_SPIN))
        return wait_for(epoll_fd, events, event_count_max, wait_ns);

    if (pace->mode == IDLE_HYBRID && wait_ns > margin_ns) {
        count = wait_for(epoll_fd, events, event_count_max, wait_ns - margin_ns);
        now_ns = clock_monotonic_ns();
        if (count == 0 && now_ns > until_ns - margin_ns)
            pace_follow(pace, now_ns - (until_ns - margin_ns));
    }
    while (count == 0 && now_ns < until_ns) {
        count = epoll_wait(epoll_fd, events, event_count_max, 0);
        now_ns = clock_monotonic_ns();
    }
    return count;
}

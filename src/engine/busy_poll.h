/* SPDX-License-Identifier: MIT
 *
 * busy_poll - looks for events for a while before the thread goes to sleep for them
 *
 * Waking a sleeping thread takes a few microseconds, on virtual machines a hundred.  A thread that
 * looks again and again is there at once, and costs a CPU meanwhile.  So it stops where it does not
 * pay: after MISS_COUNT_MAX looks in vain it goes to sleep at once for a number of times, which
 * doubles as long as the try after it is in vain, too.  Where events are always there already, it
 * never comes to looking twice. */
#ifndef ENGINE_BUSY_POLL_H
#define ENGINE_BUSY_POLL_H

#include <stdbool.h>
#include <stdint.h>

enum {
    BUSY_POLL_MISS_COUNT_MAX = 8,
    BUSY_POLL_REST_COUNT_MIN = 8,
    BUSY_POLL_REST_COUNT_MAX = 1024,
};

struct busy_poll {
    uint64_t spin_ns;     /* 0: off */
    uint32_t miss_count;  /* looks in vain, in a row */
    uint32_t rest_count;  /* sleeps until the next try */
    uint32_t rest_length; /* what that begins at next time */
};

void busy_poll_init(struct busy_poll *busy_poll, uint64_t spin_ns);

/* To be called before each sleep.  Calls @look, which says if there are events, until there are
 * or time is up or @wait_ns (negative: without end) has passed.  True if there are; false: go to
 * sleep. */
bool busy_poll_spin(struct busy_poll *busy_poll, int64_t wait_ns, bool (*look)(void *context),
                    void *context);

#endif

/* SPDX-License-Identifier: MIT
 *
 * busy_poll - looks for events for a while before the thread goes to sleep for them (busy_poll.h)
 */
#include "engine/busy_poll.h"

#include "base/clock.h"

void busy_poll_init(struct busy_poll *busy_poll, uint64_t spin_ns)
{
    *busy_poll = (struct busy_poll){.spin_ns = spin_ns, .rest_length = BUSY_POLL_REST_COUNT_MIN};
}

/* Tells the processor that this is a loop that waits. */
static void relax(void)
{
#if defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("isb");
#endif
}

static void learn(struct busy_poll *busy_poll, bool found)
{
    if (found) {
        busy_poll->miss_count = 0;
        busy_poll->rest_length = BUSY_POLL_REST_COUNT_MIN;
        return;
    }
    if (busy_poll->miss_count < BUSY_POLL_MISS_COUNT_MAX)
        busy_poll->miss_count++;
    if (busy_poll->miss_count < BUSY_POLL_MISS_COUNT_MAX)
        return;
    busy_poll->rest_count = busy_poll->rest_length;
    if (busy_poll->rest_length < BUSY_POLL_REST_COUNT_MAX)
        busy_poll->rest_length *= 2;
}

bool busy_poll_spin(struct busy_poll *busy_poll, int64_t wait_ns, bool (*look)(void *context),
                    void *context)
{
    uint64_t spin_ns = busy_poll->spin_ns;
    bool found = false;

    if (spin_ns == 0 || wait_ns == 0)
        return false;
    if (busy_poll->rest_count > 0) {
        busy_poll->rest_count--;
        return false;
    }
    if (look(context))
        return true; /* a busy thread: says nothing about looking twice */

    if (wait_ns > 0 && (uint64_t)wait_ns < spin_ns)
        spin_ns = (uint64_t)wait_ns;
    const uint64_t end_ns = clock_monotonic_ns() + spin_ns;
    do {
        relax();
        found = look(context);
    } while (!found && clock_monotonic_ns() < end_ns);
    learn(busy_poll, found);
    return found;
}

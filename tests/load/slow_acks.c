/* SPDX-License-Identifier: MIT
 *
 * slow_acks - makes a server slower by a known amount of CPU time for each ack
 *
 *      LD_PRELOAD=libslow_acks.so SLOW_ACKS_NS=100 ackd ...
 *
 * Stands before send() and burns SLOW_ACKS_NS for every 14 bytes that it sends: a planted
 * regression for the tests of `ackload ab`, of which the size is known.  For servers with one
 * thread that sends. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

enum { ACK_SIZE = 14, BURN_MIN_NS = 2000 };

/* CPU time of this thread: what the kernel gives to others is not counted as burnt. */
static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t read_cost_ns(void)
{
    const char *const text = getenv("SLOW_ACKS_NS");
    uint64_t cost_ns = 0;

    for (const char *at = text ? text : ""; *at >= '0' && *at <= '9'; at++)
        cost_ns = cost_ns * 10 + (uint64_t)(*at - '0');
    return cost_ns;
}

__attribute__((visibility("default"))) ssize_t send(int fd, const void *data, size_t size,
                                                    int flags)
{
    static ssize_t (*next)(int, const void *, size_t, int);
    static uint64_t cost_ns;
    static int64_t owed_ns; /* what a look at the clock costs is paid for, too */

    if (!next) {
        cost_ns = read_cost_ns();
        *(void **)&next = dlsym(RTLD_NEXT, "send");
    }
    owed_ns += (int64_t)(cost_ns * (size / ACK_SIZE));
    if (owed_ns >= BURN_MIN_NS) {
        const uint64_t start_ns = now_ns();
        int64_t burnt_ns = 0;
        while (burnt_ns < owed_ns)
            burnt_ns = (int64_t)(now_ns() - start_ns);
        owed_ns -= burnt_ns;
    }
    return next(fd, data, size, flags);
}

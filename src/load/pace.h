/* SPDX-License-Identifier: MIT
 *
 * pace - waiting for events, or until a message is due
 *
 *      sleep    the kernel wakes the thread, as late as it likes
 *      spin     the thread asks again and again, for acks too: exact, and a whole CPU
 *      hybrid   sleep until a margin before the time, then spin; the margin follows how late the
 *               kernel has been
 *
 * Spinning is worth it only on a CPU that the server does not need.  One thread. */
#ifndef LOAD_PACE_H
#define LOAD_PACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

enum idle_mode {
    IDLE_SLEEP,
    IDLE_SPIN,
    IDLE_HYBRID,
};

enum {
    PACE_MARGIN_MIN_NS = 2000,
    PACE_MARGIN_MAX_NS = 300000,
};

struct pace {
    enum idle_mode mode;
    uint64_t margin_ns;
    uint64_t idle_count; /* waits that found nothing to do at once */
};

void pace_init(struct pace *pace, enum idle_mode mode);

/* Waits for events of @epoll_fd, until @until_ns.  A hybrid spins only if @due, that is when
 * something must happen just then.  @now_ns is the clock's time.  Returns what epoll_wait() does.
 */
int pace_wait(struct pace *pace, int epoll_fd, struct epoll_event *events, int event_count_max,
              uint64_t now_ns, uint64_t until_ns, bool due);

/* Lets the margin follow: the kernel woke the thread @late_ns after the time that was asked for. */
void pace_follow(struct pace *pace, uint64_t late_ns);

#endif

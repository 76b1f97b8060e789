/* SPDX-License-Identifier: MIT
 *
 * systemd - tells the service manager how ackd does, if there is one (Type=notify)
 *
 * Datagrams to the socket that NOTIFY_SOCKET names: READY=1, RELOADING=1, STOPPING=1, STATUS=...,
 * WATCHDOG=1.  The protocol is promised to stay; these lines are all of it that ackd needs.
 * Source: sd_notify(3), sd_watchdog_enabled(3).
 *
 * One thread. */
#ifndef ACKD_SYSTEMD_H
#define ACKD_SYSTEMD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
    SYSTEMD_WORKER_COUNT_MAX = 256,

    /* A worker turns at least once a second, even when it has nothing to do. */
    SYSTEMD_STUCK_MS = 2500,
};

struct systemd {
    int fd; /* -1: nobody listens */
    struct sockaddr_un address;
    socklen_t address_size;
    uint64_t watchdog_ms; /* it must be fed so often; 0: there is none */

    /* Of each worker: its turns when they last grew, and when that was. */
    uint64_t turns[SYSTEMD_WORKER_COUNT_MAX];
    uint64_t moved_ms[SYSTEMD_WORKER_COUNT_MAX];
};

/* Reads the environment and opens the socket.  Never fails: without a manager nothing is told. */
void systemd_open(struct systemd *systemd);

void systemd_close(struct systemd *systemd);

/* Sends @state: lines NAME=VALUE. */
void systemd_say(const struct systemd *systemd, const char *state);

/* The configuration is being read; systemd_say("READY=1") follows. */
void systemd_say_reloading(const struct systemd *systemd);

/* How long to wait until systemd_feed(), in ms; -1: there is no watchdog. */
int systemd_feed_ms(const struct systemd *systemd);

/* The monotonic clock, for systemd_feed(). */
uint64_t systemd_now_ms(void);

/* Feeds the watchdog, if every worker moves.  @turns: how often each worker has turned so far;
 * UINT64_MAX: it has ended.  The index of a worker that is stuck, or -1. */
int systemd_feed(struct systemd *systemd, const uint64_t *turns, size_t worker_count,
                 uint64_t now_ms);

#endif

/* SPDX-License-Identifier: MIT
 *
 * ackd/watch.h - a server's numbers for a program that shows them: what a page or a tool reads
 *
 * Two things: every series of ackd/metrics.h as a number, without a text in between, and the
 * connections that have the most to do. */
#ifndef ACKD_WATCH_H
#define ACKD_WATCH_H

#include <ackd/export.h>
#include <ackd/server.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    ACKD_SERIES_NAME_SIZE = 96,
    ACKD_CONNS_COUNT_MAX = 50,
    ACKD_PEER_SIZE = 128,
};

/* How many series there are: the same for as long as @server lives.  The counters of the server
 * come first, then the process, then the workers one by one.  Any thread. */
ACKD_API size_t ackd_server_series_count(const struct ackd_server *server);

/* Writes the name of the series at @index: as in /metrics, labels too, without the prefix.
 * @ret_name has ACKD_SERIES_NAME_SIZE bytes.  Any thread. */
ACKD_API void ackd_server_series_name(const struct ackd_server *server, size_t index,
                                      char *ret_name);

/* Writes what all series are now to @ret_values.  Costs the workers nothing but reads of their
 * cache lines, and not more with more connections.  What cannot be read is 0.  Any thread. */
ACKD_API void ackd_server_series_read(const struct ackd_server *server, double *ret_values);

/* What a list of connections is ordered by. */
enum ackd_conns_order {
    ACKD_CONNS_BY_RATE,   /* SUBMITs a second */
    ACKD_CONNS_BY_QUEUED, /* acks that the peer has not taken */
    ACKD_CONNS_ORDER_COUNT,
};

/* One connection.  A rate is taken since the last time anybody asked, if that was not long ago;
 * else since the connection was accepted. */
struct ackd_conn {
    uint32_t worker;
    uint32_t slot; /* with `generation`: which of the worker's; never used twice */
    uint32_t generation;
    uint32_t age_s;
    double submit_rate;
    uint64_t submits_received;
    uint64_t submit_acks_sent;
    uint32_t queued_bytes; /* of acks, not yet the kernel's */
    uint32_t unanswered;   /* requests that wait for the handler */
    const char *state;     /* "open", "flushing", "lingering" or "closing"; static */
    /* Why it is not read: "ack_backlog", "window", "memory", "overload", or ""; static. */
    const char *paused;
    char peer[ACKD_PEER_SIZE];
};

struct ackd_conns_list {
    uint32_t count;
    struct ackd_conn conns[ACKD_CONNS_COUNT_MAX]; /* the most first */
};

struct ackd_conns {
    uint32_t worker_count;   /* workers that were asked */
    uint32_t answered_count; /* those of them that answered in time */
    struct ackd_conns_list by[ACKD_CONNS_ORDER_COUNT];
};

/* Finds the connections that are first in each order.  Each worker looks through its own, a
 * bounded number a turn, so that none is held up; waits for them for at most @timeout_ms, and
 * leaves out those that are late.  Any thread; calls wait for each other.  0, or -ENOMEM. */
ACKD_API int ackd_server_conns(struct ackd_server *server, uint32_t timeout_ms,
                               struct ackd_conns *ret_conns);

#ifdef __cplusplus
}
#endif

#endif

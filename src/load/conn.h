/* SPDX-License-Identifier: MIT
 *
 * conn - one connection: its window, what it writes, what it reads
 *
 *      conn_pump     window and schedule ─▶ train ─▶ one send ─▶ sendlog
 *      conn_receive  one recv ─▶ verify ─▶ ledger, and sendlog ─▶ latency ─▶ conn_pump
 *
 * A struct lane is what the connections of one thread share: the train, the receive buffer, the
 * counts.  A connection owns its socket and keeps no bytes but a split ack.  Everything here runs
 * on the one thread that owns the lane; nothing allocates. */
#ifndef LOAD_CONN_H
#define LOAD_CONN_H

#include "load/error_log.h"
#include "load/schedule.h"
#include "load/sendlog.h"
#include "load/tally.h"
#include "load/train.h"
#include "load/verify.h"

enum {
    /* One receive takes the acks of a deep pipeline: smaller reads cost throughput. */
    LANE_RECEIVE_SIZE = 256 * 1024,
    /* In front of the received bytes: room for the start of a split ack. */
    LANE_HEADROOM_SIZE = 16,
};

/* The first ack of a thread that was not as it should be. */
struct bad_ack {
    enum verify_verdict verdict; /* VERIFY_OK: there was none */
    uint64_t time_ns;
    uint64_t connection_index;
    uint64_t expected_id;
    uint8_t bytes[ACK_FRAME_SIZE];
};

struct lane {
    int epoll_fd;
    bool sending;   /* false: only frames that were begun are completed */
    bool overdue;   /* the drain is over: an ack that still comes is late */
    bool closing;   /* all is settled: a peer that closes is expected */
    bool counting;  /* acks are counted, not looked at */
    bool measuring; /* the warm-up is over, and sending not yet */
    uint32_t burst; /* open loop: messages that a connection writes in one go, at most */
    uint64_t window;
    uint64_t timeout_ns; /* an ack that took longer is late */
    uint64_t stall_ns;   /* a socket that was full for longer stalled */
    uint64_t measure_start_ns;
    const struct schedule *schedule; /* NULL in a closed loop */
    struct conn **pending;           /* connections that have something to write; room for all */
    uint32_t pending_count;
    struct train train;
    uint8_t *receive; /* LANE_HEADROOM_SIZE + LANE_RECEIVE_SIZE */
    struct tally *tally;

    struct ledger ledger;
    struct traffic traffic;
    struct bad_ack first_bad;
    struct error_log errors;
    uint64_t blocked_count;  /* messages that were due when window or socket was full */
    uint64_t full_count;     /* writes that filled a socket */
    double flight_ns;        /* the integral of the messages in flight over time, */
    uint64_t flight_time_ns; /* until here */
    uint32_t open_count;
    uint32_t begun_count;      /* connections that wrote a part of a frame */
    uint32_t disconnect_count; /* connections that ended before the run did */
};

struct conn {
    int fd; /* -1: closed */
    bool watching_out;
    bool send_broken; /* the peer takes no more; what it sent before is still read */
    bool queued;      /* among the lane's pending */
    uint8_t split_size;
    uint8_t split[ACK_FRAME_SIZE]; /* the start of an ack, from the last receive */

    uint64_t index;          /* among all connections of the run */
    uint64_t sent;           /* messages written whole */
    uint64_t due;            /* messages the schedule has released */
    uint64_t first_measured; /* the first message that is not of the warm-up; UINT64_MAX: not yet */
    uint64_t blocked_first;  /* the messages from here up to the mark were delayed by the server: */
    uint64_t blocked_mark;  /* window or socket was full when they were due; no earlier ones wait */
    uint64_t full_since_ns; /* 0: the socket is not full */
    uint64_t next_id;
    uint32_t frame;      /* the train's frame of the next message */
    uint32_t begun_size; /* bytes of it that are written already */
    uint32_t batch_max;  /* frames prepared for one send: follows what the socket takes */

    struct verify verify;
    struct sendlog log;

    /* Open loop: three walks along the same stream of due times. */
    struct due released; /* the next message to be released */
    struct due written;  /* the next to be written */
    struct due acked;    /* not after the next to be acked */
};

/* Takes over the connected socket @fd and watches it.  @conn's index, verify and log are set.  On
 * failure (errno) the socket stays the caller's. */
int conn_open(struct conn *conn, struct lane *lane, int fd, uint32_t first_frame);

/* Counts the messages in flight for the time until @now_ns.  Comes before each change of theirs. */
static inline void lane_follow_flight(struct lane *lane, uint64_t now_ns)
{
    lane->flight_ns +=
        (double)ledger_unanswered(&lane->ledger) * (double)(now_ns - lane->flight_time_ns);
    lane->flight_time_ns = now_ns;
}

/* Open loop: places the connection at the start of the schedule, whose start_ns is set. */
void conn_begin(struct conn *conn, const struct lane *lane);

/* Open loop: the connection's next message is due.  It is written by lane_flush(). */
void conn_release(struct conn *conn, struct lane *lane);

/* Pumps all pending connections once.  Those that have more to write than a burst stay pending. */
void lane_flush(struct lane *lane);

/* Writes what window and schedule allow, until the socket is full; in an open loop at most a
 * burst. */
void conn_pump(struct conn *conn, struct lane *lane);

/* Reads once, judges the acks, and pumps.  A connection that ended is closed. */
void conn_receive(struct conn *conn, struct lane *lane);

/* Tells the peer that nothing more will come; acks can still arrive. */
void conn_finish(struct conn *conn);

/* Closes an open connection.  What it has in flight is lost. */
void conn_close(struct conn *conn, struct lane *lane);

#endif

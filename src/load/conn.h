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
    bool sending;  /* false: only frames that were begun are completed */
    bool closing;  /* all is settled: a peer that closes is expected */
    bool counting; /* acks are counted, not looked at */
    uint64_t window;
    const struct schedule *schedule; /* NULL in a closed loop */
    struct train train;
    uint8_t *receive; /* LANE_HEADROOM_SIZE + LANE_RECEIVE_SIZE */
    struct tally *tally;

    struct ledger ledger;
    struct traffic traffic;
    struct bad_ack first_bad;
    uint32_t open_count;
    uint32_t begun_count;      /* connections that wrote a part of a frame */
    uint32_t disconnect_count; /* connections that ended before the run did */
};

struct conn {
    int fd; /* -1: closed */
    bool watching_out;
    bool send_broken; /* the peer takes no more; what it sent before is still read */
    bool queued;      /* the worker's mark: due, and on its list */
    uint8_t split_size;
    uint8_t split[ACK_FRAME_SIZE]; /* the start of an ack, from the last receive */

    uint64_t index; /* among all connections of the run */
    uint64_t sent;  /* messages written whole */
    uint64_t due;   /* messages the schedule has released */
    uint64_t next_id;
    uint32_t frame;      /* the train's frame of the next message */
    uint32_t begun_size; /* bytes of it that are written already */
    uint32_t batch_max;  /* frames prepared for one send: follows what the socket takes */

    struct verify verify;
    struct sendlog log;
};

/* Takes over the connected socket @fd and watches it.  @conn's index, verify and log are set.  On
 * failure (errno) the socket stays the caller's. */
int conn_open(struct conn *conn, struct lane *lane, int fd, uint32_t first_frame);

/* Writes what window and schedule allow, until the socket is full. */
void conn_pump(struct conn *conn, struct lane *lane);

/* Reads once, judges the acks, and pumps.  A connection that ended is closed. */
void conn_receive(struct conn *conn, struct lane *lane);

/* Tells the peer that nothing more will come; acks can still arrive. */
void conn_finish(struct conn *conn);

/* Closes an open connection.  What it has in flight goes to lost. */
void conn_close(struct conn *conn, struct lane *lane);

#endif

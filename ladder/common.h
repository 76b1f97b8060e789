/* SPDX-License-Identifier: MIT
 *
 * common - what the three stages of the ladder share: all but the one idea of each
 *
 *      main thread             accepts, and waits for SIGTERM        common.c, common_options.c
 *      a thread each           one connection: stage_serve()         common_connection.c
 *      http threads            /metrics and /debug/pprof, as ackd's  common_http.c
 *
 * A thread stands for a goroutine: it reads, answers and waits for one connection alone.  Each
 * stage is one file, and differs from the one before by exactly one change:
 *
 *      diff ladder/unbuffered.c ladder/buffered.c
 *      diff ladder/buffered.c ladder/pooled.c
 *
 * Frames, packets and acks are src/wire's, counters and metrics src/stats': as in ackd.  What ackd
 * adds and the ladder has not: timeouts, the demo dialect, deferred answers, workers. */
#ifndef LADDER_COMMON_H
#define LADDER_COMMON_H

#include <stdbool.h>

#include "base/bytes.h"
#include "stats/counters.h"
#include "wire/frame.h"

enum {
    CONNECTION_COUNT_MAX = 1024, /* more are closed at once */
    CONNECTION_FRAME_SIZE_MAX = 64 * 1024,

    /* Address space; what a connection touches of it is two pages. */
    CONNECTION_STACK_SIZE = 256 * 1024,

    /* As in wire/packet.h, which has a packet_decode() of its own: a stage cannot include it. */
    ACK_SIZE = 14,
    ID_SIZE = 8,
};

/* One connection.  Its thread is the only one that touches it, and the only writer of the
 * counters; these count on over all connections that come to use this place. */
struct connection {
    int fd;
    size_t frame_size; /* of the current frame, how much has come */
    struct counters counters;
    uint8_t frame[CONNECTION_FRAME_SIZE_MAX];
};

/* One request, decoded: what the column's server calls a Submit. */
struct packet {
    struct packet *next; /* the owner's */
    bool is_submit;      /* else it is a CONN */
    uint8_t id[ID_SIZE];
    struct bytes payload; /* borrowed from the frame */
};

/* The stage, for people and metrics. */
extern const char stage_name[];

/* Serves @connection until it ends, and says why.  The stage defines this. */
enum close_reason stage_serve(struct connection *connection);

/* One read(2) of up to @size bytes, counted.  CLOSE_NONE with *@ret_size > 0, or why there are no
 * more.  Waits. */
enum close_reason connection_read(struct connection *connection, uint8_t *to, size_t size,
                                  size_t *ret_size);

/* Writes @size bytes by write(2), counted: one call, more only if a signal or the socket's buffer
 * cuts it short.  Waits. */
enum close_reason connection_write(struct connection *connection, const uint8_t *from, size_t size);

/* Counts acks of SUBMITs that were written. */
void connection_acked(struct connection *connection, uint64_t submit_count);

/* The size that the header in @connection's frame announces, if it is legal. */
enum close_reason connection_frame_size(const struct connection *connection, size_t *ret_size);

/* Judges a whole frame and counts it; *@ret_packet, but for its next, is the packet. */
enum close_reason connection_parse(struct connection *connection, struct packet *ret_packet);

/* Writes the ack frame of @packet, ACK_SIZE bytes. */
void packet_ack(const struct packet *packet, uint8_t *ret_ack);

#endif

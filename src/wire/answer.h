/* SPDX-License-Identifier: MIT
 *
 * answer - walks a run of requests and writes their acks, in one pass
 *
 *      input   | frame | frame | frame | frame | par      (borrowed, untouched)
 *                  |       |       |       |
 *      acks    | ack   | ack   | ack   | ack   |           (14 bytes each, result 0)
 *
 * Every ack is written as a success while its request is checked; who then decides otherwise
 * changes one byte of it.  So the common case reads each frame's first 13 bytes once and writes
 * each ack once, and nothing is stored in between.
 *
 * Pure code: no I/O, no allocation, no clock. */
#ifndef WIRE_ANSWER_H
#define WIRE_ANSWER_H

#include "wire/packet.h"

/* Why a walk ended. */
enum answer_stop {
    ANSWER_PARTIAL, /* fewer bytes left than one frame: none, or the start of a legal one */
    ANSWER_FRAME_TOO_SHORT,
    ANSWER_FRAME_TOO_LONG,
    ANSWER_PACKET_TOO_SHORT,
    ANSWER_UNKNOWN_COMMAND,
    ANSWER_WRONG_DIRECTION,
};

struct answer {
    size_t taken_size;     /* bytes of the answered frames; what follows them was not taken */
    uint32_t submit_count; /* SUBMITs answered */
    uint32_t conn_count;   /* CONNs answered */
    enum answer_stop stop;
};

enum {
    /* The walk writes acks with two 8-byte stores, which end past the ack's 14 bytes. */
    ANSWER_SLACK_SIZE = 2,
};

/* The room that answer_requests() needs for the acks to @input_size bytes. */
static inline size_t answer_size_max(size_t input_size)
{
    return input_size / REQUEST_FRAME_SIZE_MIN * ACK_FRAME_SIZE + ANSWER_SLACK_SIZE;
}

/* Answers every whole request at the front of @input with result 0 in @dialect.
 *
 * @acks has room for answer_size_max(@input.size) bytes.  A frame longer than @frame_size_max
 * ends the walk as any other violation does: the frames before it are answered. */
struct answer answer_requests(struct bytes input, uint32_t frame_size_max, enum dialect dialect,
                              uint8_t *acks);

/* Takes the next SUBMIT off the front of @frames, which answer_requests() has checked; CONNs are
 * passed over and counted in @conn_count.  False at the end. */
bool answer_next_submit(struct bytes *frames, struct request *ret_submit, uint32_t *conn_count);

#endif

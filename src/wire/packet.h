/* SPDX-License-Identifier: MIT
 *
 * packet - what a frame carries: requests in, acks out (docs/PROTOCOL.md, "Packet")
 *
 *      request   | command: 1 | id: 8 | payload: n >= 0 |
 *      ack       | command: 1 | id: 8 | result: 1       |
 *
 * Pure code: no I/O, no allocation, no clock.  A decoded request borrows from the packet. */
#ifndef WIRE_PACKET_H
#define WIRE_PACKET_H

#include "base/bytes.h"
#include "wire/frame.h"

enum {
    PACKET_COMMAND_SIZE = 1,
    PACKET_ID_SIZE = 8,
    PACKET_RESULT_SIZE = 1,

    /* The shortest frame of a request, and the size of every frame that holds an ack. */
    REQUEST_FRAME_SIZE_MIN = FRAME_HEADER_SIZE + PACKET_COMMAND_SIZE + PACKET_ID_SIZE,
    ACK_FRAME_SIZE = REQUEST_FRAME_SIZE_MIN + PACKET_RESULT_SIZE,

    /* Where things stand in the frame of an ack. */
    ACK_COMMAND_OFFSET = FRAME_HEADER_SIZE,
    ACK_ID_OFFSET = ACK_COMMAND_OFFSET + PACKET_COMMAND_SIZE,
    ACK_RESULT_OFFSET = ACK_ID_OFFSET + PACKET_ID_SIZE,
};

enum command {
    COMMAND_CONN = 0x01,
    COMMAND_SUBMIT = 0x02,

    /* Acks, dialect "spec". */
    COMMAND_CONN_ACK = 0x81,
    COMMAND_SUBMIT_ACK = 0x82,

    /* Acks, dialect "demo": the published teaching code restarts iota. */
    COMMAND_DEMO_CONN_ACK = 0x80,
    COMMAND_DEMO_SUBMIT_ACK = 0x81,
};

enum result {
    RESULT_OK = 0,
    RESULT_FAILED = 1,
};

/* How acks are numbered; requests are the same in both. */
enum dialect {
    DIALECT_SPEC,
    DIALECT_DEMO,
};

struct request {
    enum command command; /* COMMAND_CONN or COMMAND_SUBMIT */
    const uint8_t *id;    /* PACKET_ID_SIZE bytes, echoed bit for bit */
    struct bytes payload;
};

struct ack {
    uint8_t command;
    const uint8_t *id;
    uint8_t result;
};

enum packet_decode {
    PACKET_OK,
    PACKET_TOO_SHORT,       /* a request without a whole id */
    PACKET_UNKNOWN_COMMAND, /* a command that nobody sends */
    PACKET_WRONG_DIRECTION, /* an ack, sent to a server */
};

/* Decodes the packet of one request.  @ret_request borrows from @packet and is untouched unless
 * the outcome is PACKET_OK.  The command is judged before the size: an unknown command stays
 * unknown whatever its length. */
static inline enum packet_decode packet_decode(struct bytes packet, struct request *ret_request)
{
    assert(packet.size >= PACKET_COMMAND_SIZE);

    const uint8_t command = packet.data[0];
    if (command == COMMAND_DEMO_CONN_ACK || command == COMMAND_CONN_ACK ||
        command == COMMAND_SUBMIT_ACK)
        return PACKET_WRONG_DIRECTION;
    if (command != COMMAND_SUBMIT && command != COMMAND_CONN)
        return PACKET_UNKNOWN_COMMAND;
    if (packet.size < PACKET_COMMAND_SIZE + PACKET_ID_SIZE)
        return PACKET_TOO_SHORT;

    *ret_request = (struct request){
        .command = command,
        .id = packet.data + PACKET_COMMAND_SIZE,
        .payload = bytes_skip(packet, PACKET_COMMAND_SIZE + PACKET_ID_SIZE),
    };
    return PACKET_OK;
}

/* The command of the ack to @request (COMMAND_CONN or COMMAND_SUBMIT) in @dialect. */
static inline uint8_t packet_ack_command(enum command request, enum dialect dialect)
{
    if (dialect == DIALECT_DEMO)
        return request == COMMAND_SUBMIT ? COMMAND_DEMO_SUBMIT_ACK : COMMAND_DEMO_CONN_ACK;
    return request == COMMAND_SUBMIT ? COMMAND_SUBMIT_ACK : COMMAND_CONN_ACK;
}

/* Writes one whole ack frame, ACK_FRAME_SIZE bytes, to @to. */
static inline void packet_encode_ack(uint8_t *to, uint8_t command, const uint8_t *id,
                                     uint8_t result)
{
    store_be32(to, ACK_FRAME_SIZE);
    to[ACK_COMMAND_OFFSET] = command;
    memcpy(to + ACK_ID_OFFSET, id, PACKET_ID_SIZE);
    to[ACK_RESULT_OFFSET] = result;
}

/* Decodes the packet of one ack, for clients.  False when it is not exactly one ack packet of
 * some dialect; then @ret_ack is untouched.  Which commands count is the caller's decision. */
static inline bool packet_decode_ack(struct bytes packet, struct ack *ret_ack)
{
    if (packet.size != ACK_FRAME_SIZE - FRAME_HEADER_SIZE)
        return false;
    if (packet.data[0] < COMMAND_DEMO_CONN_ACK || packet.data[0] > COMMAND_SUBMIT_ACK)
        return false;

    *ret_ack = (struct ack){
        .command = packet.data[0],
        .id = packet.data + PACKET_COMMAND_SIZE,
        .result = packet.data[PACKET_COMMAND_SIZE + PACKET_ID_SIZE],
    };
    return true;
}

/* Writes the frame of one request; @to has room for REQUEST_FRAME_SIZE_MIN + @payload.size.
 * Returns the size of the frame. */
static inline size_t packet_encode_request(uint8_t *to, enum command command, const uint8_t *id,
                                           struct bytes payload)
{
    const size_t size = REQUEST_FRAME_SIZE_MIN + payload.size;

    assert(size <= FRAME_SIZE_LIMIT);
    store_be32(to, (uint32_t)size);
    to[FRAME_HEADER_SIZE] = (uint8_t)command;
    memcpy(to + FRAME_HEADER_SIZE + PACKET_COMMAND_SIZE, id, PACKET_ID_SIZE);
    if (payload.size > 0)
        memcpy(to + REQUEST_FRAME_SIZE_MIN, payload.data, payload.size);
    return size;
}

#endif

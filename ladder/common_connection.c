/* SPDX-License-Identifier: MIT
 *
 * common_connection - what a stage does with its connection (common.h): the system calls, counted
 * as ackd counts its own, and the wire format */
#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include "common.h"
#include "wire/packet.h"

static_assert((int)ACK_SIZE == (int)ACK_FRAME_SIZE, "wire/packet.h says the size of an ack");
static_assert((int)ID_SIZE == (int)PACKET_ID_SIZE, "wire/packet.h says the size of an id");

static enum close_reason reason_of(int code)
{
    return code == ECONNRESET || code == EPIPE ? CLOSE_reset : CLOSE_io_error;
}

enum close_reason connection_read(struct connection *connection, uint8_t *to, size_t size,
                                  size_t *ret_size)
{
    ssize_t got;

    do {
        got = read(connection->fd, to, size);
        counter_add(&connection->counters.syscalls_recv, 1);
    } while (got < 0 && errno == EINTR);
    if (got <= 0)
        return got == 0 ? CLOSE_eof : reason_of(errno);
    counter_add(&connection->counters.bytes_received, (uint64_t)got);
    *ret_size = (size_t)got;
    return CLOSE_NONE;
}

enum close_reason connection_write(struct connection *connection, const uint8_t *from, size_t size)
{
    while (size > 0) {
        const ssize_t done = write(connection->fd, from, size);

        counter_add(&connection->counters.syscalls_send, 1);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return reason_of(errno);
        counter_add(&connection->counters.bytes_sent, (uint64_t)done);
        from += done;
        size -= (size_t)done;
    }
    return CLOSE_NONE;
}

void connection_acked(struct connection *connection, uint64_t submit_count)
{
    counter_add(&connection->counters.submit_acks_sent, submit_count);
    counter_add(&connection->counters.acks_ok, submit_count);
}

enum close_reason connection_frame_size(const struct connection *connection, size_t *ret_size)
{
    struct bytes header = {connection->frame, FRAME_HEADER_SIZE};
    struct bytes packet;

    switch (frame_take(&header, CONNECTION_FRAME_SIZE_MAX, &packet)) {
    case FRAME_TOO_SHORT:
        return CLOSE_frame_too_short;
    case FRAME_TOO_LONG:
        return CLOSE_frame_too_large;
    case FRAME_PARTIAL:
    case FRAME_READY:
        break;
    }
    *ret_size = load_be32(connection->frame);
    return CLOSE_NONE;
}

static enum close_reason judge(enum packet_decode outcome)
{
    switch (outcome) {
    case PACKET_TOO_SHORT:
        return CLOSE_packet_too_short;
    case PACKET_UNKNOWN_COMMAND:
        return CLOSE_unknown_command;
    case PACKET_WRONG_DIRECTION:
        return CLOSE_wrong_direction;
    case PACKET_OK:
        break;
    }
    return CLOSE_NONE;
}

enum close_reason connection_parse(struct connection *connection, struct packet *ret_packet)
{
    const struct bytes frame = {connection->frame, connection->frame_size};
    struct request request = {0};

    const enum close_reason reason =
        judge(packet_decode(bytes_skip(frame, FRAME_HEADER_SIZE), &request));
    if (reason != CLOSE_NONE)
        return reason;
    ret_packet->is_submit = request.command == COMMAND_SUBMIT;
    memcpy(ret_packet->id, request.id, sizeof ret_packet->id);
    ret_packet->payload = request.payload;
    counter_add(ret_packet->is_submit ? &connection->counters.submits_received
                                      : &connection->counters.packets_conn,
                1);
    return CLOSE_NONE;
}

void packet_ack(const struct packet *packet, uint8_t *ret_ack)
{
    const enum command command = packet->is_submit ? COMMAND_SUBMIT : COMMAND_CONN;

    packet_encode_ack(ret_ack, packet_ack_command(command, DIALECT_SPEC), packet->id, RESULT_OK);
}
